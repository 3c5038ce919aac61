package slo

import (
	"math/big"
	"time"
)

// BurnRate is how many times faster than the target allows events are bad:
// errorRatio/(1-target). At 1 the budget lasts exactly its period. It is nil
// where the ratio is.
func BurnRate(t Target, errorRatio *big.Rat) *big.Rat {
	if errorRatio == nil {
		return nil
	}
	return quo(errorRatio, t.ErrorRatio())
}

// Consumed is the share of the period's budget that the burn rate takes in the
// window: burn·window/period.
func Consumed(burn *big.Rat, window, period time.Duration) *big.Rat {
	return mul(burn, SpanOf(period).share(SpanOf(window)))
}

// Exhaustion is the time until the budget is empty, if burning goes on at the
// rate: remaining·period/burn, and 0 where nothing remains. ok is false where
// it never is, because nothing burns.
func Exhaustion(remaining, burn *big.Rat, period time.Duration) (in Span, ok bool) {
	switch {
	case orZero(remaining).Sign() <= 0:
		return Span{new(big.Rat)}, true
	case orZero(burn).Sign() <= 0:
		return Span{}, false
	}
	return Span{quo(mul(remaining, SpanOf(period).seconds), burn)}, true
}

// Factor is the burn rate that takes the share of the period's budget in just
// the window: share·period/window. An alert on 2 % of 30 days in 1 hour is one
// on the factor 14.4.
func Factor(share *big.Rat, window, period time.Duration) *big.Rat {
	return mul(share, SpanOf(window).share(SpanOf(period)))
}

// Reachable says whether a rule "burn rate above the factor" can fire at all:
// whether a total outage burns faster, factor < 1/(1-target).
func Reachable(factor *big.Rat, t Target) bool {
	return orZero(factor).Cmp(t.MaxBurn()) < 0
}

// ReachableAbove is the target above which a rule of the factor can fire,
// 1-1/factor. It is nil for factors up to 1, which every target reaches.
func ReachableAbove(factor *big.Rat) *big.Rat {
	if orZero(factor).Cmp(one) <= 0 {
		return nil
	}
	return sub(one, quo(one, factor))
}
