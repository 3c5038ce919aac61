package scan

import (
	"encoding/binary"
)

const (
	low7 = 0x7f7f7f7f7f7f7f7f
	ones = 0x0101010101010101
)

// findMarksPortable compares eight bytes at once.
func findMarksPortable(buf []byte, marks []mark) {
	for i := range marks {
		marks[i] = markBlock(buf[i*64:])
	}
}

// markBlock finds the bitmaps of the first 64 bytes of b, or of what there is.
func markBlock(b []byte) (m mark) {
	if len(b) < 64 {
		var padded [64]byte
		copy(padded[:], b)
		b = padded[:]
	}
	for i := range 8 {
		w := binary.LittleEndian.Uint64(b[8*i:])
		shift := 8 * i
		m.newline |= equalBytes(w, '\n') << shift
		m.colon |= equalBytes(w, ':') << shift
		m.bar |= equalBytes(w, '|') << shift
	}
	return m
}

// equalBytes returns one bit for each of the eight bytes of w: whether it is c.
func equalBytes(w uint64, c byte) uint64 {
	x := w ^ ones*uint64(c)
	// The top bit of each byte: set where the byte of x is not 0. Nothing is
	// carried from one byte into the next.
	nonzero := ((x & low7) + low7) | x
	return (^nonzero >> 7 & ones) * 0x0102040810204080 >> 56
}
