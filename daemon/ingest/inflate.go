package ingest

import (
	"errors"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxInflated bounds a batch after decompression, in bytes.
	maxInflated = 8 << 20
	// maxRatio bounds how much larger than on the wire it may be, and
	// freeInflated what is granted whatever the ratio: lines that repeat each
	// other shrink a hundredfold, and bombs a thousandfold.
	maxRatio     = 256
	freeInflated = 64 << 10
)

var (
	// errInflated reports a batch that is too large, or grows too much.
	errInflated = errors.New("the batch is too large once it is decompressed")
	// errDeflated reports a payload that is no zstd, or goes on behind it.
	errDeflated = errors.New("the payload is not zstd")
)

// inflater decompresses batches. It is shared by all sessions: what a decoder
// holds is large, and a batch takes it for a millisecond.
type inflater struct{ decoder *zstd.Decoder }

func newInflater() *inflater {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxInflated),
		zstd.WithDecoderMaxWindow(maxInflated), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic("the options of the zstd decoder are constants: " + err.Error())
	}
	return &inflater{d}
}

// inflatedLimit returns how large a payload of so many bytes may become.
func inflatedLimit(wire int) int {
	return min(maxInflated, max(freeInflated, wire*maxRatio))
}

// inflate decompresses a payload. It allocates what the payload itself says it
// needs, as far as that is within the limit, and more only as it turns out.
func (f *inflater) inflate(payload []byte) ([]byte, error) {
	limit := inflatedLimit(len(payload))
	size := min(limit, max(freeInflated, 8*len(payload)))
	var head zstd.Header
	if head.Decode(payload) == nil && head.HasFCS {
		if head.FrameContentSize > uint64(limit) {
			return nil, errInflated
		}
		size = int(head.FrameContentSize)
	}
	for {
		out, err := f.decoder.DecodeAll(payload, make([]byte, 0, size))
		switch {
		case err == nil:
			return out, nil
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded) && !errors.Is(err, zstd.ErrWindowSizeExceeded):
			return nil, errDeflated
		case size >= limit || errors.Is(err, zstd.ErrWindowSizeExceeded):
			return nil, errInflated
		}
		size = min(limit, max(freeInflated, 4*size))
	}
}
