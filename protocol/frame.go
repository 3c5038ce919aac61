package protocol

import "bytes"

// Cut splits what a buffer holds after its last LF: whole lines, terminators
// included, and the rest of a line that is still coming.
func Cut(b []byte) (whole, rest []byte) {
	n := bytes.LastIndexByte(b, '\n') + 1
	return b[:n:n], b[n:]
}

// NextLine takes the first line off b, without its LF and one CR before that.
// The last line needs no LF. A blank line comes back empty, and is no unit.
func NextLine(b []byte) (line, rest []byte) {
	line = b
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		line, rest = b[:n:n], b[n+1:]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, rest
}

// Skipper passes over a line that is too long to be kept, up to its LF, however
// long it is. The zero Skipper passes over nothing.
type Skipper struct {
	active  bool
	skipped int64
}

// Start begins to skip a line of which n bytes are thrown away already. It is
// the one moment to count the line as too long.
func (s *Skipper) Start(n int) { s.active, s.skipped = true, int64(n) }

// Active reports whether the line goes on in the next bytes.
func (s *Skipper) Active() bool { return s.active }

// Skipped returns how many bytes of the present or last line were thrown away,
// for an owner who bounds that too.
func (s *Skipper) Skipped() int64 { return s.skipped }

// Skip returns what follows the line in b: nothing while the line goes on, and b
// itself where none is skipped.
func (s *Skipper) Skip(b []byte) (rest []byte) {
	if !s.active {
		return b
	}
	n := bytes.IndexByte(b, '\n') + 1
	if n == 0 {
		s.skipped += int64(len(b))
		return b[len(b):]
	}
	s.active = false
	s.skipped += int64(n)
	return b[n:]
}

// Framer cuts one byte stream into lines, at whatever points reads have split
// it, in the buffer of its owner:
//
//	n, err := conn.Read(buf[held:])
//	whole, rest, tooLong := framer.Cut(buf[:held+n])
//	…every NextLine of whole; then, where tooLong, one line rejected LineTooLong…
//	held = copy(buf, rest)
//
// The verdicts and their order depend on the stream alone. At a clean end of the
// stream rest is its last line; it is empty while a line is skipped, since that
// one has been counted.
type Framer struct {
	Skipper
	size int
}

// NewFramer returns a Framer for lines of up to maxLine bytes. The owner's buffer
// holds at least Size bytes.
func NewFramer(maxLine int) Framer { return Framer{size: maxLine + len("\r\n")} }

// Size is the number of bytes that a line of the allowed length may take, its
// terminator included. So many without an LF are too long a line.
func (f *Framer) Size() int { return f.size }

// Cut splits what the buffer holds after a read. tooLong tells that the bytes
// after whole began a line that does not fit; it is told once for each.
func (f *Framer) Cut(held []byte) (whole, rest []byte, tooLong bool) {
	whole, rest = Cut(f.Skip(held))
	if len(rest) < f.size {
		return whole, rest, false
	}
	f.Start(len(rest))
	return whole, nil, true
}
