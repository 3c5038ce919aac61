package block

import (
	"encoding/binary"
	"math/bits"
)

// bitWriter packs bits, most significant first. What has been written stands in b
// once flush was called.
type bitWriter struct {
	b    []byte
	word uint64 // bits that are no whole word yet, the last one lowest
	n    uint   // how many: 63 at most
}

// write appends the n low bits of v, 64 at most. Its others are 0.
func (w *bitWriter) write(v uint64, n uint) {
	free := 64 - w.n
	if n < free {
		w.word, w.n = w.word<<n|v, w.n+n
		return
	}
	n -= free // bits that are left for the next word
	w.b = binary.BigEndian.AppendUint64(w.b, w.word<<free|v>>n)
	w.word, w.n = v&(1<<n-1), n
}

// flush appends the last bits, and fills up their byte with zeros.
func (w *bitWriter) flush() {
	for ; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.word>>(w.n-8)))
	}
	if w.n > 0 {
		w.b = append(w.b, byte(w.word<<(8-w.n)))
	}
	w.word, w.n = 0, 0
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
	low := v & (1<<k - 1)
	if n := uint(q) + 1 + k; n <= 64 {
		w.write((1<<(q+1)-2)<<k|low, n)
		return
	}
	w.write(1<<(q+1)-2, uint(q)+1)
	w.write(low, k)
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
	n := uint(v>>k) + 1 + k
	if v>>k >= riceEscape {
		n = riceEscape + 64
	}
	return n
}

// triedRice is at how many parameters bestRice looks.
const triedRice = 5

// bestRice returns the parameter that packs the values shortest, and how many
// bits they take. It looks around the logarithm of their mean, at all parameters in
// one pass: a column is packed in four ways, to keep the shortest.
func bestRice(values []uint64) (k, size uint) {
	sum, most := uint64(0), uint64(0)
	for _, v := range values {
		sum += min(v, 1<<40)
		most = max(most, v)
	}
	guess := uint(bits.Len64(sum / uint64(max(len(values), 1))))
	first := max(guess, 3) - 3
	sizes := riceShort(values, first)
	if most>>first >= riceEscape {
		sizes = riceLong(values, first)
	}
	size = ^uint(0)
	for i, n := range sizes {
		if at := first + uint(i); at <= min(guess+1, 62) && n < size {
			k, size = at, n
		}
	}
	return k, size
}

// riceLong returns how long the values' codes are at the parameters from the first
// on. The sums are variables, for an array would not stay in registers.
func riceLong(values []uint64, first uint) [triedRice]uint {
	var a, b, c, d, e uint
	for _, v := range values {
		a += riceBits(v, first)
		b += riceBits(v, first+1)
		c += riceBits(v, first+2)
		d += riceBits(v, first+3)
		e += riceBits(v, first+4)
	}
	return [triedRice]uint{a, b, c, d, e}
}

// riceShort does so where none of them is escaped.
func riceShort(values []uint64, first uint) [triedRice]uint {
	var a, b, c, d, e uint64
	for _, v := range values {
		v >>= first
		a += v
		b += v >> 1
		c += v >> 2
		d += v >> 3
		e += v >> 4
	}
	sizes := [triedRice]uint{uint(a), uint(b), uint(c), uint(d), uint(e)}
	for i := range sizes {
		sizes[i] += uint(len(values)) * (1 + first + uint(i))
	}
	return sizes
}
