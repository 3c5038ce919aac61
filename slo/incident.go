package slo

import (
	"math/big"
	"time"
)

// postmortemAbove is the share of a budget beyond which one incident asks for a
// written review.
var postmortemAbove = big.NewRat(20, 100)

// IncidentShare is the share of the period's budget that one incident took:
// its length, weighted with its share of bad events, over the time budget.
func IncidentShare(t Target, period, length time.Duration, errorRatio *big.Rat) *big.Rat {
	return TimeBudget(t, period).share(Span{mul(errorRatio, SpanOf(length).seconds)})
}

// PostmortemRequired says whether an incident's share of the budget asks for a
// review: above 20 %, not at it.
func PostmortemRequired(share *big.Rat) bool { return orZero(share).Cmp(postmortemAbove) > 0 }
