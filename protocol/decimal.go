package protocol

import (
	"encoding/binary"
	"math/bits"
)

// Decimal is a number as it was written, Mantissa / 10^Scale, with as few
// digits behind the point as it needs. Mantissa is below 2^53 and Scale at most
// MaxScale, so that Float64 rounds once and correctly.
type Decimal struct {
	Mantissa int64
	Scale    uint8
}

// MaxScale is the most digits behind the point that a Decimal has.
const MaxScale = 6

// Exact is the magnitude up to which a float64 holds every whole number. A number
// beyond it is kept as the nearest that there is.
const Exact = 1 << 53

// Float64 returns the float64 nearest to the number.
func (d Decimal) Float64() float64 { return float64(d.Mantissa) / pow10[d.Scale&7] }

const (
	zeros = 0x3030303030303030 // "00000000"
	dot   = '.' ^ '0'
	low7  = 0x7f7f7f7f7f7f7f7f
	tops  = 0x8080808080808080
)

// ReadDecimal reads line[at:end], of at most eight characters without its sign,
// eight at once. ok is false for whatever it does not know, numbers included:
// ParseNumber knows them all. A negative zero is among them.
func ReadDecimal(line []byte, at, end int) (d Decimal, ok bool) {
	negative := line[at] == '-'
	if negative || line[at] == '+' {
		at++
	}
	n := end - at
	if n < 1 || n > 8 || end < 8 {
		return Decimal{}, false
	}
	// The characters stand in the upper bytes, the last one uppermost. What was
	// before them becomes leading zeros.
	x := binary.LittleEndian.Uint64(line[end-8:end]) ^ zeros
	x &= ^uint64(0) << (64 - 8*n)
	// A byte above 9 sets its top bit here; none carries into its neighbour.
	odd := ((x & low7) + low7 - 9*0x0101010101010101 | x) & tops
	x, scale, wrong := squeeze(x, odd)
	if wrong != 0 || n == 1 && odd != 0 {
		return Decimal{}, false
	}
	// Zeros at the end of a fraction are empty bytes at the top.
	idle := min(bits.LeadingZeros64(x)/8, int(scale))
	d = Decimal{int64(eightDigits(x << (8 * idle))), scale - uint8(idle)}
	if negative {
		d.Mantissa = -d.Mantissa
	}
	return d, d.Scale <= MaxScale && (d.Mantissa != 0 || !negative)
}

// squeeze takes the point out, where the only byte that is no digit is one; wrong
// is 0 then. Whether there is a point changes from number to number, so both
// cases are one stretch of code.
func squeeze(x, odd uint64) (digits uint64, scale uint8, wrong uint64) {
	at := bits.TrailingZeros64(odd|1<<63) &^ 7 // of the point, in bits
	digits = x&(1<<at-1)<<8 | x>>at>>8<<8<<at
	wrong = x>>at&0xff ^ dot
	if odd == 0 {
		digits = x
	}
	if odd == 0 {
		wrong = 0
	}
	return digits, uint8(7 - at>>3), wrong | odd&(odd-1)
}

// eightDigits reads eight digits, one a byte, the first lowest: pairs, then
// pairs of pairs, then both halves.
func eightDigits(x uint64) uint64 {
	x = x*10 + x>>8
	x &= 0x00ff00ff00ff00ff
	x = x*100 + x>>16
	x &= 0x0000ffff0000ffff
	return (x*10000 + x>>32) & 0xffffffff
}
