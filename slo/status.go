package slo

import (
	"context"
	"fmt"
	"math/big"
	"time"
)

// Status is how an objective stands at a moment, in exact numbers.
type Status struct {
	Objective  Objective
	At         time.Time
	Start, End time.Time // of the window; End lies ahead in one of the calendar

	Events       Events // from Start to At
	State        State
	Completeness *big.Rat // share of the time to At that was recorded; nil at the window's very start

	Budget    Budgets  // against the events and the time to At
	Projected *Budgets // against the whole window, while it is not over

	Burns []Burn // over 5m, 1h, 6h and 3d
}

// Burn is the rate over the last stretch of time.
type Burn struct {
	Label  string
	Window time.Duration
	Events Events
	Rate   *big.Rat // nil without events

	// Exhaustion is the time until the budget is empty if the rate holds: from
	// what remains of the rolling window, or of the projected one of the calendar.
	// It is nil where the budget is never empty, and where there is no rate.
	Exhaustion *Span
}

var burnWindows = []struct {
	label  string
	length time.Duration
}{
	{"5m", 5 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}, {"3d", 3 * day},
}

// Evaluate tells how the objective stands, with one question to the source.
func Evaluate(ctx context.Context, src Source, o Objective, now time.Time) (Status, error) {
	now = now.UTC()
	start, end := o.Window.Bounds(now)
	moments := []time.Time{start, now}
	for _, b := range burnWindows {
		moments = append(moments, now.Add(-b.length))
	}
	l, err := counts(ctx, src, o, risingBounds(moments))
	if err != nil {
		return Status{}, fmt.Errorf("evaluate: %w", err)
	}
	slot := l.between(start, now)
	s := Status{
		Objective: o, At: now, Start: start, End: end,
		Events: slot.Events, State: o.Target.Judge(slot.Events),
		Completeness: completeness(slot.Covered, now.Sub(start)),
	}
	s.budget()
	for _, b := range burnWindows {
		s.burn(b.label, b.length, l.between(now.Add(-b.length), now).Events)
	}
	return s, nil
}

// completeness is the share of the length that was covered; nil where there is
// no length.
func completeness(covered, length time.Duration) *big.Rat {
	if length <= 0 {
		return nil
	}
	return SpanOf(length).share(SpanOf(covered))
}

func (s *Status) budget() {
	t, elapsed, whole := s.Objective.Target, s.At.Sub(s.Start), s.End.Sub(s.Start)
	if s.Objective.Window.Rolling() {
		s.Budget = BudgetsOf(t, s.Events, WholePeriod, whole)
		return
	}
	s.Budget = BudgetsOf(t, s.Events, ToDate, elapsed)
	if elapsed > 0 {
		projected := ProjectedBudgets(t, s.Events, elapsed, whole)
		s.Projected = &projected
	}
}

func (s *Status) burn(label string, window time.Duration, e Events) {
	b := Burn{Label: label, Window: window, Events: e, Rate: BurnRate(s.Objective.Target, e.ErrorRatio())}
	if b.Rate != nil {
		if in, ok := Exhaustion(s.remaining(), b.Rate, s.End.Sub(s.Start)); ok {
			b.Exhaustion = &in
		}
	}
	s.Burns = append(s.Burns, b)
}

// remaining is the share of the whole window's budget that is left. A window
// without events has all of it.
func (s *Status) remaining() *big.Rat {
	b := s.Budget
	if s.Projected != nil {
		b = *s.Projected
	}
	if left := b.Events.RemainingFraction(); left != nil {
		return left
	}
	return one
}

// SLI is the exact share of good events; nil without events.
func (s Status) SLI() *big.Rat { return s.Events.SLI() }

// Printed is the SLI as it is to be shown, in percent.
func (s Status) Printed() string { return Printed(s.SLI(), s.Objective.Target) }

// LastHour is the burn over an hour: short enough to follow a change, long
// enough not to jump with single events.
func (s Status) LastHour() Burn {
	for _, b := range s.Burns {
		if b.Window == time.Hour {
			return b
		}
	}
	return Burn{}
}
