package wal

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
)

// Open opens the log in dir, and makes a new one where there is none. It reads
// from the high-water mark's segment on to find the end; a frame that was
// being written when the power or the process went is cut, because nobody was
// told that it is kept. Damage below the mark is a *CorruptError.
func Open(dir string, o Options) (*Log, error) {
	o.defaults()
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("log directory: %w", err)
	}
	high, err := openHighWater(o.FS, dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, opts: o, high: high, failed: make(chan struct{}), done: make(chan struct{}),
		moved: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	l.space.L = &l.mu
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, high.close())
	}
	go l.commit()
	return l, nil
}

func (l *Log) recover() error {
	segments, err := l.listSegments()
	if err != nil {
		return err
	}
	s := scan{log: l, segments: segments}
	if len(segments) > 0 {
		if err := s.run(); err != nil {
			return err
		}
	} else if l.high.at > 0 {
		return &CorruptError{Segment: l.dir, Reason: fmt.Sprintf("no segment is left of a log that was durable up to %d", l.high.at)}
	} else {
		s.id = uuid.New()
	}
	l.id, l.end, l.chain = s.id.String(), s.end, s.chain
	l.written, l.synced, l.queueAt = l.end, l.end, l.end
	l.segments = s.segments
	l.file = committer{log: l, id: s.id, written: l.end, synced: l.end, chain: l.chain, syncedChain: l.chain}
	l.rec = Recovery{End: l.end, Torn: s.torn, Segments: len(s.segments)}
	if s.reuse() {
		return l.file.reopen(s.segments[len(s.segments)-1])
	}
	return l.file.rotate()
}

func (l *Log) listSegments() ([]segment, error) {
	names, err := l.opts.FS.ReadDir(l.dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	var list []segment
	for _, name := range names {
		if base, ok := segmentBase(name); ok {
			list = append(list, segment{base: base})
		}
	}
	slices.SortFunc(list, func(a, b segment) int {
		if a.base < b.base {
			return -1
		}
		return 1
	})
	return list, nil
}

// scan finds the log's end.
type scan struct {
	log      *Log
	segments []segment
	id       uuid.UUID
	end      Position
	chain    uint32
	torn     int64
}

// reuse reports whether appending may go on in the last segment: it is whole
// and there is nothing but zeros behind its last frame.
func (s *scan) reuse() bool { return len(s.segments) > 0 && s.torn == 0 }

func (s *scan) run() error {
	first := 0
	for i := range s.segments {
		if err := s.header(i); err != nil {
			if i == len(s.segments)-1 && i > 0 && s.segments[i].base >= s.log.high.at && errors.Is(err, errHeader) {
				return s.dropUnborn(i)
			}
			return err
		}
		if s.segments[i].base <= s.log.high.at {
			first = i
		}
	}
	return s.frames(first)
}

// dropUnborn removes a last segment whose header never reached the disk:
// nothing in it was ever durable.
func (s *scan) dropUnborn(i int) error {
	if err := s.log.opts.FS.Remove(s.segments[i].path(s.log.dir)); err != nil {
		return fmt.Errorf("remove an unfinished log segment: %w", err)
	}
	s.segments = s.segments[:i]
	return s.run()
}

// header checks a segment's header and that its neighbour before is not
// missing.
func (s *scan) header(i int) error {
	g := &s.segments[i]
	f, err := s.log.opts.FS.Open(g.path(s.log.dir), false)
	if err != nil {
		return fmt.Errorf("open log segment: %w", err)
	}
	defer f.Close()
	var b [segmentHeader]byte
	if _, err := f.ReadAt(b[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log segment: %w", err)
	}
	id, base, _, err := parseSegmentHeader(b[:])
	if err != nil {
		return errors.Join(err, s.corrupt(i, 0, err.Error()))
	}
	if base != g.base || (i > 0 && id != s.id) {
		return s.corrupt(i, 0, "the segment belongs to another log or another place")
	}
	s.id = id
	if g.size, err = f.Size(); err != nil {
		return fmt.Errorf("size of log segment: %w", err)
	}
	if i > 0 {
		if before := s.segments[i-1]; int64(base-before.base) > before.size-segmentHeader {
			return s.corrupt(i, 0, fmt.Sprintf("what stands between it and %s is missing", before.name()))
		}
	}
	return nil
}

func (s *scan) corrupt(i int, offset int64, reason string) *CorruptError {
	g := s.segments[i]
	return &CorruptError{Position: g.base + Position(max(offset-segmentHeader, 0)), Segment: g.name(), Offset: offset, Reason: reason}
}

// frames walks the frames from segment first on to the log's end.
func (s *scan) frames(first int) error {
	for i := first; i < len(s.segments); i++ {
		b, err := s.load(i)
		if err != nil {
			return err
		}
		_, base, chain, err := parseSegmentHeader(b)
		if err != nil {
			return s.corrupt(i, 0, err.Error())
		}
		if i > first && chain != s.chain {
			return s.corrupt(i, 0, "the segment does not continue the one before it")
		}
		s.end, s.chain = base, chain
		last := i == len(s.segments)-1
		if err := s.walk(i, b, last); err != nil {
			return err
		}
	}
	if s.end < s.log.high.at {
		return s.corrupt(len(s.segments)-1, int64(s.end-s.segments[len(s.segments)-1].base)+segmentHeader,
			fmt.Sprintf("the log ends here, and was durable up to %d", s.log.high.at))
	}
	return nil
}

// walk follows one segment's frames: to the next segment's base, which may
// seal it early, or, in the last, to where they end.
func (s *scan) walk(i int, b []byte, last bool) error {
	offset := int64(segmentHeader)
	for last || s.end < s.segments[i+1].base {
		payload, next, what, reason := nextFrame(b[offset:], s.chain)
		if what == wholeFrame {
			n := int64(frameHeader + len(payload))
			offset, s.end, s.chain = offset+n, s.end+Position(n), next
			continue
		}
		if !last || s.end < s.log.high.at {
			if what == noFrame {
				reason = "frames are missing"
			}
			return s.corrupt(i, offset, reason)
		}
		s.torn = nonZero(b[offset:])
		return nil
	}
	if !last && s.end != s.segments[i+1].base {
		return s.corrupt(i, offset, "a frame reaches into the next segment")
	}
	return nil
}

// nonZero counts the bytes up to the last one that is not zero.
func nonZero(b []byte) int64 {
	for n := len(b); n > 0; n-- {
		if b[n-1] != 0 {
			return int64(n)
		}
	}
	return 0
}

func (s *scan) load(i int) ([]byte, error) {
	g := s.segments[i]
	f, err := s.log.opts.FS.Open(g.path(s.log.dir), false)
	if err != nil {
		return nil, fmt.Errorf("open log segment: %w", err)
	}
	defer f.Close()
	b := make([]byte, g.size)
	if n, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read log segment %s at %d: %w", g.name(), n, err)
	}
	return b, nil
}
