package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a backup. After an error it is of no use, and neither is what
// was written.
type Writer struct {
	w        io.Writer
	chain    uint32
	written  int64
	manifest Manifest
	open     *PartWriter
	packer   *zstd.Encoder
	buf      []byte // of a data frame
}

// NewWriter writes the header.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	a := &Writer{w: w, packer: packer, buf: make([]byte, 0, maxData)}
	if err := a.put([]byte(magic)); err != nil {
		return nil, err
	}
	return a, a.text(frameHeader, h)
}

// Written returns how many bytes the backup has so far.
func (a *Writer) Written() int64 { return a.written }

func (a *Writer) put(b []byte) error {
	n, err := a.w.Write(b)
	a.written += int64(n)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

func (a *Writer) frame(kind byte, payload []byte) error {
	head := binary.LittleEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	a.chain = sum(a.chain, head, payload)
	for _, b := range [][]byte{head, payload, binary.LittleEndian.AppendUint32(nil, a.chain)} {
		if err := a.put(b); err != nil {
			return err
		}
	}
	return nil
}

func (a *Writer) text(kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxText {
		return fmt.Errorf("write the backup: a frame of %d bytes is too long", len(b))
	}
	return a.frame(kind, b)
}

var errOpen = errors.New("a part is open already")

// Part begins a part. It must be closed before the next one.
func (a *Writer) Part(p Part) (*PartWriter, error) {
	if a.open != nil {
		return nil, errOpen
	}
	if len(a.manifest.Parts) >= maxParts {
		return nil, fmt.Errorf("write the backup: it has more than %d parts", maxParts)
	}
	if err := a.text(framePart, p); err != nil {
		return nil, err
	}
	a.open = &PartWriter{archive: a, part: p, sha: sha256.New()}
	a.packer.Reset((*dataWriter)(a))
	return a.open, nil
}

// Close writes the manifest and returns it. The writer below is the caller's to
// close.
func (a *Writer) Close(log *Log) (Manifest, error) {
	if a.open != nil {
		return a.manifest, errOpen
	}
	a.manifest.Log = log
	return a.manifest, a.text(frameManifest, a.manifest)
}

// dataWriter takes what is packed, and writes it as frames.
type dataWriter Writer

func (d *dataWriter) Write(b []byte) (n int, err error) {
	for n < len(b) {
		room := min(cap(d.buf)-len(d.buf), len(b)-n)
		d.buf = append(d.buf, b[n:n+room]...)
		n += room
		if len(d.buf) == cap(d.buf) {
			if err := d.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (d *dataWriter) flush() error {
	if len(d.buf) == 0 {
		return nil
	}
	err := (*Writer)(d).frame(frameData, d.buf)
	d.buf = d.buf[:0]
	return err
}

// PartWriter takes the content of one part.
type PartWriter struct {
	archive *Writer
	part    Part
	sha     hash.Hash
	bytes   int64
}

// Write takes content.
func (p *PartWriter) Write(b []byte) (int, error) {
	p.sha.Write(b)
	p.bytes += int64(len(b))
	return p.archive.packer.Write(b)
}

// Close ends the part; rows is how many a table has.
func (p *PartWriter) Close(rows int64) error {
	a := p.archive
	a.open = nil
	err := a.packer.Close()
	if err == nil {
		err = (*dataWriter)(a).flush()
	}
	if err != nil {
		return err
	}
	end := End{Rows: rows, Bytes: p.bytes, SHA256: hex.EncodeToString(p.sha.Sum(nil))}
	a.manifest.Parts = append(a.manifest.Parts, Entry{p.part, end})
	return a.text(frameEnd, end)
}
