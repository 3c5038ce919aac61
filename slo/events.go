package slo

import "math/big"

// Events are counts of what was judged. They are rationals because a sampled
// counter stands for a fraction of events; nil is zero.
//
// Sums are kept as they come and never mended in between: a request whose end
// fell one slot after its verdict puts good above total in one slot and below in
// the next, and only their sum is right. The clamps apply where a sum is read:
// a negative count is read as zero, and good events beyond the total are read
// as the total, with Excess saying by how much they were.
type Events struct{ Good, Total *big.Rat }

// Count is Events of whole numbers.
func Count(good, total int64) Events {
	return Events{big.NewRat(good, 1), big.NewRat(total, 1)}
}

// Add is the sum of both.
func (e Events) Add(o Events) Events {
	return Events{add(e.Good, o.Good), add(e.Total, o.Total)}
}

// All is the number of events, at least 0.
func (e Events) All() *big.Rat { return notNegative(e.Total) }

// Kept is the number of good events, between 0 and All.
func (e Events) Kept() *big.Rat { return less(notNegative(e.Good), e.All()) }

// Bad is the number of events that were not good: All - Kept.
func (e Events) Bad() *big.Rat { return sub(e.All(), e.Kept()) }

// Excess is by how much good exceeds the total, which says that the two are
// not counted over the same events. It is 0 where all is well.
func (e Events) Excess() *big.Rat { return notNegative(sub(e.Good, e.All())) }

// None says that there is nothing to judge.
func (e Events) None() bool { return orZero(e.Total).Sign() <= 0 }

// SLI is the share of good events; nil where there are none.
func (e Events) SLI() *big.Rat {
	if e.None() {
		return nil
	}
	return quo(e.Kept(), e.All())
}

// ErrorRatio is the share of bad events; nil where there are none.
func (e Events) ErrorRatio() *big.Rat {
	if e.None() {
		return nil
	}
	return quo(e.Bad(), e.All())
}

// State is the verdict on a window.
type State string

// The verdicts. A window without events is neither met nor breached.
const (
	Met      State = "met"
	Breached State = "breached"
	NoData   State = "no_data"
)

// Judge compares the exact share of good events with the target.
func (t Target) Judge(e Events) State {
	switch {
	case e.None():
		return NoData
	case t.MetBy(e.SLI()):
		return Met
	}
	return Breached
}

// Quality names what is wrong with counts, and is empty where nothing is.
type Quality string

// GoodExceedsTotal marks counts that would be an SLI above 100 %.
const GoodExceedsTotal Quality = "good_exceeds_total"

// Quality is the fault of the counts.
func (e Events) Quality() Quality {
	if e.Excess().Sign() > 0 {
		return GoodExceedsTotal
	}
	return ""
}
