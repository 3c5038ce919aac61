package slo

import (
	"math/big"
	"time"
)

// AvailabilityAt is the share of good events at which the budget burns at the
// rate: 1 - burn·(1-target).
func AvailabilityAt(t Target, burn *big.Rat) *big.Rat {
	return sub(one, mul(burn, t.ErrorRatio()))
}

// BurnAt is the burn rate at the share of good events.
func BurnAt(t Target, availability *big.Rat) *big.Rat {
	return BurnRate(t, sub(one, availability))
}

// BurnToExhaust is the burn rate that empties a full budget in the time, which
// is not zero.
func BurnToExhaust(in Span, period time.Duration) *big.Rat {
	return in.share(SpanOf(period))
}

// TargetFor is the target, as a ratio, whose budget over the period is the
// span.
func TargetFor(budget Span, period time.Duration) *big.Rat {
	return sub(one, SpanOf(period).share(budget))
}

// DowntimeCheck is what is right about "the target allows so much downtime".
type DowntimeCheck struct {
	Correct   Span
	TargetFor *big.Rat // the ratio for which the claim would be right
	Holds     bool
}

// CheckDowntime checks a claimed downtime against the target.
func CheckDowntime(t Target, period time.Duration, claimed Span) DowntimeCheck {
	correct := TimeBudget(t, period)
	return DowntimeCheck{
		Correct:   correct,
		TargetFor: TargetFor(claimed, period),
		Holds:     correct.seconds.Cmp(orZero(claimed.seconds)) == 0,
	}
}

// BurnClaim is "a burn rate is an availability, and empties the budget in a
// time". Neither the rate nor the time nor the budget at the availability is zero.
type BurnClaim struct {
	Burn         *big.Rat
	Availability *big.Rat // a ratio
	Exhaustion   Span
	Window       time.Duration // over which the rate is measured
}

// BurnCheck is, for each part of a claim, what the other two would have to be.
type BurnCheck struct {
	Availability         *big.Rat // at the burn rate
	Exhaustion           Span     // at the burn rate
	ConsumedInWindow     *big.Rat // at the burn rate
	BurnAtAvailability   *big.Rat
	ExhaustionAtClaimed  Span // at the claimed availability
	BurnForExhaustion    *big.Rat
	AvailabilityForClaim *big.Rat // at the claimed exhaustion
	Holds                bool
}

// CheckBurn checks a claim about a burn rate against the target and the period.
func CheckBurn(t Target, period time.Duration, c BurnClaim) BurnCheck {
	atBurn, _ := Exhaustion(one, c.Burn, period)
	burnAt := BurnAt(t, c.Availability)
	atClaimed, _ := Exhaustion(one, burnAt, period)
	burnFor := BurnToExhaust(c.Exhaustion, period)
	return BurnCheck{
		Availability:         AvailabilityAt(t, c.Burn),
		Exhaustion:           atBurn,
		ConsumedInWindow:     Consumed(c.Burn, c.Window, period),
		BurnAtAvailability:   burnAt,
		ExhaustionAtClaimed:  atClaimed,
		BurnForExhaustion:    burnFor,
		AvailabilityForClaim: AvailabilityAt(t, burnFor),
		Holds:                burnAt.Cmp(c.Burn) == 0 && burnFor.Cmp(c.Burn) == 0,
	}
}
