package archive

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"reflect"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a backup and checks all of it.
type Reader struct {
	in       *bufio.Reader
	header   Header
	at       int64 // bytes read
	chain    uint32
	frame    []byte
	unpacker *zstd.Decoder
	current  *partReader
	seen     []Entry
	manifest *Manifest
	err      error
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	a := &Reader{in: bufio.NewReaderSize(r, 256<<10), unpacker: unpacker}
	if err := a.begin(); err != nil {
		unpacker.Close()
		return nil, err
	}
	return a, nil
}

func (a *Reader) begin() error {
	first := make([]byte, len(magic))
	n, err := io.ReadFull(a.in, first)
	if string(first) != magic {
		if n == 0 && errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it is empty", ErrForeign)
		}
		return fmt.Errorf("%w: it does not begin with %q", ErrForeign, magic)
	}
	a.at = int64(n)
	kind, err := a.next()
	if err != nil {
		return err
	}
	if kind != frameHeader {
		return a.damaged("no header follows its first bytes")
	}
	if err := a.decode(&a.header); err != nil {
		return err
	}
	a.header.Made = a.header.Made.Round(0).In(time.UTC)
	return nil
}

// Header returns what the backup is of.
func (a *Reader) Header() Header { return a.header }

// Read returns how many bytes of the backup were read.
func (a *Reader) Read() int64 { return a.at }

// Manifest returns the manifest, once Next has returned io.EOF; nil before.
func (a *Reader) Manifest() *Manifest { return a.manifest }

// Close gives memory back.
func (a *Reader) Close() { a.unpacker.Close() }

func (a *Reader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w at byte %d: %s", ErrDamaged, a.at, fmt.Sprintf(format, args...))
}

// next reads one frame into a.frame.
func (a *Reader) next() (kind byte, err error) {
	var head [frameHead]byte
	if err := a.full(head[:]); err != nil {
		return 0, err
	}
	kind, n := head[0], int(binary.LittleEndian.Uint32(head[1:]))
	limit := maxText
	if kind == frameData {
		limit = maxData
	}
	if kind < frameHeader || kind > frameManifest || n > limit {
		return 0, a.damaged("a frame of kind %d and %d bytes", kind, n)
	}
	if err := a.payload(n); err != nil {
		return 0, err
	}
	var tail [frameTail]byte
	if err := a.full(tail[:]); err != nil {
		return 0, err
	}
	a.chain = sum(a.chain, head[:], a.frame)
	if a.chain != binary.LittleEndian.Uint32(tail[:]) {
		return 0, a.damaged("the checksum of a frame does not hold")
	}
	return kind, nil
}

// payload reads n bytes; a length that lies costs no more memory than there
// are bytes.
func (a *Reader) payload(n int) error {
	a.frame = a.frame[:0]
	for len(a.frame) < n {
		from := len(a.frame)
		step := min(n-from, max(maxData, from))
		if cap(a.frame)-from < step {
			grown := make([]byte, from, from+step)
			copy(grown, a.frame)
			a.frame = grown
		}
		a.frame = a.frame[:from+step]
		if err := a.full(a.frame[from:]); err != nil {
			return err
		}
	}
	return nil
}

func (a *Reader) full(b []byte) error {
	n, err := io.ReadFull(a.in, b)
	a.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w, after %d bytes", ErrTruncated, a.at)
	}
	if err != nil {
		return fmt.Errorf("read the backup: %w", err)
	}
	return nil
}

func (a *Reader) decode(v any) error {
	if err := json.Unmarshal(a.frame, v); err != nil {
		return a.damaged("a description is malformed: %v", err)
	}
	return nil
}

// Next returns the next part and its content, after it has read, and checked,
// what is left of the one before. io.EOF says that the whole backup was read
// and holds.
func (a *Reader) Next() (Part, io.Reader, error) {
	if a.err == nil {
		a.err = a.finish()
	}
	if a.err != nil {
		return Part{}, nil, a.err
	}
	var p Part
	p, a.err = a.part()
	if a.err != nil {
		return Part{}, nil, a.err
	}
	return p, a.current, nil
}

// finish reads the current part to its end.
func (a *Reader) finish() error {
	if a.current == nil {
		return nil
	}
	_, err := io.Copy(io.Discard, a.current)
	a.current = nil
	return err
}

func (a *Reader) part() (p Part, err error) {
	kind, err := a.next()
	if err != nil {
		return p, err
	}
	switch kind {
	case framePart:
		if len(a.seen) >= maxParts {
			return p, a.damaged("it has more than %d parts", maxParts)
		}
		if err := a.decode(&p); err != nil {
			return p, err
		}
		a.current = &partReader{archive: a, part: p, sha: sha256.New()}
		return p, a.unpacker.Reset(&a.current.packed)
	case frameManifest:
		return p, a.end()
	}
	return p, a.damaged("a frame of kind %d where a part begins", kind)
}

// end compares the manifest with what was read. Nothing may follow it.
func (a *Reader) end() error {
	var m Manifest
	if err := a.decode(&m); err != nil {
		return err
	}
	if len(m.Parts) != len(a.seen) {
		return a.damaged("the manifest lists %d parts, and there are %d", len(m.Parts), len(a.seen))
	}
	for i, p := range m.Parts {
		if !reflect.DeepEqual(p, a.seen[i]) {
			return a.damaged("%s %s is not what the manifest says", p.Kind, p.Name)
		}
	}
	if _, err := a.in.ReadByte(); !errors.Is(err, io.EOF) {
		return a.damaged("something follows its end")
	}
	a.manifest = &m
	return io.EOF
}

// partReader is the content of one part.
type partReader struct {
	archive *Reader
	part    Part
	packed  packedReader
	sha     hash.Hash
	bytes   int64
	err     error
}

// Read gives content, and io.EOF once it has been checked.
func (p *partReader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	p.packed.archive = p.archive
	n, err := p.archive.unpacker.Read(b)
	p.sha.Write(b[:n])
	p.bytes += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		p.err = p.check()
	case p.packed.err != nil:
		p.err = p.packed.err
	case err != nil:
		p.err = p.archive.damaged("%s %s cannot be unpacked: %v", p.part.Kind, p.part.Name, err)
	}
	if p.err != nil && !errors.Is(p.err, io.EOF) {
		p.archive.err = p.err
	}
	return n, p.err
}

// check reads the part's end.
func (p *partReader) check() error {
	a := p.archive
	if err := p.packed.toEnd(); err != nil {
		return err
	}
	var end End
	if err := a.decode(&end); err != nil {
		return err
	}
	if end.Bytes != p.bytes || end.SHA256 != hex.EncodeToString(p.sha.Sum(nil)) {
		return a.damaged("%s %s does not hold what it held", p.part.Kind, p.part.Name)
	}
	a.seen = append(a.seen, Entry{p.part, end})
	return io.EOF
}

// packedReader gives the data frames of one part.
type packedReader struct {
	archive *Reader
	rest    []byte
	ended   bool
	err     error
}

func (p *packedReader) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if err := p.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *packedReader) fetch() error {
	if p.ended {
		return io.EOF
	}
	if p.err != nil {
		return p.err
	}
	kind, err := p.archive.next()
	switch {
	case err != nil:
		p.err = err
	case kind == frameEnd:
		p.ended = true
		return io.EOF
	case kind != frameData:
		p.err = p.archive.damaged("a frame of kind %d within a part", kind)
	}
	p.rest = p.archive.frame
	return p.err
}

// toEnd makes sure that nothing is left before the part's end.
func (p *packedReader) toEnd() error {
	for len(p.rest) == 0 && !p.ended && p.err == nil {
		_ = p.fetch()
	}
	if p.err == nil && !p.ended {
		return p.archive.damaged("something stands behind the packed content of a part")
	}
	return p.err
}
