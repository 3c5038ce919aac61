// Package scan finds where lines and their parts begin and end, many at a time,
// without looking at what they mean.
//
// A buffer is first turned into bitmaps, one bit a byte, that say where newlines,
// colons and bars stand; lines are then read off the bitmaps with a few machine
// instructions each. On amd64 with AVX2 the bitmaps cost about a tenth of a
// nanosecond a byte; elsewhere eight bytes are compared at once in plain Go. Both
// ways give the same bits, which a test holds.
package scan

import (
	"encoding/binary"
	"math/bits"
)

// Window is the most bytes that one pass looks at. A longer line is not found
// here.
const Window = 72 << 10

// GroupSize is how many lines are worked on together where that is cheaper than
// one by one.
const GroupSize = 128

// Line is where one line's parts stand in the buffer. In a line of text Colon is
// the first colon and Bar the first bar behind it; in a JSON object the value of
// the key "value", a number, stands between them. Bar is 0 where the line does
// not have that form: only a full parser can tell what it is.
type Line struct {
	Start, Colon, Bar, End uint32
}

// Plain says that the line has a name, one stretch of value, and a suffix.
func (l Line) Plain() bool { return l.Bar != 0 }

// Alone is the line as it stands in a buffer of its own.
func (l Line) Alone() Line {
	if !l.Plain() {
		return Line{End: l.End - l.Start}
	}
	return Line{0, l.Colon - l.Start, l.Bar - l.Start, l.End - l.Start}
}

// Scanner walks over the lines of one buffer. It holds the bitmaps' memory.
type Scanner struct {
	buf   []byte
	at    uint32 // where the next line begins
	blank uint64 // lines without a byte, so far
	marks []mark
}

// mark are the bitmaps of 64 bytes.
type mark struct{ newline, colon, bar uint64 }

// Begin takes a new buffer of at most Window bytes.
func (s *Scanner) Begin(buf []byte) {
	s.buf, s.at, s.blank = buf, 0, 0
	blocks := (len(buf) + 63) / 64
	if cap(s.marks) < blocks {
		s.marks = make([]mark, (Window+63)/64)
	}
	s.marks = s.marks[:blocks]
	findMarks(buf, s.marks)
}

// Next fills lines with the next ones, and returns how many there are; 0 is the
// end of the buffer. Lines without a byte are left out. The LF, and one CR before
// it, belong to no line; the last line needs no LF.
func (s *Scanner) Next(lines []Line) (n int) {
	for n < len(lines) && int(s.at) < len(s.buf) {
		start := s.at
		end := s.newline(start)
		s.at = end + 1
		if end > start && s.buf[end-1] == '\r' {
			end--
		}
		if end == start {
			s.blank++
			continue
		}
		lines[n] = s.parts(start, end)
		n++
	}
	return n
}

// Blank returns how many lines without a byte Next has left out.
func (s *Scanner) Blank() uint64 { return s.blank }

// Only is Begin and Next for a buffer that should be one line, with nothing behind
// it: where it is anything else, the Line is not Plain.
func (s *Scanner) Only(line []byte) Line {
	s.Begin(line)
	var l [1]Line
	if s.Next(l[:]) != 1 || l[0].Start != 0 || int(l[0].End) != len(line) {
		return Line{}
	}
	return l[0]
}

func (s *Scanner) newline(from uint32) uint32 {
	i := from / 64
	if w := s.marks[i].newline >> (from % 64); w != 0 {
		return from + uint32(bits.TrailingZeros64(w))
	}
	for i++; int(i) < len(s.marks); i++ {
		if w := s.marks[i].newline; w != 0 {
			return i*64 + uint32(bits.TrailingZeros64(w))
		}
	}
	return uint32(len(s.buf))
}

// colon returns the first colon at or behind from, len(buf) where there is none.
func (s *Scanner) colon(from uint32) uint32 {
	i := from / 64
	if int(i) < len(s.marks) {
		if w := s.marks[i].colon >> (from % 64); w != 0 {
			return from + uint32(bits.TrailingZeros64(w))
		}
	}
	for i++; int(i) < len(s.marks); i++ {
		if w := s.marks[i].colon; w != 0 {
			return i*64 + uint32(bits.TrailingZeros64(w))
		}
	}
	return uint32(len(s.buf))
}

func (s *Scanner) bar(from uint32) uint32 {
	i := from / 64
	if int(i) < len(s.marks) {
		if w := s.marks[i].bar >> (from % 64); w != 0 {
			return from + uint32(bits.TrailingZeros64(w))
		}
	}
	for i++; int(i) < len(s.marks); i++ {
		if w := s.marks[i].bar; w != 0 {
			return i*64 + uint32(bits.TrailingZeros64(w))
		}
	}
	return uint32(len(s.buf))
}

func (s *Scanner) parts(start, end uint32) Line {
	if s.buf[start] == '{' {
		return s.object(start, end)
	}
	l := Line{Start: start, End: end}
	colon := s.colon(start)
	bar := s.bar(colon)
	if colon > start && bar < end && bar > colon+1 {
		l.Colon, l.Bar = colon, bar
	}
	return l
}

// valueKey is `"value":`, as eight bytes are loaded.
var valueKey = binary.LittleEndian.Uint64([]byte(`"value":`))

// object finds the number behind the first "value": of a JSON object. Inside of a
// string these eight bytes cannot stand as they are: a quote there has a
// backslash before it.
func (s *Scanner) object(start, end uint32) Line {
	l := Line{Start: start, End: end}
	const key = 8
	for colon := s.colon(start); colon < end; colon = s.colon(colon + 1) {
		if colon < start+key || binary.LittleEndian.Uint64(s.buf[colon+1-key:]) != valueKey {
			continue
		}
		at := colon
		if at+1 < end && s.buf[at+1] == ' ' {
			at++
		}
		stop := at + 1
		for stop < end && isNumeric(s.buf[stop]) {
			stop++
		}
		if stop > at+1 && stop < end {
			l.Colon, l.Bar = at, stop
		}
		break
	}
	return l
}

// isNumeric knows the bytes of plain numbers. With an exponent a number is not
// plain: it ends here too early, and its line's suffix is one that no remembered
// line has.
func isNumeric(c byte) bool { return c-'0' <= 9 || c == '.' || c == '-' }
