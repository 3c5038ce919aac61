package protocol

import (
	"encoding/binary"
	"unicode/utf8"
)

// printable reports whether every byte is one of ASCII's 95 graphic characters
// and space: the answer for nearly every line, eight bytes at a step.
func printable(b []byte) bool {
	if len(b) < 8 {
		for _, c := range b {
			if c-0x20 >= 0x5f {
				return false
			}
		}
		return true
	}
	for i := 0; i+8 < len(b); i += 8 {
		if !printableWord(binary.LittleEndian.Uint64(b[i:])) {
			return false
		}
	}
	return printableWord(binary.LittleEndian.Uint64(b[len(b)-8:]))
}

// printableWord looks at the high bits: w has one where a byte is above 0x7f,
// w-0x20 where one is below 0x20, w+1 where one is 0x7f. Borrows and carries
// leave only bytes that are faulty themselves, so they change no answer.
func printableWord(w uint64) bool {
	const ones = 0x0101010101010101
	return (w|(w-0x20*ones)|(w+ones))&(0x80*ones) == 0
}

// badChar finds the first character that may stand nowhere in a line: a control
// character, C0 or C1, or bytes that are no UTF-8. A stray byte in the range of
// C1 counts as a control, since terminals of eight bits obey it.
func badChar(b []byte) fault {
	for i := 0; i < len(b); {
		if b[i]-0x20 < 0x5f {
			i++
			continue
		}
		reason, size := judgeChar(b[i:])
		if reason != Accepted {
			return fault{reason, i, i + size}
		}
		i += size
	}
	return fault{}
}

// judgeChar judges the first character of b, which is not empty, and returns
// its length in bytes.
func judgeChar(b []byte) (Reason, int) {
	if c := b[0]; c < utf8.RuneSelf {
		if isControl(rune(c)) {
			return ControlChar, 1
		}
		return Accepted, 1
	}
	r, size := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && size == 1 && b[0] > 0x9f:
		return UTF8, 1
	case r == utf8.RuneError && size == 1, isControl(r):
		return ControlChar, size
	}
	return Accepted, size
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r <= 0x9f }
