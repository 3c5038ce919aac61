package slo_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"example.com/nexusctl/slo"
)

var ctx = context.Background()

func evaluate(t *testing.T, src slo.Source, o slo.Objective, now time.Time) slo.Status {
	t.Helper()
	s, err := slo.Evaluate(ctx, src, o, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func same(t *testing.T, what string, got, want *big.Rat) {
	t.Helper()
	if got == nil || got.Cmp(want) != 0 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestEvaluateRolling(t *testing.T) {
	now := utc(t, "2026-10-15T12:00:00Z")
	src := &memory{outages: []outage{{now.Add(-3 * time.Hour), now.Add(-time.Hour)}}}
	src.add(now.Add(-31*24*time.Hour), 1e6, 1e6) // before the window
	src.add(now.Add(-10*24*time.Hour), 900_000, 100)
	src.add(now.Add(-30*time.Minute), 100_000, 200)
	src.add(now.Add(-time.Minute), 1000, 0)
	src.add(now, 5, 5) // after it
	s := evaluate(t, src, objective(t, "99.9", "30d", ""), now)

	if s.State != slo.Met || s.Printed() != "99.97" || src.calls != 1 {
		t.Errorf("%s, %s after %d calls", s.State, s.Printed(), src.calls)
	}
	same(t, "bad", s.Events.Bad(), big.NewRat(300, 1))
	same(t, "the budget", s.Budget.Events.Total, big.NewRat(1001, 1))
	same(t, "what remains", s.Budget.Events.RemainingFraction(), big.NewRat(701, 1001))
	same(t, "the budget's seconds", s.Budget.Time.Total, big.NewRat(2592, 1))
	same(t, "completeness", s.Completeness, big.NewRat(718, 720))
	if s.Budget.Basis != slo.WholePeriod || s.Projected != nil {
		t.Errorf("a rolling window is judged %s", s.Budget.Basis)
	}
	for i, want := range []struct {
		label string
		total int64
		rate  *big.Rat
	}{
		{"5m", 1000, new(big.Rat)}, {"1h", 101_000, big.NewRat(200_000, 101_000)},
		{"6h", 101_000, big.NewRat(200_000, 101_000)}, {"3d", 101_000, big.NewRat(200_000, 101_000)},
	} {
		b := s.Burns[i]
		if b.Label != want.label {
			t.Errorf("burn %d is over %s", i, b.Label)
		}
		same(t, b.Label+" events", b.Events.Total, big.NewRat(want.total, 1))
		same(t, b.Label+" burn", b.Rate, want.rate)
	}
	if s.Burns[0].Exhaustion != nil {
		t.Error("nothing burns, and yet the budget ends")
	}
	left, _ := slo.Exhaustion(big.NewRat(701, 1001), big.NewRat(200, 101), 30*24*time.Hour)
	same(t, "exhaustion", s.LastHour().Exhaustion.Seconds(), left.Seconds())
}

func TestEvaluateCalendar(t *testing.T) {
	start := utc(t, "2026-09-30T22:00:00Z") // October in Berlin
	now := start.Add(7 * 24 * time.Hour)
	src := &memory{}
	src.add(start.Add(-time.Second), 100, 100)
	src.add(start, 500_000, 200)
	s := evaluate(t, src, objective(t, "99.9", "month", "Europe/Berlin"), now)

	if !s.Start.Equal(start) || !s.End.Equal(utc(t, "2026-10-31T23:00:00Z")) {
		t.Errorf("the window is %v to %v", s.Start, s.End)
	}
	same(t, "to date", s.Budget.Events.RemainingFraction(), big.NewRat(6, 10))
	same(t, "the projected budget", s.Projected.Events.Total, big.NewRat(500*745, 7*24))
	if s.Budget.Basis != slo.ToDate || s.Projected.Basis != slo.Projected {
		t.Errorf("labelled %s and %s", s.Budget.Basis, s.Projected.Basis)
	}
	same(t, "the projected seconds", s.Projected.Time.Total, big.NewRat(2682, 1))
}

// TestEvaluateEdges: the first moment of a window, and one without events.
func TestEvaluateEdges(t *testing.T) {
	start := utc(t, "2026-10-01T00:00:00Z")
	src := &memory{}
	src.add(start.Add(-time.Minute), 10, 10)
	s := evaluate(t, src, objective(t, "99.9", "month", ""), start)
	if s.State != slo.NoData || s.SLI() != nil || s.Printed() != "" || s.Projected != nil || s.Completeness != nil {
		t.Errorf("at its first moment a window is %+v", s)
	}
	same(t, "the last 5 minutes", s.Burns[0].Rate, big.NewRat(1000, 1))

	s = evaluate(t, &memory{}, objective(t, "99.9", "5h", ""), start)
	if s.State != slo.NoData || s.LastHour().Rate != nil || s.LastHour().Exhaustion != nil {
		t.Errorf("without events: %+v", s)
	}
	if _, err := json.Marshal(s.Summary()); err != nil {
		t.Error(err)
	}
}

func TestEvaluateBreached(t *testing.T) {
	now := utc(t, "2026-10-15T12:00:00Z")
	src := &memory{}
	src.add(now.Add(-time.Minute), 1000, 2)
	s := evaluate(t, src, objective(t, "99.9", "30d", ""), now)
	if s.State != slo.Breached {
		t.Errorf("2 of 1000 bad: %s", s.State)
	}
	same(t, "exhaustion", s.LastHour().Exhaustion.Seconds(), new(big.Rat))
}

func TestSourceFails(t *testing.T) {
	broken, now := errors.New("the store is away"), utc(t, "2026-10-15T12:00:00Z")
	src := &memory{fail: broken}
	o := objective(t, "99.9", "30d", "")
	if _, err := slo.Evaluate(ctx, src, o, now); !errors.Is(err, broken) {
		t.Errorf("evaluate: %v", err)
	}
	if _, err := slo.Build(ctx, src, o, slo.Month(2026, time.September, time.UTC), 6, now); !errors.Is(err, broken) {
		t.Errorf("build: %v", err)
	}
	if _, err := slo.Evaluate(ctx, short{}, o, now); err == nil {
		t.Error("too few slots were taken")
	}
}

// short breaks the contract.
type short struct{}

func (short) Counts(context.Context, slo.Objective, []time.Time) ([]slo.Slot, error) {
	return make([]slo.Slot, 1), nil
}

func TestSummary(t *testing.T) {
	now := utc(t, "2026-10-15T12:00:00Z")
	src := &memory{}
	src.add(now.Add(-time.Minute), 1000, 1)
	first, err := json.Marshal(evaluate(t, src, objective(t, "99.9", "month", ""), now).Summary())
	if err != nil {
		t.Fatal(err)
	}
	var decoded slo.Summary
	if err := json.Unmarshal(first, &decoded); err != nil {
		t.Fatal(err)
	}
	if second, _ := json.Marshal(decoded); string(first) != string(second) {
		t.Errorf("%s\nbecame\n%s", first, second)
	}
}
