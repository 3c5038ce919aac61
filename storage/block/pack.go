package block

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A packed column: one byte of mode, then what the mode says.
//
//	constant   zigzag varint of the one value
//	rice+p     predictor p, a byte k, the first p values as zigzag varints,
//	           then the Rice codes of the zigzag residuals
//	decimals   a byte of decimals, then the mantissas as a packed column
//	xor        eight bytes of the first float, then for each later one a
//	           uvarint of its bits xor its predecessor's, bytes reversed
const (
	modeConstant = 0
	modeRice     = 1 // 1, 2, 3: residuals of the value, its delta, its delta's delta
	modeDecimals = 4
	modeXOR      = 5
)

const predictors = 3

// residuals subtracts what predictor p expects: nothing, the last value, the
// last value and its last step. Integers wrap, and come back the same.
func residuals(dst []uint64, v []int64, p int) []uint64 {
	dst = dst[:0]
	for i := p; i < len(v); i++ {
		dst = append(dst, zigzag(v[i]-predict(v[:i], p)))
	}
	return dst
}

func predict(before []int64, p int) int64 {
	n := len(before)
	switch p {
	case 1:
		return before[n-1]
	case 2:
		return 2*before[n-1] - before[n-2]
	}
	return 0
}

// packInts encodes a column of integers by whichever predictor is shortest.
func packInts(dst []byte, v []int64) []byte {
	if constantInts(len(v), func(i int) int64 { return v[i] }) {
		dst = append(dst, modeConstant)
		if len(v) > 0 {
			dst = binary.AppendUvarint(dst, zigzag(v[0]))
		}
		return dst
	}
	var scratch [360]uint64
	best, bestK, bestSize := 0, uint(0), ^uint(0)
	for p := range min(predictors, len(v)) {
		k, size := bestRice(residuals(scratch[:0], v, p))
		if size += uint(16 * p); size < bestSize {
			best, bestK, bestSize = p, k, size
		}
	}
	dst = append(dst, byte(modeRice+best), byte(bestK))
	for _, first := range v[:best] {
		dst = binary.AppendUvarint(dst, zigzag(first))
	}
	w := bitWriter{b: dst}
	for _, r := range residuals(scratch[:0], v, best) {
		w.rice(r, bestK)
	}
	return w.b
}

func unpackInts(b []byte, n int) ([]int64, error) {
	c := cursor{b: b}
	mode := c.byte()
	if n == 0 {
		return nil, c.err()
	}
	switch {
	case mode == modeConstant:
		v := make([]int64, n)
		v[0] = c.varint()
		for i := range v {
			v[i] = v[0]
		}
		return v, c.err()
	case mode >= modeRice && mode < modeRice+predictors:
		return c.unpackRice(n, int(mode-modeRice))
	}
	return nil, fmt.Errorf("%w: column mode %d", ErrMalformed, mode)
}

func (c *cursor) unpackRice(n, p int) ([]int64, error) {
	k := uint(c.byte())
	if k > 62 || n < p || n > 8*len(c.b)+p {
		return nil, fmt.Errorf("%w: Rice column", ErrMalformed)
	}
	v := make([]int64, 0, n)
	for range p {
		v = append(v, c.varint())
	}
	r := bitReader{b: c.b, bad: c.bad}
	for len(v) < n && !r.bad {
		v = append(v, unzigzag(r.rice(k))+predict(v, p))
	}
	if r.bad || uint(len(r.b))*8-r.at >= 8 {
		return nil, fmt.Errorf("%w: Rice column", ErrMalformed)
	}
	return v, nil
}

func (c *cursor) err() error {
	if c.bad || len(c.b) != 0 {
		return fmt.Errorf("%w: column", ErrMalformed)
	}
	return nil
}

// packFloats encodes a column of floats as decimals where all of them are
// exact at one number of decimals, else bit by bit.
func packFloats(dst []byte, v []float64) []byte {
	if m, d, ok := mantissas(v); ok {
		return packInts(append(dst, modeDecimals, byte(d)), m)
	}
	dst = append(dst, modeXOR)
	last := uint64(0)
	for i, f := range v {
		bits := math.Float64bits(f)
		if i == 0 {
			dst = binary.LittleEndian.AppendUint64(dst, bits)
		} else {
			dst = binary.AppendUvarint(dst, reverseBytes(bits^last))
		}
		last = bits
	}
	return dst
}

// mantissas finds the fewest decimals at which every value is exact.
func mantissas(v []float64) ([]int64, int, bool) {
	d := 0
	for _, f := range v {
		_, own, ok := decimal(f)
		if !ok {
			return nil, 0, false
		}
		d = max(d, own)
	}
	m := make([]int64, len(v))
	for i, f := range v {
		var ok bool
		if m[i], ok = mantissa(f, d); !ok {
			return nil, 0, false
		}
	}
	return m, d, true
}

func unpackFloats(b []byte, n int) ([]float64, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: no column", ErrMalformed)
	}
	switch b[0] {
	case modeDecimals:
		if len(b) < 2 || b[1] > maxDecimals {
			return nil, fmt.Errorf("%w: decimals", ErrMalformed)
		}
		m, err := unpackInts(b[2:], n)
		if err != nil {
			return nil, err
		}
		v := make([]float64, n)
		for i := range m {
			v[i] = float64(m[i]) / pow10[b[1]]
		}
		return v, nil
	case modeXOR:
		return unpackXOR(b[1:], n)
	}
	return nil, fmt.Errorf("%w: column mode %d", ErrMalformed, b[0])
}

func unpackXOR(b []byte, n int) ([]float64, error) {
	c := cursor{b: b}
	if n == 0 {
		return nil, c.err()
	}
	if n > len(b) {
		return nil, fmt.Errorf("%w: floats", ErrMalformed)
	}
	v := make([]float64, 0, n)
	first := c.take(8)
	if c.bad {
		return nil, c.err()
	}
	last := binary.LittleEndian.Uint64(first)
	v = append(v, math.Float64frombits(last))
	for range n - 1 {
		last ^= reverseBytes(c.uvarint())
		v = append(v, math.Float64frombits(last))
	}
	return v, c.err()
}

// reverseBytes puts a float's high bytes, where neighbours agree, last: a
// varint then leaves them out.
func reverseBytes(u uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], u)
	return binary.BigEndian.Uint64(b[:])
}
