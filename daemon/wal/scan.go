package wal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// scan reads a log's files without changing them: Open finds the end with it,
// a Survey all there is.
type scan struct {
	fs   FS
	dir  string
	high mark
	id   uuid.UUID

	segments []found  // the log, in order
	stale    []found  // what a repair has cut out and not yet set aside
	half     []string // files that were being made: nothing in them counts

	visit func(payload []byte, at Span) error // of every whole frame; may be nil

	end   Position // behind the last whole frame
	chain uint32
	torn  int64 // bytes behind it that are no zeros
	buf   []byte
}

// found is a file that bears a segment's name.
type found struct {
	segment
	head  heading
	file  string
	fault string // what is wrong with its header; empty where nothing is
	stray bool   // the header holds, and belongs elsewhere
	blank bool   // nothing stands behind the header
}

// list reads the names and headers of all segments.
func list(fsys FS, dir string, high mark) (*scan, error) {
	s := &scan{fs: fsys, dir: dir, high: high}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list log: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, halfSuffix) {
			s.half = append(s.half, name)
		}
		base, ok := segmentBase(name)
		if !ok {
			continue
		}
		f, err := s.look(name, base)
		if err != nil {
			return nil, err
		}
		s.segments = append(s.segments, f)
	}
	slices.SortFunc(s.segments, func(a, b found) int { return cmp.Compare(a.base, b.base) })
	s.identify()
	s.leaveOutStale()
	s.leaveOutUnborn()
	return s, nil
}

// look reads one header. What does not hold is a fault of the file and no
// error: a survey goes on behind it.
func (s *scan) look(name string, base Position) (found, error) {
	g := found{segment: segment{base: base, after: base}, file: name}
	f, err := s.fs.Open(filepath.Join(s.dir, name), false)
	if err != nil {
		return g, fmt.Errorf("open log segment: %w", err)
	}
	defer f.Close()
	if g.size, err = f.Size(); err != nil {
		return g, fmt.Errorf("size of log segment: %w", err)
	}
	var b [resumedHeader]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		g.fault = "its header cannot be read: " + err.Error()
		return g, nil
	}
	h, err := parseHeading(b[:n])
	if err != nil {
		g.fault = err.Error()
		g.blank, err = s.blankBehind(f)
		return g, err
	}
	g.head = h
	if h.base != base {
		g.fault, g.stray = fmt.Sprintf("the segment belongs to another place, %d", h.base), true
		return g, nil
	}
	g.after = h.after
	return g, nil
}

// blankBehind reports whether nothing but zeros stands behind a header's place.
// Frames are written only once the header is durable.
func (s *scan) blankBehind(f File) (bool, error) {
	b := make([]byte, 64<<10)
	for off := int64(segmentHeader); ; off += int64(len(b)) {
		n, err := f.ReadAt(b, off)
		if nonZero(b[:n]) > 0 {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, nil // what cannot be read is not known to be blank
		}
	}
}

// identify takes the UUID that most segments bear for the log's: a file of
// another log among them is then the one that is wrong.
func (s *scan) identify() {
	votes := map[uuid.UUID]int{}
	for _, f := range s.segments {
		if f.fault == "" {
			votes[f.head.id]++
			if votes[f.head.id] > votes[s.id] {
				s.id = f.head.id
			}
		}
	}
	for i := range s.segments {
		if f := &s.segments[i]; f.fault == "" && f.head.id != s.id {
			f.fault, f.stray = fmt.Sprintf("the segment belongs to another log, %s", f.head.id), true
		}
	}
}

// leaveOutStale takes segments out that a cut has replaced: their positions
// stand for nothing.
func (s *scan) leaveOutStale() {
	kept := s.segments[:0:0]
	for _, f := range s.segments {
		gone := slices.ContainsFunc(s.segments, func(r found) bool {
			return r.fault == "" && r.after <= f.base && f.base < r.base
		})
		if gone {
			s.stale = append(s.stale, f)
		} else {
			kept = append(kept, f)
		}
	}
	s.segments = kept
}

// leaveOutUnborn takes a last segment out whose header never reached the disk:
// nothing in it was ever durable.
func (s *scan) leaveOutUnborn() {
	last := len(s.segments) - 1
	if last < 0 {
		return
	}
	f := s.segments[last]
	onlyOne := last == 0 && (f.base > 0 || s.high.at > 0)
	if f.fault == errHeader.Error() && f.blank && f.base >= s.high.at && !onlyOne {
		s.half = append(s.half, f.file)
		s.segments = s.segments[:last]
	}
}

func (s *scan) corrupt(i int, offset int64, reason string) *CorruptError {
	f := s.segments[i]
	return &CorruptError{Position: f.position(offset), Segment: f.file, Offset: offset, Reason: reason}
}

// follow walks the frames from the start of segment first on to the log's end,
// and returns the first damage as *CorruptError. end and chain are then those
// of the last frame before it.
func (s *scan) follow(first int) error {
	s.end, s.chain = s.segments[first].after, s.segments[first].head.chain
	return s.goOn(first)
}

// goOn walks from segment i on, which continues what was walked before.
func (s *scan) goOn(i int) error {
	for ; i < len(s.segments); i++ {
		f := &s.segments[i]
		if f.fault != "" {
			return s.corrupt(i, 0, f.fault)
		}
		if f.after != s.end || f.head.chain != s.chain {
			return s.corrupt(i, 0, "the segment does not continue the one before it")
		}
		b, unread, err := s.load(i)
		if err != nil {
			return err
		}
		s.end = f.base
		if s.end == s.high.at && s.chain != s.high.chain {
			return s.corrupt(i, 0, "it continues another frame than the one that was durable")
		}
		if err := s.walk(i, b, f.header(), unread); err != nil {
			return err
		}
	}
	return s.reachesMark()
}

// reachesMark compares where the frames end with how far they were durable.
func (s *scan) reachesMark() error {
	if s.end >= s.high.at {
		return nil
	}
	last := len(s.segments) - 1
	return s.corrupt(last, s.segments[last].offset(s.end), fmt.Sprintf("the log ends here, and was durable up to %d", s.high.at))
}

// walk follows one segment's frames: to where the next segment says that they
// end, which may be early, or, in the last, to where they do.
func (s *scan) walk(i int, b []byte, offset int64, unread error) error {
	last := i == len(s.segments)-1
	for last || s.end < s.segments[i+1].after {
		payload, next, what, reason := nextFrame(b[offset:], s.chain)
		if what == wholeFrame {
			n := int64(frameHeader + len(payload))
			at := Span{s.end, s.end + Position(n)}
			if !last && at.To > s.segments[i+1].after {
				return s.corrupt(i, offset, "a frame reaches into the next segment")
			}
			if reason := s.contradicts(at, next); reason != "" {
				return s.corrupt(i, offset, reason)
			}
			offset, s.end, s.chain = offset+n, at.To, next
			if s.visit == nil {
				continue
			}
			if err := s.visit(payload, at); err != nil {
				return err
			}
			continue
		}
		if unread != nil {
			return s.corrupt(i, offset, "the file cannot be read here: "+unread.Error())
		}
		if !last || s.end < s.high.at {
			if what == noFrame {
				reason = "frames are missing"
			}
			return s.corrupt(i, offset, reason)
		}
		s.torn = nonZero(b[offset:])
		return nil
	}
	if !last && s.end != s.segments[i+1].after {
		return s.corrupt(i, offset, "the next segment begins before this one")
	}
	return nil
}

// contradicts compares a whole frame with the high-water mark: files that were
// replaced by others of the same log hold together and are still not what was
// durable.
func (s *scan) contradicts(at Span, chain uint32) string {
	switch {
	case at.To == s.high.at && chain != s.high.chain:
		return "another frame was durable in this place"
	case at.From < s.high.at && s.high.at < at.To:
		return fmt.Sprintf("a frame ended at %d, and none does", s.high.at)
	}
	return ""
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

// load reads a segment, into memory that the next load uses again. Bytes from
// the first that the disk does not give on are missing, and unread says why.
func (s *scan) load(i int) (b []byte, unread, err error) {
	return s.read(s.segments[i])
}

func (s *scan) read(g found) (b []byte, unread, err error) {
	f, err := s.fs.Open(filepath.Join(s.dir, g.file), false)
	if err != nil {
		return nil, nil, fmt.Errorf("open log segment: %w", err)
	}
	defer f.Close()
	if int64(cap(s.buf)) < g.size {
		s.buf = make([]byte, g.size)
	}
	b = s.buf[:g.size]
	n, err := f.ReadAt(b, 0)
	if err == nil || errors.Is(err, io.EOF) {
		return b[:n], nil, nil
	}
	return b[:n], err, nil
}
