package block

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrMalformed reports bytes that this package did not write.
var ErrMalformed = errors.New("malformed block")

// Forms of a flush block's column. A column is its form, its length in bytes,
// and then that.
const (
	formConstant = 0 // one value stands for all
	formEach     = 1 // every value in turn
)

// appendInts encodes a column of integers: zigzag varints.
func (r *packRoom) appendInts(dst []byte, list []*Point, get func(p *Point) int64) []byte {
	r.ints = r.ints[:0]
	for _, p := range list {
		r.ints = append(r.ints, get(p))
	}
	constant := constantInts(r.ints)
	dst, start := beginColumn(dst, constant)
	for _, v := range r.ints[:valuesOf(constant, len(list))] {
		dst = binary.AppendUvarint(dst, zigzag(v))
	}
	return endColumn(dst, start)
}

// appendFloats encodes a column of floats: each uvarint(zigzag(mantissa)<<3 |
// decimals), or the byte 7 and the eight bytes of its bits, little endian.
func (r *packRoom) appendFloats(dst []byte, list []*Point, c Column) []byte {
	r.floats = r.floats[:0]
	for _, p := range list {
		r.floats = append(r.floats, *p.float(c))
	}
	constant := constantFloats(r.floats)
	dst, start := beginColumn(dst, constant)
	for _, v := range r.floats[:valuesOf(constant, len(list))] {
		dst = appendFloat(dst, v)
	}
	return endColumn(dst, start)
}

const (
	rawFloat      = 7
	floatExponent = 3 // bits
	packedLimit   = 1 << 52
)

func appendFloat(dst []byte, v float64) []byte {
	if m, d, ok := decimal(v); ok && m < packedLimit && m > -packedLimit {
		return binary.AppendUvarint(dst, zigzag(m)<<floatExponent|uint64(d))
	}
	dst = append(dst, rawFloat)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// beginColumn writes a column's form, and room for its length.
func beginColumn(dst []byte, constant bool) (_ []byte, start int) {
	form := byte(formEach)
	if constant {
		form = formConstant
	}
	dst = append(dst, form, 0, 0, 0, 0)
	return dst, len(dst)
}

// valuesOf returns how many of n values a column has.
func valuesOf(constant bool, n int) int {
	if constant {
		return 1
	}
	return n
}

func endColumn(dst []byte, start int) []byte {
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

func constantInts(v []int64) bool {
	for i := 1; i < len(v); i++ {
		if v[i] != v[0] {
			return false
		}
	}
	return true
}

func constantFloats(v []float64) bool {
	for i := 1; i < len(v); i++ {
		if !same(v[i], v[0]) {
			return false
		}
	}
	return true
}

// appendBlobs encodes the points' sketches as byte strings: lengths, then bytes.
func (r *packRoom) appendBlobs(dst []byte, list []*Point) []byte {
	dst = r.appendInts(dst, list, func(p *Point) int64 { return int64(len(p.Sketch)) })
	for _, p := range list {
		dst = append(dst, p.Sketch...)
	}
	return dst
}

// cursor takes bytes apart; the first impossible read sets bad and every later
// one returns zero.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() {
	c.b, c.bad = nil, true
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	b := c.b[:n:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 { return unzigzag(c.uvarint()) }

func (c *cursor) float() float64 {
	head := c.uvarint()
	if head == rawFloat {
		b := c.take(8)
		if c.bad {
			return 0
		}
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	d := int(head & (1<<floatExponent - 1))
	if d > maxDecimals {
		c.fail()
		return 0
	}
	return float64(unzigzag(head>>floatExponent)) / pow10[d]
}

// column reads one column's bytes. In turn, next gives value after value.
type column struct {
	constant bool
	first    bool
	c        cursor
	i        int64
	f        float64
}

func (c *cursor) column() column {
	form := c.byte()
	size := c.take(4)
	if c.bad || form > formEach {
		c.fail()
		return column{}
	}
	return column{constant: form == formConstant, first: true, c: cursor{b: c.take(uint64(binary.LittleEndian.Uint32(size)))}}
}

func (k *column) int() int64 {
	if !k.constant || k.first {
		k.i, k.first = k.c.varint(), false
	}
	return k.i
}

func (k *column) float() float64 {
	if !k.constant || k.first {
		k.f, k.first = k.c.float(), false
	}
	return k.f
}

// done reports that the column was read whole and without fault.
func (k *column) done() bool { return !k.c.bad && len(k.c.b) == 0 }
