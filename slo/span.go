package slo

import (
	"math/big"
	"time"
)

// Span is an exact length of time. A budget is rarely a whole number of
// nanoseconds, so time.Duration cannot hold it.
type Span struct{ seconds *big.Rat }

// SpanOf is the duration as a span.
func SpanOf(d time.Duration) Span {
	return Span{big.NewRat(int64(d), int64(time.Second))}
}

// Minutes is a span of so many minutes.
func Minutes(n *big.Rat) Span { return spanOf(n, time.Minute) }

// Hours is a span of so many hours.
func Hours(n *big.Rat) Span { return spanOf(n, time.Hour) }

// Days is a span of so many days of 24 hours.
func Days(n *big.Rat) Span { return spanOf(n, day) }

const day = 24 * time.Hour

func spanOf(n *big.Rat, unit time.Duration) Span { return Span{mul(n, SpanOf(unit).seconds)} }

// Seconds is the span in seconds.
func (s Span) Seconds() *big.Rat { return copyOf(s.seconds) }

// Minutes is the span in minutes.
func (s Span) Minutes() *big.Rat { return s.in(time.Minute) }

// Hours is the span in hours.
func (s Span) Hours() *big.Rat { return s.in(time.Hour) }

// Days is the span in days of 24 hours.
func (s Span) Days() *big.Rat { return s.in(day) }

func (s Span) in(unit time.Duration) *big.Rat { return quo(s.seconds, SpanOf(unit).seconds) }

// share is what the part makes of the span; the span is not zero.
func (s Span) share(part Span) *big.Rat { return quo(part.seconds, s.seconds) }
