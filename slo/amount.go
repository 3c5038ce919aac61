package slo

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

// Amount is an exact number in JSON: an integer up to 2^53 is a JSON number,
// which every reader takes without loss, and anything else a string, either a
// decimal ("43.2", where that is exact) or a fraction ("10/3"). The zero value
// is 0.
type Amount struct{ r *big.Rat }

// AmountOf is the number as an Amount.
func AmountOf(r *big.Rat) Amount { return Amount{copyOf(r)} }

// Rat is the exact number.
func (a Amount) Rat() *big.Rat { return copyOf(a.r) }

// Float is the nearest float64.
func (a Amount) Float() float64 { return *float(orZero(a.r)) }

// IsZero says that the amount is 0, and may be left out of JSON.
func (a Amount) IsZero() bool { return orZero(a.r).Sign() == 0 }

// maxDecimals bounds what is still written as a decimal.
const maxDecimals = 18

// String is the number as an integer, a decimal or a fraction, exactly.
func (a Amount) String() string {
	r := orZero(a.r)
	if decimals, exact := r.FloatPrec(); exact && decimals <= maxDecimals {
		return r.FloatString(decimals)
	}
	return r.String()
}

// maxExactInteger is the largest integer up to which a float64 has them all.
var maxExactInteger = big.NewInt(1 << 53)

// MarshalJSON writes a number or a string, as the type says.
func (a Amount) MarshalJSON() ([]byte, error) {
	r := orZero(a.r)
	if r.IsInt() && r.Num().CmpAbs(maxExactInteger) <= 0 {
		return []byte(r.Num().String()), nil
	}
	return strconv.AppendQuote(nil, a.String()), nil
}

// maxAmountText bounds what is read. Its digits are checked first, because
// big.Rat would also take an exponent and spend gigabytes on it.
const maxAmountText = 4096

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Amount) UnmarshalJSON(data []byte) error {
	s := string(data)
	if unquoted, err := strconv.Unquote(s); err == nil {
		s = unquoted
	}
	if len(s) > maxAmountText || strings.Trim(s, "0123456789-./") != "" {
		return errAmount
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return errAmount
	}
	a.r = r
	return nil
}

var errAmount = errors.New("not an exact number: an integer, a decimal or a fraction")
