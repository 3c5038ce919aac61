package block

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A packed column: one byte of mode, then what the mode says.
//
//	constant   zigzag varint of the one value
//	rice+p     predictor p, a byte k, the first p values as zigzag varints,
//	           then the Rice codes of the zigzag residuals
//	decimals   a byte of decimals, then the mantissas as a packed column
//	xor        eight bytes of the first float, then for each later one a
//	           uvarint of its bits xor its predecessor's, bytes reversed
//	line       zigzag varints of the first value and of the step to each later
//	middle     zigzag varint of a value in the middle, a byte k, then the Rice
//	           codes of the zigzag differences from it
const (
	modeConstant = 0
	modeRice     = 1 // 1, 2, 3: residuals of the value, its delta, its delta's delta
	modeDecimals = 4
	modeXOR      = 5
	modeLine     = 6
	modeMiddle   = 7
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

// packInts encodes a column of integers by whichever way is shortest.
func packInts(dst []byte, v []int64) []byte {
	if constantInts(v) {
		dst = append(dst, modeConstant)
		if len(v) > 0 {
			dst = binary.AppendUvarint(dst, zigzag(v[0]))
		}
		return dst
	}
	if isLine(v) {
		dst = binary.AppendUvarint(append(dst, modeLine), zigzag(v[0]))
		return binary.AppendUvarint(dst, zigzag(v[1]-v[0]))
	}
	var scratch [360]uint64
	best, bestK, bestSize := 0, uint(0), ^uint(0)
	for p := range min(predictors, len(v)) {
		k, size := bestRice(residuals(scratch[:0], v, p))
		if size += uint(16 * p); size < bestSize {
			best, bestK, bestSize = p, k, size
		}
	}
	mid := middle(v)
	if k, size := bestRice(differences(scratch[:0], v, mid)); size+16 < bestSize {
		dst = binary.AppendUvarint(append(dst, modeMiddle), zigzag(mid))
		return appendRice(append(dst, byte(k)), differences(scratch[:0], v, mid), k)
	}
	dst = append(dst, byte(modeRice+best), byte(bestK))
	for _, first := range v[:best] {
		dst = binary.AppendUvarint(dst, zigzag(first))
	}
	return appendRice(dst, residuals(scratch[:0], v, best), bestK)
}

func appendRice(dst []byte, codes []uint64, k uint) []byte {
	w := bitWriter{b: dst}
	for _, r := range codes {
		w.rice(r, k)
	}
	w.flush()
	return w.b
}

// isLine reports steps that are all the same, as those of time are where a
// series is never silent. There are two values at least.
func isLine(v []int64) bool {
	step := v[1] - v[0]
	for i := 2; i < len(v); i++ {
		if v[i]-v[i-1] != step {
			return false
		}
	}
	return true
}

// middle returns the mean: what jitters about one costs half a bit more by its
// steps, of which each has the jitter of two values. Any value would do.
func middle(v []int64) int64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x - v[0])
	}
	return v[0] + int64(math.Round(sum/float64(len(v))))
}

// differences are what the values differ by from the middle. Integers wrap, and
// come back the same.
func differences(dst []uint64, v []int64, mid int64) []uint64 {
	for _, x := range v {
		dst = append(dst, zigzag(x-mid))
	}
	return dst
}

// unpackInts decodes a column of n integers into dst's room.
func unpackInts(dst []int64, b []byte, n int) ([]int64, error) {
	c := cursor{b: b}
	mode := c.byte()
	dst = dst[:0]
	if n == 0 {
		return dst, c.err()
	}
	switch {
	case mode == modeConstant:
		return line(dst, c.varint(), 0, n), c.err()
	case mode == modeLine:
		first, step := c.varint(), c.varint()
		return line(dst, first, step, n), c.err()
	case mode == modeMiddle:
		mid := c.varint()
		return c.unpackRice(dst, n, 0, mid)
	case mode >= modeRice && mode < modeRice+predictors:
		return c.unpackRice(dst, n, int(mode-modeRice), 0)
	}
	return nil, fmt.Errorf("%w: column mode %d", ErrMalformed, mode)
}

func line(dst []int64, first, step int64, n int) []int64 {
	dst = slices.Grow(dst, n)
	for range n {
		dst = append(dst, first)
		first += step
	}
	return dst
}

// unpackRice decodes n values: the first p as they are, the others as codes of
// what predictor p misses them by, or of how far they are from mid.
func (c *cursor) unpackRice(dst []int64, n, p int, mid int64) ([]int64, error) {
	k := uint(c.byte())
	if k > 62 || n < p || n > 8*len(c.b)+p {
		return nil, fmt.Errorf("%w: Rice column", ErrMalformed)
	}
	v := slices.Grow(dst, n)
	last, step := mid, int64(0)
	for range p {
		next := c.varint()
		last, step = next, next-last
		v = append(v, next)
	}
	r := bitReader{b: c.b, bad: c.bad}
	for len(v) < n && !r.bad {
		code := unzigzag(r.rice(k))
		switch p {
		case 0:
			v = append(v, mid+code)
		case 1:
			last += code
			v = append(v, last)
		default:
			step += code
			last += step
			v = append(v, last)
		}
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

// AppendFloats encodes floats as a block's columns hold them, bit for bit: where all
// are exact at one number of decimals, some bits each. spare is room that it returns
// to be used again. How many they are stands elsewhere.
func AppendFloats(dst []byte, spare []int64, v []float64) ([]byte, []int64) {
	return packFloats(dst, spare, v)
}

// ReadFloats decodes the n floats that AppendFloats made all of b of. The error wraps
// ErrMalformed.
func ReadFloats(b []byte, n int) ([]float64, error) {
	v, _, err := unpackFloats(make([]float64, 0, n), nil, b, n)
	return v, err
}

// packFloats encodes a column of floats as decimals where all of them are
// exact at one number of decimals, else bit by bit.
// spare is room for mantissas, which it returns to be used again.
func packFloats(dst []byte, spare []int64, v []float64) ([]byte, []int64) {
	m, d, ok := mantissas(spare, v)
	if ok {
		return packInts(append(dst, modeDecimals, byte(d)), m), m
	}
	dst = append(dst, modeXOR)
	last := uint64(0)
	for i, f := range v {
		word := math.Float64bits(f)
		if i == 0 {
			dst = binary.LittleEndian.AppendUint64(dst, word)
		} else {
			dst = binary.AppendUvarint(dst, reverseBytes(word^last))
		}
		last = word
	}
	return dst, m
}

// mantissas finds the fewest decimals at which every value is exact, and puts the
// mantissas into m's room. Most values have as many decimals as those before.
func mantissas(m []int64, v []float64) (_ []int64, d int, ok bool) {
	m = slices.Grow(m[:0], len(v))[:len(v)]
	exact := 0 // up to where the mantissas are at d decimals
	for i, f := range v {
		if m[i], ok = mantissa(f, d); ok {
			continue
		}
		own := 0
		if m[i], own, ok = decimal(f); !ok || own < d {
			return m, 0, false
		}
		d, exact = own, i
	}
	for i, f := range v[:exact] {
		if m[i], ok = mantissa(f, d); !ok {
			return m, 0, false
		}
	}
	return m, d, true
}

// unpackFloats decodes a column of n floats into dst's room; ints is room for
// their mantissas, which it returns to be used again.
func unpackFloats(dst []float64, ints []int64, b []byte, n int) ([]float64, []int64, error) {
	if len(b) == 0 {
		return nil, ints, fmt.Errorf("%w: no column", ErrMalformed)
	}
	dst = dst[:0]
	switch b[0] {
	case modeDecimals:
		if len(b) < 2 || b[1] > maxDecimals {
			return nil, ints, fmt.Errorf("%w: decimals", ErrMalformed)
		}
		m, err := unpackInts(ints, b[2:], n)
		if err != nil {
			return nil, ints, err
		}
		dst = slices.Grow(dst, n)
		if b[1] == 0 {
			for _, v := range m {
				dst = append(dst, float64(v))
			}
			return dst, m, nil
		}
		for _, v := range m {
			dst = append(dst, float64(v)/pow10[b[1]])
		}
		return dst, m, nil
	case modeXOR:
		v, err := unpackXOR(dst, b[1:], n)
		return v, ints, err
	}
	return nil, ints, fmt.Errorf("%w: column mode %d", ErrMalformed, b[0])
}

func unpackXOR(dst []float64, b []byte, n int) ([]float64, error) {
	c := cursor{b: b}
	if n == 0 {
		return dst, c.err()
	}
	if n > len(b) {
		return nil, fmt.Errorf("%w: floats", ErrMalformed)
	}
	v := slices.Grow(dst, n)
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
func reverseBytes(u uint64) uint64 { return bits.ReverseBytes64(u) }
