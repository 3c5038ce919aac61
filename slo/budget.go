package slo

import (
	"math/big"
	"time"
)

// Budget is what may go wrong and what did, both in one unit.
type Budget struct{ Total, Consumed *big.Rat }

// Remaining is what is left; below 0 where more went wrong than may.
func (b Budget) Remaining() *big.Rat { return sub(b.Total, b.Consumed) }

// ConsumedFraction is the share consumed, above 1 in a breach; nil where the
// budget is zero.
func (b Budget) ConsumedFraction() *big.Rat {
	if orZero(b.Total).Sign() == 0 {
		return nil
	}
	return quo(b.Consumed, b.Total)
}

// RemainingFraction is 1 - ConsumedFraction; nil where the budget is zero.
func (b Budget) RemainingFraction() *big.Rat {
	consumed := b.ConsumedFraction()
	if consumed == nil {
		return nil
	}
	return sub(one, consumed)
}

// TimeBudget is the time that may be down in the period: (1-target)·period.
func TimeBudget(t Target, period time.Duration) Span {
	return Span{mul(t.ErrorRatio(), SpanOf(period).seconds)}
}

// EventBudget is the number of events that may be bad: (1-target)·total.
func EventBudget(t Target, total *big.Rat) *big.Rat {
	return mul(t.ErrorRatio(), total)
}

// EventConsumption is the share of a period's budget that these bad events
// took: bad/((1-target)·total). It is the truth where traffic varies; a burn
// rate over a window assumes that the window's traffic is the usual one. The
// total is not zero.
func EventConsumption(t Target, bad, periodTotal *big.Rat) *big.Rat {
	return quo(bad, EventBudget(t, periodTotal))
}

// TrafficShare is the window's traffic over what it would have been if the
// period's were spread evenly: what the estimate of a burn rate is to be
// multiplied with to give the EventConsumption.
func TrafficShare(windowTotal, periodTotal *big.Rat, window, period time.Duration) *big.Rat {
	even := mul(periodTotal, SpanOf(period).share(SpanOf(window)))
	return quo(windowTotal, even)
}

// Basis says what a budget is measured against.
type Basis string

// The bases. Of a period that is not over, both of the others are told, each
// under its name: against traffic so far an early fault looks fatal, and
// against a forecast it looks small.
const (
	WholePeriod Basis = "period"
	ToDate      Basis = "to_date"
	Projected   Basis = "projected"
)

// Budgets are the budget in events and in seconds. Seconds are the events'
// share of bad ones, spread over the time: half of all requests failing for ten
// minutes are five minutes.
type Budgets struct {
	Basis        Basis
	Events, Time Budget
}

// BudgetsOf measures the events against their own number, and the time against
// its own length. The basis is for the caller to say.
func BudgetsOf(t Target, e Events, basis Basis, length time.Duration) Budgets {
	return budgets(t, e, basis, e.All(), length, length)
}

// ProjectedBudgets measures what went wrong after some time of a period
// against the period's budget, if traffic goes on as it was. Elapsed is above 0.
func ProjectedBudgets(t Target, e Events, elapsed, period time.Duration) Budgets {
	total := quo(e.All(), SpanOf(period).share(SpanOf(elapsed)))
	return budgets(t, e, Projected, total, elapsed, period)
}

func budgets(t Target, e Events, basis Basis, total *big.Rat, elapsed, period time.Duration) Budgets {
	return Budgets{
		Basis:  basis,
		Events: Budget{EventBudget(t, total), e.Bad()},
		Time:   Budget{TimeBudget(t, period).seconds, mul(e.ErrorRatio(), SpanOf(elapsed).seconds)},
	}
}
