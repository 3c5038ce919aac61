// Package deadletter keeps what a healthy store refuses: files that hold the
// refused points, why, and under which series, until somebody has them sent
// again or drops them.
//
// A letter is a pure function of its generation and of what the store says, so
// a flush that is tried again after a kill writes the same file over it.
//
// docs/format/deadletter.md describes every byte.
package deadletter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"example.com/nexusctl/storage/block"
)

// Letter is what one generation has of one shard that the store refuses.
type Letter struct {
	Writer     string // UUID of the log
	Generation uint64
	Shard      int64     // from Unnamed on: series that have no id
	At         time.Time // of the mark that closed the generation
	Reason     string    // the store's words
	Units      uint64    // as the ledger counts them
	Series     []Series  // by rising id
	Block      []byte    // a flush block, whose ids are those of Series; see Events for another
}

// Series names one series of a letter's block by its canonical key.
type Series struct {
	ID  int64
	Key []byte
}

// Unnamed is the first shard of series that the store gives no id: their ids
// are of the letter alone. No store has that many series.
const Unnamed = 1 << 30

// ErrMalformed reports bytes that are no letter.
var ErrMalformed = errors.New("malformed dead letter")

const (
	magic   = "NXDEAD01"
	trailer = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append encodes a letter, closed by a CRC32C. Equal letters give equal bytes.
func Append(dst []byte, l *Letter) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = appendString(dst, l.Writer)
	dst = binary.AppendUvarint(dst, l.Generation)
	dst = binary.AppendUvarint(dst, uint64(l.Shard))
	dst = binary.AppendVarint(dst, l.At.UnixMilli())
	dst = appendString(dst, l.Reason)
	dst = binary.AppendUvarint(dst, l.Units)
	dst = binary.AppendUvarint(dst, uint64(len(l.Series)))
	for _, s := range l.Series {
		dst = binary.AppendUvarint(dst, uint64(s.ID))
		dst = appendString(dst, string(s.Key))
	}
	dst = appendString(dst, string(l.Block))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Decode decodes what Append wrote; keys and block point into b.
func Decode(b []byte) (*Letter, error) {
	if len(b) < len(magic)+trailer || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: another magic", ErrMalformed)
	}
	body, sum := b[:len(b)-trailer], binary.LittleEndian.Uint32(b[len(b)-trailer:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checksum", ErrMalformed)
	}
	r := reader{b: body[len(magic):]}
	l := &Letter{Writer: string(r.bytes()), Generation: r.uvarint(), Shard: int64(r.uvarint())}
	l.At, l.Reason, l.Units = time.UnixMilli(r.varint()), string(r.bytes()), r.uvarint()
	for range r.count() {
		l.Series = append(l.Series, Series{ID: int64(r.uvarint()), Key: r.bytes()})
	}
	l.Block = r.bytes()
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: length", ErrMalformed)
	}
	return l, nil
}

// Points calls f, where it is given, with the letter's points, each with the key
// of its series.
func (l *Letter) Points(f func(key []byte, p block.Point)) error {
	points, err := block.DecodeBlock(l.Block, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	keys := make(map[int64][]byte, len(l.Series))
	for _, s := range l.Series {
		keys[s.ID] = s.Key
	}
	for _, p := range points {
		key, ok := keys[p.Series]
		if !ok {
			return fmt.Errorf("%w: series %d has no key", ErrMalformed, p.Series)
		}
		if f != nil {
			f(key, p)
		}
	}
	return nil
}

// reader takes a letter apart. The first impossible read sets bad and makes
// every later one return nothing, so that callers check once.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// count reads a number of things that take two bytes each at least.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b))/2 {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}
