package ingest

import (
	"bytes"
	"errors"
	"io"
	"runtime"

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

// inflater decompresses batches. All sessions share a few decoders, for each holds
// as much memory as the largest window it has met.
type inflater struct{ decoders chan *zstd.Decoder }

func newInflater() *inflater {
	f := &inflater{make(chan *zstd.Decoder, runtime.GOMAXPROCS(0))}
	for range cap(f.decoders) {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxInflated), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic("the options of the zstd decoder are constants: " + err.Error())
		}
		f.decoders <- d
	}
	return f
}

// inflatedLimit returns how large a payload of so many bytes may become.
func inflatedLimit(wire int) int {
	return min(maxInflated, max(freeInflated, wire*maxRatio))
}

// inflate decompresses a payload, and gives up once it has become too large: what
// it says of its own size is believed only where that is too much already.
func (f *inflater) inflate(payload []byte) ([]byte, error) {
	limit := inflatedLimit(len(payload))
	var head zstd.Header
	if head.Decode(payload) == nil && head.HasFCS && head.FrameContentSize > uint64(limit) {
		return nil, errInflated
	}
	d := <-f.decoders
	defer func() { f.decoders <- d }()
	if err := d.Reset(bytes.NewReader(payload)); err != nil {
		return nil, errDeflated
	}
	var out bytes.Buffer
	n, err := io.CopyN(&out, d, int64(limit)+1)
	switch {
	case n > int64(limit), errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errInflated
	case !errors.Is(err, io.EOF):
		return nil, errDeflated
	}
	return out.Bytes(), nil
}
