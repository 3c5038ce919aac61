package block

import (
	"encoding/binary"
	"math/bits"
)

// bitWriter packs bits, most significant first.
type bitWriter struct {
	b    []byte
	free uint // unused bits of the last byte
}

func (w *bitWriter) write(v uint64, n uint) {
	for n > 0 {
		if w.free == 0 {
			w.b = append(w.b, 0)
			w.free = 8
		}
		take := min(n, w.free)
		part := byte(v >> (n - take) & (1<<take - 1))
		w.b[len(w.b)-1] |= part << (w.free - take)
		w.free -= take
		n -= take
	}
}

// bitReader unpacks them; past the end it sets bad and gives zeros.
type bitReader struct {
	b   []byte
	at  uint // bit
	bad bool
}

func (r *bitReader) read(n uint) (v uint64) {
	if r.at+n > uint(len(r.b))*8 {
		r.bad = true
		return 0
	}
	for n > 0 {
		have := 8 - r.at%8
		take := min(n, have)
		part := uint64(r.b[r.at/8]>>(have-take)) & (1<<take - 1)
		v = v<<take | part
		r.at += take
		n -= take
	}
	return v
}

// Rice codes write v as v>>k ones and a zero, then the k low bits; from
// riceEscape ones on, all 64 bits follow as they are.
const riceEscape = 24

func (w *bitWriter) rice(v uint64, k uint) {
	q := v >> k
	if q >= riceEscape {
		w.write(1<<riceEscape-1, riceEscape)
		w.write(v, 64)
		return
	}
	w.write(1<<(q+1)-2, uint(q)+1)
	w.write(v, k)
}

func (r *bitReader) rice(k uint) uint64 {
	if v, ok := r.riceInWord(k); ok {
		return v
	}
	q := uint64(0)
	for r.read(1) == 1 {
		q++
		if q == riceEscape {
			return r.read(64)
		}
	}
	return q<<k | r.read(k)
}

// riceInWord reads a code that lies within the eight bytes from the reader's
// on, which all but a column's last few do: bit by bit a day of one series
// takes three times as long.
func (r *bitReader) riceInWord(k uint) (uint64, bool) {
	from := r.at / 8
	if from+8 > uint(len(r.b)) {
		return 0, false
	}
	word := binary.BigEndian.Uint64(r.b[from:]) << (r.at % 8)
	ones := uint(bits.LeadingZeros64(^word))
	if ones >= riceEscape || ones+1+k > 64-r.at%8 {
		return 0, false
	}
	r.at += ones + 1 + k
	return uint64(ones)<<k | word<<(ones+1)>>1>>(63-k), true
}

// riceBits returns the length of v's code.
func riceBits(v uint64, k uint) uint {
	if q := v >> k; q < riceEscape {
		return uint(q) + 1 + k
	}
	return riceEscape + 64
}

// bestRice returns the parameter that packs the values shortest, and how many
// bits they take. It looks around the logarithm of their mean.
func bestRice(values []uint64) (k, size uint) {
	sum := uint64(0)
	for _, v := range values {
		sum += min(v, 1<<40)
	}
	guess := uint(bits.Len64(sum / uint64(max(len(values), 1))))
	size = ^uint(0)
	for c := max(guess, 3) - 3; c <= min(guess+1, 62); c++ {
		n := uint(0)
		for _, v := range values {
			n += riceBits(v, c)
		}
		if n < size {
			k, size = c, n
		}
	}
	return k, size
}
