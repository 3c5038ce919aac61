package slo

import "math/big"

// Printed is the SLI in percent, truncated toward zero, with the fewest
// decimals, two or more, that put the printed number on the side of the target
// on which the SLI is. Rounding would print 99.90 for a breached 99.8996. It is
// empty where there is no SLI.
//
// The search ends: what is truncated to the target's own decimals is no longer
// on its wrong side.
func Printed(sli *big.Rat, t Target) string {
	if sli == nil {
		return ""
	}
	met := t.MetBy(sli)
	for decimals := 2; ; decimals++ {
		cut := Truncate(Percent(sli), decimals)
		if t.MetBy(FromPercent(cut)) == met {
			return cut.FloatString(decimals)
		}
	}
}

// Truncate cuts the number toward zero to so many decimals.
func Truncate(r *big.Rat, decimals int) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	scaled := mul(r, new(big.Rat).SetInt(scale))
	whole := new(big.Int).Quo(scaled.Num(), scaled.Denom())
	return new(big.Rat).SetFrac(whole, scale)
}
