package client

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// encoder is shared by all sessions: EncodeAll may be called from several
// goroutines.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic("the options of the zstd encoder are constants: " + err.Error())
	}
	return e
})

// deflate compresses lines; nil where that saves nothing.
func deflate(lines []byte) []byte {
	packed := encoder().EncodeAll(lines, make([]byte, 0, len(lines)/2))
	if len(packed) >= len(lines) {
		return nil
	}
	return packed
}
