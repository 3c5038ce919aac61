package objective

import (
	"math"
	"math/big"
)

// exact adds numbers without rounding. Counts of events are whole numbers but
// for sampled ones, so most of the work is integers.
type exact struct {
	whole int64
	rest  *big.Rat // nil while nothing needed it
}

const (
	maxWhole = 1 << 53 // beyond it a float no longer tells neighbours apart
	spill    = 1 << 62
)

func (e *exact) add(v float64) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return // no count; only raw samples could hold one
	case v == math.Trunc(v) && math.Abs(v) <= maxWhole:
		e.whole += int64(v)
		if e.whole > spill || e.whole < -spill {
			e.addRat(new(big.Rat).SetInt64(e.whole))
			e.whole = 0
		}
	default:
		e.addRat(new(big.Rat).SetFloat64(v))
	}
}

func (e *exact) addRat(r *big.Rat) {
	if e.rest == nil {
		e.rest = new(big.Rat)
	}
	e.rest.Add(e.rest, r)
}

func (e *exact) rat() *big.Rat {
	r := new(big.Rat).SetInt64(e.whole)
	if e.rest != nil {
		r.Add(r, e.rest)
	}
	return r
}
