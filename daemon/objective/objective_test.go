package objective

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/slo"
	"example.com/nexusctl/storage/block"
)

// points is a reader of a few series in memory. It counts what it was asked.
type points struct {
	list  []query.Series
	asked int
	fail  error
}

func (p *points) Points(_ context.Context, ms []series.Matcher, from, to int64) ([]query.Series, error) {
	p.asked++
	if p.fail != nil {
		return nil, p.fail
	}
	var out []query.Series
	for _, s := range p.list {
		if !series.MatchAll(ms, s.Key) {
			continue
		}
		found := query.Series{Key: s.Key}
		for _, pt := range s.Points {
			if pt.Time >= from && pt.Time <= to {
				found.Points = append(found.Points, pt)
			}
		}
		out = append(out, found)
	}
	return out, nil
}

func counter(name, status string, pts ...block.Point) query.Series {
	k := series.Key{Name: name, Type: protocol.Counter}
	if status != "" {
		k.Tags = []series.Tag{{Key: "status", Value: status}}
	}
	return query.Series{Key: k, Points: pts}
}

func inc(at int64, v float64) block.Point {
	return block.Point{Time: at, Kind: block.Counter, Sum: v, N: 1}
}

func compile(t testing.TB, d slo.Definition) slo.Objective {
	t.Helper()
	o, err := d.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func ratio(t testing.TB, r slo.Ratio) slo.Objective {
	return compile(t, slo.Definition{Name: "x", Target: "99", Window: "30d", Ratio: &r})
}

var epoch = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

const never = 1000 * time.Hour

func fixed(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func at(d time.Duration) int64 { return epoch.Add(d).UnixMilli() }

// TestCountsAgreeWithASum compares any bounds over any points with a plain sum,
// with and without remembered hours.
func TestCountsAgreeWithASum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var good, bad, up []block.Point
		for i := range 400 {
			bucket := at(time.Duration(i) * 10 * time.Minute)
			good = append(good, inc(bucket, float64(rapid.IntRange(0, 50).Draw(t, "good"))))
			bad = append(bad, inc(bucket, rapid.SampledFrom([]float64{0, 1, 2.5, 0.1}).Draw(t, "bad")))
			up = append(up, inc(bucket, 10))
		}
		r := &points{list: []query.Series{counter("q", "ok", good...), counter("q", "failed", bad...), counter(telemetry.UpSignal, "", up...)}}
		now := epoch.Add(200 * time.Hour)
		s := NewSource(r, func() time.Time { return now }, fixed(24*time.Hour))
		o, err := slo.Definition{Name: "x", Target: "99", Window: "30d", Ratio: &slo.Ratio{Bad: slo.Selectors{`q{status="failed"}`}, Total: slo.Selectors{"q"}}}.Compile()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			bounds := []time.Time{epoch.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "start")) * 7 * time.Minute)}
			for range rapid.IntRange(1, 6).Draw(t, "slots") {
				bounds = append(bounds, bounds[len(bounds)-1].Add(time.Duration(rapid.IntRange(1, 4000).Draw(t, "length"))*time.Minute))
			}
			slots, err := s.Counts(context.Background(), o, bounds)
			if err != nil || len(slots) != len(bounds)-1 {
				t.Fatalf("%d slots, %v", len(slots), err)
			}
			for i, slot := range slots {
				from, to := bounds[i].UnixMilli(), bounds[i+1].UnixMilli()
				total, wrong := between(from, to, good, bad), between(from, to, bad)
				if slot.Events.Total.Cmp(total) != 0 || slot.Events.Good.Cmp(new(big.Rat).Sub(total, wrong)) != 0 {
					t.Fatalf("slot %d: %s of %s, want %s bad of %s", i, slot.Events.Good, slot.Events.Total, wrong, total)
				}
			}
		}
	})
}

func between(from, to int64, lists ...[]block.Point) *big.Rat {
	sum := new(big.Rat)
	for _, list := range lists {
		for _, p := range list {
			if p.Time >= from && p.Time < to {
				sum.Add(sum, new(big.Rat).SetFloat64(p.Sum))
			}
		}
	}
	return sum
}

// TestSettledHoursAreRemembered asks twice: the second answer reads only what
// may still change, and new data there counts.
func TestSettledHoursAreRemembered(t *testing.T) {
	r := &points{list: []query.Series{counter("q", "ok", inc(at(time.Hour), 5), inc(at(29*time.Hour), 7))}}
	now := epoch.Add(30 * time.Hour)
	s := NewSource(r, func() time.Time { return now }, fixed(2*time.Hour))
	o := ratio(t, slo.Ratio{Good: slo.Selectors{`q{status="ok"}`}, Total: slo.Selectors{"q"}})
	bounds := []time.Time{epoch, now}
	total := func() string {
		t.Helper()
		slots, err := s.Counts(t.Context(), o, bounds)
		if err != nil {
			t.Fatal(err)
		}
		return slots[0].Events.Total.RatString()
	}
	if got := total(); got != "12" {
		t.Errorf("first: %s", got)
	}
	r.list[0].Points[0].Sum, r.list[0].Points[1].Sum, r.asked = 500, 8, 0
	if got := total(); got != "13" || r.asked != 3 {
		t.Errorf("second: %s after %d reads; the settled hour was read again", got, r.asked)
	}
	s.Forget()
	if got := total(); got != "508" {
		t.Errorf("after Forget: %s", got)
	}
}

// TestThreshold counts a distribution's observations within a limit; those in
// the limit's own bucket are bad, unless all of the point lies within.
func TestThreshold(t *testing.T) {
	h := histogram.New(5)
	for _, v := range []float64{1, 50, 99, 100.5, 300} {
		h.Add(v, 1)
	}
	all := histogram.New(5)
	all.Add(99.9, 2)
	dist := func(h *histogram.Histogram, bucket int64) block.Point {
		return block.Point{Time: bucket, Kind: block.Histogram, Count: h.Count, Sum: h.Sum(), Min: h.Min, Max: h.Max, Sketch: h.AppendBinary(nil)}
	}
	r := &points{list: []query.Series{{Key: series.Key{Name: "page.load", Type: protocol.Timer}, Points: []block.Point{dist(h, at(0)), dist(all, at(time.Hour))}}}}
	limit := 100.0
	o := compile(t, slo.Definition{Name: "x", Target: "95", Window: "30d", Threshold: &slo.Threshold{Metric: "page.load", Below: &limit}})
	s := NewSource(r, time.Now, fixed(never))
	slots, err := s.Counts(t.Context(), o, []time.Time{epoch, epoch.Add(time.Hour), epoch.Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	// 99 shares its bucket's upper bound with values above 100, or does not:
	// either way it may only err on the side of bad.
	if g, _ := slots[0].Events.Good.Float64(); g < 2 || g > 3 || slots[0].Events.Total.RatString() != "5" {
		t.Errorf("%s of %s", slots[0].Events.Good, slots[0].Events.Total)
	}
	if slots[1].Events.Good.RatString() != "2" {
		t.Errorf("all within: %s", slots[1].Events.Good)
	}
}

// TestCovered takes the daemon's own record for how long it was there.
func TestCovered(t *testing.T) {
	r := &points{list: []query.Series{counter(telemetry.UpSignal, "", inc(at(0), 10), inc(at(10*time.Second), 4), inc(at(time.Hour), 5000))}}
	s := NewSource(r, time.Now, fixed(never))
	slots, err := s.Counts(t.Context(), ratio(t, slo.Ratio{Good: slo.Selectors{"a"}, Total: slo.Selectors{"b"}}), []time.Time{epoch, epoch.Add(time.Hour), epoch.Add(2 * time.Hour)})
	if err != nil || slots[0].Covered != 14*time.Second || slots[1].Covered != time.Hour {
		t.Errorf("%v, %v, %v: what exceeds the time is cut", slots[0].Covered, slots[1].Covered, err)
	}
}

// TestReadsGrowWhereLittleIs asks for a year: a sparse one takes few reads.
func TestReadsGrowWhereLittleIs(t *testing.T) {
	r := &points{list: []query.Series{counter("q", "ok", inc(at(0), 1))}}
	s := NewSource(r, time.Now, fixed(never))
	if _, err := s.Counts(t.Context(), ratio(t, slo.Ratio{Good: slo.Selectors{"q"}, Total: slo.Selectors{"q"}}), []time.Time{epoch, epoch.AddDate(1, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if r.asked > 45 {
		t.Errorf("%d reads for a sparse year", r.asked)
	}
	if got := nextRead(firstRead, manyPoints+1); got != firstRead/2 {
		t.Errorf("after many points: %d", got)
	}
	if got := nextRead(hourMillis, manyPoints+1); got != hourMillis {
		t.Errorf("never less than an hour: %d", got)
	}
}

func TestExact(t *testing.T) {
	var e exact
	for _, v := range []float64{1 << 53, 1 << 53, 1, 0.5, -3, 1e300, -1e300} {
		e.add(v)
	}
	want, _ := new(big.Rat).SetString("36028797018963965/2") // 2·2^53 - 1.5
	if e.rat().Cmp(want) != 0 {
		t.Errorf("%s, want %s", e.rat(), want)
	}
}

// TestCompile puts the shipped objectives beside a user's, who may replace
// one, and names every fault.
func TestCompile(t *testing.T) {
	own := slo.Definition{Name: "nexus-latency", Target: "99", Window: "7d", Ratio: &slo.Ratio{Good: slo.Selectors{"a"}, Total: slo.Selectors{"b"}}}
	list, err := Compile([]slo.Definition{own})
	if err != nil || len(list) != 2 || list[0].Target.String() != "99" {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err = Compile(nil); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	own.Ratio.Total = slo.Selectors{"b{"}
	if _, err := Compile([]slo.Definition{own}); err == nil {
		t.Error("a selector that is none is taken")
	}
}

// TestKeeper evaluates, keeps the last status where the store is away, and
// follows a change of objectives.
func TestKeeper(t *testing.T) {
	r := &points{list: []query.Series{counter("q", "ok", inc(at(0), 99)), counter("q", "failed", inc(at(0), 1))}}
	now := func() time.Time { return epoch.Add(time.Minute) }
	o := ratio(t, slo.Ratio{Good: slo.Selectors{`q{status="ok"}`}, Total: slo.Selectors{"q"}})
	k := NewKeeper(NewSource(r, now, fixed(never)), []slo.Objective{o}, now, slog.New(slog.DiscardHandler))
	if len(k.Statuses()) != 0 {
		t.Error("a status before the first evaluation")
	}
	k.evaluate(t.Context())
	got := fmt.Sprintf("%+v", k.Statuses())
	if s := k.Statuses()[0]; s.SLI != "99.00" || s.State != "met" || s.BudgetRemaining != 0 || s.Burn[0].Rate != 1 {
		t.Error(got)
	}
	r.fail = errors.New("away")
	k.evaluate(t.Context())
	if again := fmt.Sprintf("%+v", k.Statuses()); again != got {
		t.Errorf("%s\nafter a failure, before\n%s", again, got)
	}
	r.fail = nil
	o.Name = "y"
	k.Replace([]slo.Objective{o})
	k.evaluate(t.Context())
	if s := k.Statuses(); len(s) != 1 || s[0].Name != "y" {
		t.Errorf("%+v", s)
	}
	if _, err := k.Status(t.Context(), "x"); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	var month *MonthError
	if _, err := k.Report(t.Context(), "y", "October"); !errors.As(err, &month) {
		t.Error(err)
	}
	if _, err := k.Report(t.Context(), "y", "2030-01"); !errors.Is(err, slo.ErrNotBegun) {
		t.Error(err)
	}
	if rep, err := k.Report(t.Context(), "y", ""); err != nil || rep.Period.Label != "2026-10" {
		t.Errorf("%+v, %v", rep.Period, err)
	}
}
