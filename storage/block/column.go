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
func appendInts(dst []byte, n int, get func(i int) int64) []byte {
	return appendColumn(dst, constantInts(n, get), n, func(dst []byte, i int) []byte {
		return binary.AppendUvarint(dst, zigzag(get(i)))
	})
}

// appendFloats encodes a column of floats: each uvarint(zigzag(mantissa)<<3 |
// decimals), or the byte 7 and the eight bytes of its bits, little endian.
func appendFloats(dst []byte, n int, get func(i int) float64) []byte {
	return appendColumn(dst, constantFloats(n, get), n, func(dst []byte, i int) []byte { return appendFloat(dst, get(i)) })
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

func appendColumn(dst []byte, constant bool, n int, put func(dst []byte, i int) []byte) []byte {
	form, count := byte(formEach), n
	if constant {
		form, count = formConstant, 1
	}
	dst = append(dst, form, 0, 0, 0, 0)
	start := len(dst)
	for i := range count {
		dst = put(dst, i)
	}
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

func constantInts(n int, get func(int) int64) bool {
	for i := 1; i < n; i++ {
		if get(i) != get(0) {
			return false
		}
	}
	return true
}

func constantFloats(n int, get func(int) float64) bool {
	for i := 1; i < n; i++ {
		if math.Float64bits(get(i)) != math.Float64bits(get(0)) {
			return false
		}
	}
	return true
}

// appendBlobs encodes a column of byte strings: lengths, then bytes.
func appendBlobs(dst []byte, n int, get func(i int) []byte) []byte {
	dst = appendInts(dst, n, func(i int) int64 { return int64(len(get(i))) })
	for i := range n {
		dst = append(dst, get(i)...)
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
