package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// readWindow is how much of a segment is read at once.
const readWindow = 1 << 20

// Reader reads frames in order. It may run beside appends and sees what has
// been written to files. It belongs to one goroutine.
type Reader struct {
	log   *Log
	at    Position
	chain uint32
	seg   segment
	next  Position // where the next segment goes on; 0 where there is none
	file  File
	limit Position // up to where frames were written when last looked at
	buf   []byte   // what is left of the window, from the segment's offset off on
	off   int64

	window []byte
}

// NewReader returns a reader that starts at a frame's position. It reads that
// frame's segment from its start, because each frame's checksum needs the one
// before.
func (l *Log) NewReader(from Position) (*Reader, error) {
	r := &Reader{log: l}
	g, next, err := l.segmentAt(from)
	if err != nil {
		return nil, err
	}
	if err := r.open(g, next); err != nil {
		return nil, err
	}
	if from == g.after {
		return r, nil
	}
	for r.at < from {
		if _, _, err := r.Next(); err != nil {
			return nil, errors.Join(fmt.Errorf("go to position %d: %w", from, err), r.Close())
		}
	}
	if r.at != from {
		return nil, errors.Join(fmt.Errorf("position %d is inside a frame, or was cut by a repair", from), r.Close())
	}
	return r, nil
}

// segmentAt finds the segment that holds p, and where the one behind it goes
// on. A segment that was sealed early has the same positions as its successor:
// the later one counts.
func (l *Log) segmentAt(p Position) (g segment, next Position, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.segments) - 1; i >= 0; i-- {
		if l.segments[i].after <= p {
			if i+1 < len(l.segments) {
				next = l.segments[i+1].after
			}
			return l.segments[i], next, nil
		}
	}
	return g, 0, fmt.Errorf("position %d is no longer in the log", p)
}

func (r *Reader) open(g segment, next Position) error {
	f, err := r.log.opts.FS.Open(g.path(r.log.dir), false)
	if err != nil {
		return fmt.Errorf("open log segment: %w", err)
	}
	chain, err := r.begin(f, g)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if r.file != nil {
		if err := r.file.Close(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	r.file, r.seg, r.next, r.at, r.chain = f, g, next, g.base, chain
	r.buf, r.off = r.window[:0], g.header()
	return nil
}

// begin checks that a segment is the wanted one, and goes on where the reader
// is.
func (r *Reader) begin(f File, g segment) (chain uint32, err error) {
	var b [resumedHeader]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read log segment: %w", err)
	}
	h, err := parseHeading(b[:n])
	switch {
	case err != nil || h.base != g.base || h.after != g.after:
		return 0, &CorruptError{Position: g.base, Segment: g.name(), Reason: errHeader.Error()}
	case r.file != nil && h.chain != r.chain:
		return 0, &CorruptError{Position: g.base, Segment: g.name(), Reason: "the segment does not continue the one before it"}
	}
	return h.chain, nil
}

// Next returns the next frame's payload, valid until the next call. io.EOF
// means that nothing more is written yet.
func (r *Reader) Next() (payload []byte, s Span, err error) {
	if err := r.turn(); err != nil {
		return nil, Span{}, err
	}
	head, err := r.bytes(frameHeader)
	if err != nil {
		return nil, Span{}, err
	}
	n := binary.LittleEndian.Uint32(head)
	if n == 0 || n > MaxFrame {
		return nil, Span{}, r.corrupt("no frame where one was written")
	}
	b, err := r.bytes(frameHeader + int64(n))
	if err != nil {
		return nil, Span{}, err
	}
	payload, chain, what, reason := nextFrame(b, r.chain)
	if what != wholeFrame {
		return nil, Span{}, r.corrupt(reason)
	}
	s = Span{r.at, r.at + Position(len(b))}
	r.at, r.chain = s.To, chain
	r.buf, r.off = r.buf[len(b):], r.off+int64(len(b))
	return payload, s, nil
}

// turn moves to the next segment where it goes on, and says io.EOF at the end
// of what is written.
func (r *Reader) turn() error {
	for {
		r.log.mu.Lock()
		r.limit = r.log.written
		r.log.mu.Unlock()
		if r.next == 0 || r.at < r.next {
			g, next, err := r.log.segmentAt(r.at)
			if err != nil {
				return err
			}
			if g.base == r.seg.base && g.made == r.seg.made {
				r.next = next
				if r.at >= r.limit {
					return io.EOF
				}
				return nil
			}
			if g.after != r.at {
				return r.renew()
			}
			r.next = g.after
		}
		g, next, err := r.log.segmentAt(r.next)
		if err != nil {
			return err
		}
		if err := r.open(g, next); err != nil {
			return err
		}
	}
}

// renew goes on in the segment that has replaced the reader's own, which was
// sealed, after a failed sync, before the reader's place.
func (r *Reader) renew() error {
	fresh, err := r.log.NewReader(r.at)
	if err != nil {
		return err
	}
	err = r.Close()
	*r = *fresh
	return err
}

// bytes returns n bytes at the reader's place. The window ends where writing
// had come to: behind that the file would be read before it is written.
func (r *Reader) bytes(n int64) ([]byte, error) {
	if int64(len(r.buf)) >= n {
		return r.buf[:n:n], nil
	}
	size := max(n, min(readWindow, int64(r.limit-r.at)))
	if int64(cap(r.window)) < size {
		r.window = make([]byte, max(size, min(readWindow, r.seg.size)))
	}
	got, err := r.file.ReadAt(r.window[:size], r.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log segment %s at %d: %w", r.seg.name(), r.off, err)
	}
	r.buf = r.window[:got]
	if int64(got) < n {
		return nil, r.corrupt("the file ends inside a frame")
	}
	return r.buf[:n:n], nil
}

func (r *Reader) corrupt(reason string) error {
	return &CorruptError{Position: r.at, Segment: r.seg.name(), Offset: r.off, Reason: reason}
}

// Close closes the reader's file.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}
