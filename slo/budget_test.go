package slo_test

import (
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/slo"
)

const month = 30 * 24 * time.Hour

// TestFacts holds the guide's numbers about 99.9 % over 30 days.
func TestFacts(t *testing.T) {
	aim := target(t, "99.9")
	if m := slo.TimeBudget(aim, month).Minutes(); m.Cmp(big.NewRat(432, 10)) != 0 {
		t.Errorf("the budget is %v minutes", m)
	}
	for _, c := range []struct {
		burn         int64
		availability *big.Rat // percent
		hours        *big.Rat
	}{
		{36, big.NewRat(964, 10), big.NewRat(20, 1)},
		{3, big.NewRat(997, 10), big.NewRat(240, 1)},
		{100, big.NewRat(90, 1), big.NewRat(72, 10)},
		{10, big.NewRat(99, 1), big.NewRat(72, 1)},
		{1, big.NewRat(999, 10), big.NewRat(720, 1)},
	} {
		burn := big.NewRat(c.burn, 1)
		check := slo.CheckBurn(aim, month, slo.BurnClaim{
			Burn: burn, Availability: slo.FromPercent(c.availability), Exhaustion: slo.Hours(c.hours), Window: time.Hour,
		})
		if !check.Holds {
			t.Errorf("%d: availability %v, exhausted in %v h", c.burn, check.Availability, check.Exhaustion.Hours())
		}
	}
}

func TestExhaustionEnds(t *testing.T) {
	burn := big.NewRat(3, 1)
	if left, ok := slo.Exhaustion(new(big.Rat), burn, month); !ok || left.Seconds().Sign() != 0 {
		t.Errorf("nothing remains: %v, %v", left.Seconds(), ok)
	}
	if left, ok := slo.Exhaustion(big.NewRat(-1, 2), new(big.Rat), month); !ok || left.Seconds().Sign() != 0 {
		t.Errorf("overdrawn: %v, %v", left.Seconds(), ok)
	}
	if _, ok := slo.Exhaustion(big.NewRat(1, 2), new(big.Rat), month); ok {
		t.Error("nothing burns, and yet it ends")
	}
}

// TestStrict: a rule at exactly the rate of a total outage cannot fire, and an
// incident of exactly a fifth asks for nothing.
func TestStrict(t *testing.T) {
	if aim := target(t, "90"); slo.Reachable(big.NewRat(10, 1), aim) || !slo.Reachable(big.NewRat(9999, 1000), aim) {
		t.Error("reachability is not strict")
	}
	if slo.PostmortemRequired(big.NewRat(1, 5)) || !slo.PostmortemRequired(big.NewRat(20000001, 100000000)) {
		t.Error("the postmortem's threshold is not strict")
	}
}

func TestEventClamps(t *testing.T) {
	for _, c := range []struct {
		e                 slo.Events
		bad, excess, kept int64
		quality           slo.Quality
	}{
		{slo.Count(9, 10), 1, 0, 9, ""},
		{slo.Count(12, 10), 0, 2, 10, slo.GoodExceedsTotal},
		{slo.Count(-3, 10), 10, 0, 0, ""},
		{slo.Count(2, -5), 0, 2, 0, slo.GoodExceedsTotal},
		{slo.Events{}, 0, 0, 0, ""},
	} {
		e := c.e
		for name, pair := range map[string][2]*big.Rat{
			"bad": {e.Bad(), big.NewRat(c.bad, 1)}, "excess": {e.Excess(), big.NewRat(c.excess, 1)}, "kept": {e.Kept(), big.NewRat(c.kept, 1)},
		} {
			if pair[0].Cmp(pair[1]) != 0 {
				t.Errorf("%v: %s is %v, want %v", e, name, pair[0], pair[1])
			}
		}
		if e.Quality() != c.quality {
			t.Errorf("%v: quality %q", e, e.Quality())
		}
	}
	if sum := slo.Count(12, 10).Add(slo.Count(8, 10)); sum.Quality() != "" || sum.Bad().Sign() != 0 {
		t.Error("an event counted one slot late is still an anomaly in the sum")
	}
}

// TestBudgetAgrees: a window is met exactly while no more than its budget is
// consumed, and events and minutes tell the same share.
func TestBudgetAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		aim := target(t, rapid.StringMatching(`9[0-9]\.[0-9]{1,3}`).Draw(t, "target"))
		total := rapid.Int64Range(1, 1e9).Draw(t, "total")
		e := slo.Count(rapid.Int64Range(0, total).Draw(t, "good"), total)
		elapsed := time.Duration(rapid.Int64Range(1, int64(month)).Draw(t, "elapsed"))
		for _, b := range []slo.Budgets{
			slo.BudgetsOf(aim, e, slo.ToDate, elapsed), slo.ProjectedBudgets(aim, e, elapsed, month),
		} {
			if b.Events.ConsumedFraction().Cmp(b.Time.ConsumedFraction()) != 0 {
				t.Fatalf("%s: %v of events, %v of time", b.Basis, b.Events.ConsumedFraction(), b.Time.ConsumedFraction())
			}
		}
		consumed := slo.BudgetsOf(aim, e, slo.ToDate, elapsed).Events.ConsumedFraction()
		if (aim.Judge(e) == slo.Met) != (consumed.Cmp(big.NewRat(1, 1)) <= 0) {
			t.Fatalf("%s with %v of the budget consumed", aim.Judge(e), consumed)
		}
		if burn := slo.BurnRate(aim, e.ErrorRatio()); burn.Cmp(aim.MaxBurn()) > 0 {
			t.Fatalf("a burn rate of %v, where a total outage is %v", burn, aim.MaxBurn())
		}
	})
}
