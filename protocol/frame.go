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
