package slo

import "math/big"

var (
	zero    = new(big.Rat)
	one     = big.NewRat(1, 1)
	hundred = big.NewRat(100, 1)
)

func add(a, b *big.Rat) *big.Rat { return new(big.Rat).Add(orZero(a), orZero(b)) }
func sub(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(orZero(a), orZero(b)) }
func mul(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(orZero(a), orZero(b)) }

// quo divides by b, which is not zero.
func quo(a, b *big.Rat) *big.Rat { return new(big.Rat).Quo(orZero(a), b) }

// orZero lets the zero value of a struct of rationals stand for zeros.
func orZero(r *big.Rat) *big.Rat {
	if r == nil {
		return zero
	}
	return r
}

func copyOf(r *big.Rat) *big.Rat { return new(big.Rat).Set(orZero(r)) }

func notNegative(r *big.Rat) *big.Rat {
	if orZero(r).Sign() < 0 {
		return new(big.Rat)
	}
	return copyOf(r)
}

func less(a, b *big.Rat) *big.Rat {
	if orZero(a).Cmp(orZero(b)) < 0 {
		return copyOf(a)
	}
	return copyOf(b)
}

// Percent is the ratio in percent.
func Percent(ratio *big.Rat) *big.Rat { return mul(ratio, hundred) }

// FromPercent is the percentage as a ratio.
func FromPercent(percent *big.Rat) *big.Rat { return quo(percent, hundred) }

// float is the nearest float64, and nil for a number that is not there.
func float(r *big.Rat) *float64 {
	if r == nil {
		return nil
	}
	f, _ := r.Float64()
	return &f
}
