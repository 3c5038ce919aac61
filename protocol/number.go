package protocol

import (
	"bytes"
	"strconv"
)

// ParseNumber reads a whole decimal number: a sign, digits with or without a
// point, an exponent; only the digits are required. Nothing else is a number:
// no hexadecimal, no underscore, no blank, no digit outside ASCII. The result is
// the float64 nearest to what was written; what is too small for one is 0.
//
// The Reason is Accepted; Range beyond float64; NonFinite for the words nan, inf
// and infinity, in any case and with a sign or without; Number for the rest.
func ParseNumber(b []byte) (float64, Reason) {
	if v, n, ok := shortDecimal(b); ok && n == len(b) {
		return v, Accepted
	}
	return longDecimal(b)
}

// pow10 are the powers of ten that float64 holds exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

const (
	maxMantissa       = 1 << 53 // integers up to here are exact in a float64
	maxMantissaDigits = 19      // digits that a uint64 holds, whatever they are
)

// shortDecimal reads the number at the start of b and returns how many bytes it
// took. It knows the numbers without an exponent whose digits fit a float64
// exactly, so that one division by an exact power of ten rounds correctly; ok is
// false for all others.
func shortDecimal(b []byte) (v float64, n int, ok bool) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		i = 1
	}
	var mantissa uint64
	from := i
	for ; i < len(b); i++ {
		d := b[i] - '0'
		if d > 9 {
			break
		}
		mantissa = mantissa*10 + uint64(d)
	}
	digits, fraction := i-from, 0
	if i < len(b) && b[i] == '.' {
		from = i + 1
		for i = from; i < len(b); i++ {
			d := b[i] - '0'
			if d > 9 {
				break
			}
			mantissa = mantissa*10 + uint64(d)
		}
		fraction = i - from
		digits += fraction
	}
	if digits == 0 || digits > maxMantissaDigits || mantissa > maxMantissa {
		return 0, i, false
	}
	v = float64(mantissa)
	if fraction > 0 {
		v /= pow10[fraction]
	}
	if b[0] == '-' {
		v = -v
	}
	return v, i, true
}

// longDecimal reads what shortDecimal does not know. strconv takes more than
// decimal numbers, so the grammar is checked before it is asked.
func longDecimal(b []byte) (float64, Reason) {
	if !isDecimal(b) {
		if isNonFinite(b) {
			return 0, NonFinite
		}
		return 0, Number
	}
	v, err := strconv.ParseFloat(view(b), 64)
	if err != nil {
		return 0, Range
	}
	return v, Accepted
}

func isDecimal(b []byte) bool {
	b = trimSign(b)
	whole := leadingDigits(b)
	digits := whole
	b = b[whole:]
	if len(b) > 0 && b[0] == '.' {
		fraction := leadingDigits(b[1:])
		digits += fraction
		b = b[1+fraction:]
	}
	return digits > 0 && isExponent(b)
}

// IsJSONNumber holds b to JSON's grammar, which is narrower than ParseNumber's: no
// plus sign, no leading zeros, digits on both sides of a point.
func IsJSONNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	n := leadingDigits(b)
	if n == 0 || n > 1 && b[0] == '0' {
		return false
	}
	b = b[n:]
	if len(b) > 0 && b[0] == '.' {
		n = leadingDigits(b[1:])
		if n == 0 {
			return false
		}
		b = b[1+n:]
	}
	return isExponent(b)
}

// isExponent reports whether b is an exponent or empty.
func isExponent(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if b[0] != 'e' && b[0] != 'E' {
		return false
	}
	b = trimSign(b[1:])
	return len(b) > 0 && leadingDigits(b) == len(b)
}

func leadingDigits(b []byte) int {
	for i, c := range b {
		if c-'0' > 9 {
			return i
		}
	}
	return len(b)
}

func trimSign(b []byte) []byte {
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		return b[1:]
	}
	return b
}

var nonFinite = [...][]byte{[]byte("nan"), []byte("inf"), []byte("infinity")}

func isNonFinite(b []byte) bool {
	b = trimSign(b)
	for _, word := range nonFinite {
		if len(b) == len(word) && bytes.EqualFold(b, word) {
			return true
		}
	}
	return false
}
