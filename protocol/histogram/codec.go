package histogram

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrMalformed reports bytes that this package did not write.
var ErrMalformed = errors.New("malformed sketch")

// A histogram's bytes: a kind byte, the schema as zigzag varint, then Count,
// Sum, Min, Max, the zero weight, each as a number; then the positive and the
// negative buckets. A number is a uvarint 2n for the whole number n below
// 2^53, or a byte 1 and eight bytes of a float, little endian. Buckets are the
// number of runs, and for each run the empty buckets before it (the first:
// its index, zigzag), its length and its weights.
const kindHistogram = 'h'

// AppendBinary encodes the histogram; equal content gives equal bytes.
func (h *Histogram) AppendBinary(dst []byte) []byte {
	dst = append(dst, kindHistogram)
	dst = binary.AppendVarint(dst, int64(h.schema))
	for _, v := range []float64{h.Count, h.Sum(), h.Min, h.Max, h.zero} {
		dst = appendNumber(dst, v)
	}
	dst = h.positive.appendBinary(dst)
	return h.below().appendBinary(dst)
}

func appendNumber(dst []byte, v float64) []byte {
	if n := uint64(v); v >= 0 && v < 1<<53 && float64(n) == v && !math.Signbit(v) {
		return binary.AppendUvarint(dst, n<<1)
	}
	dst = append(dst, 1)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

func (b *buckets) appendBinary(dst []byte) []byte {
	switch {
	case b.n == 0:
		return append(dst, 0)
	case b.tiny():
		return appendRuns(dst, part(b, b.cells.tiny), b.first)
	case b.small():
		return appendRuns(dst, part(b, b.cells.small), b.first)
	case b.spread():
		return appendRuns(dst, part(b, b.cells.wide), b.first)
	}
	return appendPairs(dst, b.pairs)
}

// appendRuns encodes cells, of which the first is bucket first.
func appendRuns[T count](dst []byte, cells []T, first int) []byte {
	runs := 0
	for range runsOf(cells) {
		runs++
	}
	dst = binary.AppendUvarint(dst, uint64(runs))
	end := 0
	for at, n := range runsOf(cells) {
		dst = appendRun(dst, first+at, first+end, n, end == 0)
		for _, w := range cells[at:][:n] {
			dst = appendNumber(dst, float64(w))
		}
		end = at + n
	}
	return dst
}

func appendPairs(dst []byte, pairs []pair) []byte {
	follows := func(i int) bool { return i > 0 && pairs[i].index == pairs[i-1].index+1 }
	runs := 0
	for i := range pairs {
		if !follows(i) {
			runs++
		}
	}
	dst = binary.AppendUvarint(dst, uint64(runs))
	end := 0
	for i := 0; i < len(pairs); {
		n := 1
		for i+n < len(pairs) && follows(i+n) {
			n++
		}
		dst = appendRun(dst, int(pairs[i].index), end, n, i == 0)
		for _, p := range pairs[i:][:n] {
			dst = appendNumber(dst, float64(p.weight))
		}
		i, end = i+n, int(pairs[i].index)+n
	}
	return dst
}

// appendRun encodes where a run of n begins: the first by its bucket, the others by
// how far it is from the end of the one before.
func appendRun(dst []byte, at, end, n int, first bool) []byte {
	if first {
		dst = binary.AppendVarint(dst, int64(at))
	} else {
		dst = binary.AppendUvarint(dst, uint64(at-end))
	}
	return binary.AppendUvarint(dst, uint64(n))
}

// Decode decodes what AppendBinary wrote.
func Decode(b []byte) (*Histogram, error) {
	r := reader{b: b}
	if r.byte() != kindHistogram {
		return nil, ErrMalformed
	}
	schema := r.varint()
	if schema < MinSchema || schema > MaxSchema {
		return nil, ErrMalformed
	}
	h := New(int(schema))
	for _, v := range []*float64{&h.Count, &h.sum, &h.Min, &h.Max, &h.zero} {
		*v = r.number()
	}
	r.buckets(&h.positive, MaxBuckets)
	var below buckets
	if r.buckets(&below, MaxBuckets-h.positive.n); below.n > 0 {
		h.negative = &below
	}
	if r.bad || len(r.b) != 0 {
		return nil, ErrMalformed
	}
	return h, nil
}

// reader takes bytes apart; after the first impossible read all return zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) number() float64 {
	if len(r.b) > 0 && r.b[0] == 1 {
		if len(r.b) < 9 {
			r.b, r.bad = nil, true
			return 0
		}
		v := math.Float64frombits(binary.LittleEndian.Uint64(r.b[1:]))
		r.b = r.b[9:]
		return v
	}
	n := r.uvarint()
	r.bad = r.bad || n&1 == 1
	return float64(n >> 1)
}

// buckets reads runs into b, which gets limit buckets at most.
func (r *reader) buckets(b *buckets, limit int) {
	const farthest = 1100 << MaxSchema // beyond any float's index
	runs := r.uvarint()
	at := int64(0)
	for k := uint64(0); k < runs && !r.bad; k++ {
		if k == 0 {
			at = r.varint()
		} else {
			at += int64(min(r.uvarint(), 2*farthest))
		}
		n := r.uvarint()
		if at < -farthest || at > farthest || n == 0 || n > uint64(limit) || b.span(int(at)+int(n)-1) > limit {
			r.b, r.bad = nil, true
			return
		}
		for range n {
			if c := r.number(); c > 0 {
				b.add(int(at), c)
			} else {
				r.bad = true // a run has no empty buckets
			}
			at++
		}
	}
}
