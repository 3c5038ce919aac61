package record

import (
	"encoding/binary"
	"math"
)

// A value stands behind its reference: uvarint(ref<<2 | form), then what the
// form says. Most values of real senders are small integers or short decimals,
// which is where the few bytes a line come from.
const (
	formOne     = 0 // the value is 1; nothing follows
	formInteger = 1 // a zigzag varint follows
	formDecimal = 2 // decimals (one byte, 1 to 6), then a zigzag varint: value = varint / 10^decimals
	formFloat   = 3 // eight bytes, little endian, of the float's bits
)

const (
	maxInteger  = 1 << 53
	maxDecimals = 6
	maxMantissa = 1 << 40 // beyond it the eight raw bytes are as short
)

var pow10 = [maxDecimals + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

func appendValue(dst []byte, ref uint32, v float64) []byte {
	head := uint64(ref) << 2
	if v == 1 {
		return binary.AppendUvarint(dst, head|formOne)
	}
	if i := int64(v); float64(i) == v && i > -maxInteger && i < maxInteger && (i != 0 || !math.Signbit(v)) {
		dst = binary.AppendUvarint(dst, head|formInteger)
		return binary.AppendVarint(dst, i)
	}
	if m, decimals, ok := decimal(v); ok {
		dst = binary.AppendUvarint(dst, head|formDecimal)
		dst = append(dst, decimals)
		return binary.AppendVarint(dst, m)
	}
	dst = binary.AppendUvarint(dst, head|formFloat)
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

// decimal finds the fewest decimals at which v is exactly m / 10^decimals as
// float64 division gives it, so that decoding restores v bit for bit.
func decimal(v float64) (m int64, decimals byte, ok bool) {
	for d := 1; d <= maxDecimals; d++ {
		scaled := math.RoundToEven(v * pow10[d])
		if !(scaled > -maxMantissa && scaled < maxMantissa) {
			return 0, 0, false
		}
		if scaled != 0 && scaled/pow10[d] == v {
			return int64(scaled), byte(d), true
		}
	}
	return 0, 0, false
}

// reader takes a record apart. The first impossible read sets bad and makes
// every later one return zero, so that callers check once.
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
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v > math.MaxUint32 {
		r.fail()
	}
	return uint32(v)
}

// count reads a number of elements. Each takes at least one byte, so a count
// beyond what is left is a lie and must not size anything.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) value() (ref uint32, v float64) {
	head := r.uvarint()
	if head>>2 > math.MaxUint32 {
		r.fail()
		return 0, 0
	}
	ref = uint32(head >> 2)
	switch head & 3 {
	case formOne:
		return ref, 1
	case formInteger:
		return ref, float64(r.varint())
	case formDecimal:
		d := r.byte()
		if d < 1 || d > maxDecimals {
			r.fail()
			return ref, 0
		}
		return ref, float64(r.varint()) / pow10[d]
	default:
		if len(r.b) < 8 {
			r.fail()
			return ref, 0
		}
		v = math.Float64frombits(binary.LittleEndian.Uint64(r.b))
		r.b = r.b[8:]
		return ref, v
	}
}

func (r *reader) fail() {
	r.bad = true
	r.b = nil
}
