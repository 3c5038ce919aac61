package slo_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/slo"
)

// TestReportAgainstRecount builds a report over random events in a random zone,
// and counts every day of it again by the date that the zone's clocks show.
func TestReportAgainstRecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := slo.ParseZone(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		year, of := rapid.IntRange(2008, 2030).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month"))
		p := slo.Month(year, of, zone)
		src := &memory{events: anyEvents(p).Draw(t, "events")}
		aim := target(t, rapid.SampledFrom([]string{"50", "90", "99.9"}).Draw(t, "target"))
		o := objective(t, aim.String(), "30d", "")
		now := p.End.Add(-time.Duration(rapid.Int64Range(-2, int64(p.Length()/time.Minute)-1).Draw(t, "left")) * time.Minute)

		r, err := slo.Build(ctx, src, o, p, 2, now)
		if err != nil {
			t.Fatal(err)
		}
		if src.calls != 1 {
			t.Fatalf("the source was asked %d times", src.calls)
		}
		recount(t, r, src.events, p, aim)
		checkHistory(t, r, src.events, p)
		roundTrip(t, r)
	})
}

func anyEvents(p slo.Period) *rapid.Generator[[]event] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		from := p.Start.AddDate(0, -3, 0)
		seconds := rapid.Int64Range(0, int64(p.End.Add(48*time.Hour).Sub(from)/time.Second)).Draw(t, "at")
		at := from.Add(time.Duration(seconds) * time.Second)
		if rapid.IntRange(0, 3).Draw(t, "bound") == 0 {
			at = rapid.SampledFrom([]time.Time{p.Start, p.Start.Add(-1), p.End, p.End.Add(-1)}).Draw(t, "moment")
		}
		weight := big.NewRat(rapid.Int64Range(1, 1000).Draw(t, "n"), rapid.SampledFrom([]int64{1, 1, 1, 3, 10}).Draw(t, "rate"))
		return event{at, rapid.IntRange(0, 9).Draw(t, "good") > 0, weight}
	}), 0, 60)
}

type tally struct{ good, bad *big.Rat }

func newTally() tally { return tally{new(big.Rat), new(big.Rat)} }

func (a tally) add(e event) {
	if e.good {
		a.good.Add(a.good, e.weight)
	} else {
		a.bad.Add(a.bad, e.weight)
	}
}

// byDate adds up in the plainest way: by formatted date, event for event.
func byDate(events []event, start, end time.Time, zone *time.Location) (dates map[string]tally, all tally) {
	dates, all = map[string]tally{}, newTally()
	for _, e := range events {
		if e.at.Before(start) || !e.at.Before(end) {
			continue
		}
		date := e.at.In(zone).Format(time.DateOnly)
		if _, ok := dates[date]; !ok {
			dates[date] = newTally()
		}
		dates[date].add(e)
		all.add(e)
	}
	return dates, all
}

func recount(t *rapid.T, r slo.Report, events []event, p slo.Period, aim slo.Target) {
	dates, all := byDate(events, p.Start, r.Period.AsOf, p.Zone)
	total := new(big.Rat).Add(all.good, all.bad)
	budget := new(big.Rat).Mul(aim.ErrorRatio(), total)
	used, length := new(big.Rat), 0.0
	for _, d := range r.Days {
		want, ok := dates[d.Date]
		if !ok {
			want = newTally()
		}
		if d.Events.Good.Rat().Cmp(want.good) != 0 || d.Events.Bad.Rat().Cmp(want.bad) != 0 {
			t.Fatalf("%s: %v good and %v bad, want %v and %v", d.Date, d.Events.Good, d.Events.Bad, want.good, want.bad)
		}
		delete(dates, d.Date)
		used.Add(used, want.bad)
		length += d.Hours
		checkCumulative(t, d, used, budget)
	}
	if len(dates) > 0 {
		t.Fatalf("no day in the report for %v", dates)
	}
	if used.Cmp(all.bad) != 0 || r.Budget.Events.Consumed.Rat().Cmp(all.bad) != 0 || r.Budget.Events.Total.Rat().Cmp(budget) != 0 {
		t.Fatalf("the budget is %+v, want %v of %v", r.Budget.Events, all.bad, budget)
	}
	if want := r.Period.AsOf.Sub(p.Start).Hours(); length < want-1e-9 || length > want+1e-9 {
		t.Fatalf("the days have %v h, the period %v", length, want)
	}
	checkState(t, r, all.good, total, aim)
}

func checkCumulative(t *rapid.T, d slo.DayView, used, budget *big.Rat) {
	if budget.Sign() == 0 {
		if d.Cumulative != nil {
			t.Fatalf("%s: %v of no budget", d.Date, *d.Cumulative)
		}
		return
	}
	if want, _ := new(big.Rat).Quo(used, budget).Float64(); *d.Cumulative != want {
		t.Fatalf("%s: %v consumed, want %v", d.Date, *d.Cumulative, want)
	}
}

func checkState(t *rapid.T, r slo.Report, good, total *big.Rat, aim slo.Target) {
	want := slo.NoData
	if total.Sign() > 0 {
		want = slo.Breached
		if new(big.Rat).Quo(good, total).Cmp(aim.Ratio()) >= 0 {
			want = slo.Met
		}
	}
	if r.Compliance.State != want {
		t.Fatalf("%s, want %s", r.Compliance.State, want)
	}
}

func checkHistory(t *rapid.T, r slo.Report, events []event, p slo.Period) {
	if len(r.History) != 2 || !r.History[1].End.Equal(p.Start) || !r.History[0].End.Equal(r.History[1].Start) {
		t.Fatalf("the history is %+v", r.History)
	}
	for _, m := range r.History {
		sum := new(big.Rat)
		for _, e := range events {
			if e.at.In(p.Zone).Format("2006-01") == m.Label {
				sum.Add(sum, e.weight)
			}
		}
		if m.Events.Total.Rat().Cmp(sum) != 0 {
			t.Fatalf("%s: %v events, want %v", m.Label, m.Events.Total, sum)
		}
	}
}

func roundTrip(t interface{ Fatalf(string, ...any) }, r slo.Report) {
	first, err := json.Marshal(r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var decoded slo.Report
	if err := json.Unmarshal(first, &decoded); err != nil {
		t.Fatalf("%v\n%s", err, first)
	}
	second, err := json.Marshal(decoded)
	if err != nil || string(first) != string(second) {
		t.Fatalf("%v: %s\nbecame\n%s", err, first, second)
	}
}

// october is a month with a day of 25 hours, an outage of the service on the
// 12th, and one of the platform from the 20th to the 21st.
func october(t *testing.T) (*memory, slo.Objective, slo.Period) {
	berlin, err := slo.ParseZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	src := &memory{outages: []outage{{utc(t, "2026-10-20T21:30:00Z"), utc(t, "2026-10-20T22:15:00Z")}}}
	for at := utc(t, "2026-04-01T12:00:00Z"); at.Before(utc(t, "2026-11-02T00:00:00Z")); at = at.AddDate(0, 0, 1) {
		src.add(at, 10_000, 3)
	}
	src.add(utc(t, "2026-10-12T13:00:00Z"), 100, 100)
	return src, objective(t, "99.9", "30d", "Europe/Berlin"), slo.Month(2026, time.October, berlin)
}

func TestReport(t *testing.T) {
	src, o, p := october(t)
	r, err := slo.Build(ctx, src, o, p, 9, utc(t, "2026-12-01T00:00:00Z"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Days) != 31 || r.WorstDay != "2026-10-12" || !r.Period.Complete || r.Period.Hours != 745 || r.Projected != nil {
		t.Errorf("%d days, worst %s, %+v", len(r.Days), r.WorstDay, r.Period)
	}
	if i := slices.IndexFunc(r.Days, func(d slo.DayView) bool { return d.Hours != 24 }); r.Days[i].Date != "2026-10-25" || r.Days[i].Hours != 25 {
		t.Errorf("the day of the change is %+v", r.Days[i])
	}
	gaps := []slo.DataGap{{Date: "2026-10-20", Fraction: 1 - 1800.0/86400, MissingSeconds: 1800}, {Date: "2026-10-21", Fraction: 1 - 900.0/86400, MissingSeconds: 900}}
	if !reflect.DeepEqual(r.Completeness.Days, gaps) || r.Completeness.MissingSeconds != 2700 {
		t.Errorf("missing: %+v", r.Completeness)
	}
	if e := r.Compliance.Events; e.Bad.String() != "193" || e.Total.String() != "310100" || r.Budget.Events.Total.String() != "310.1" {
		t.Errorf("%+v of %+v", e, r.Budget.Events)
	}
	if len(r.History) != slo.MaxHistory || r.History[0].Label != "2026-04" || r.History[5].Label != "2026-09" {
		t.Errorf("the history is %+v", r.History)
	}
	roundTrip(t, r)
}

// TestReportRepeats: made again, in another order of the same events and later,
// the report of a month that is over has the same bytes.
func TestReportRepeats(t *testing.T) {
	src, o, p := october(t)
	var first []byte
	for i := range 3 {
		r, err := slo.Build(ctx, src, o, p, 6, p.End.AddDate(0, i, i))
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if string(data) != string(first) {
			t.Errorf("%s\nbecame\n%s", first, data)
		}
		slices.Reverse(src.events)
	}
}

func TestReportOfRunningMonth(t *testing.T) {
	src, o, p := october(t)
	now := utc(t, "2026-10-13T10:00:00Z")
	r, err := slo.Build(ctx, src, o, p, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	last := r.Days[len(r.Days)-1]
	if r.Period.Complete || !r.Period.AsOf.Equal(now) || last.Date != "2026-10-13" || last.Hours != 12 {
		t.Errorf("%+v, last day %+v", r.Period, last)
	}
	if r.Budget.Basis != slo.ToDate || r.Projected == nil || r.Projected.Basis != slo.Projected || len(r.History) != 0 {
		t.Errorf("judged by %s", r.Budget.Basis)
	}
	if *last.Cumulative != *r.Budget.ConsumedFraction {
		t.Errorf("the days end at %v, the budget at %v", *last.Cumulative, *r.Budget.ConsumedFraction)
	}
	roundTrip(t, r)
	for _, early := range []time.Time{p.Start, p.Start.Add(-time.Hour)} {
		if _, err := slo.Build(ctx, src, o, p, 6, early); !errors.Is(err, slo.ErrNotBegun) {
			t.Errorf("at %v: %v", early, err)
		}
	}
}

func TestReportOfAnomaly(t *testing.T) {
	p := slo.Month(2026, time.June, time.UTC)
	src := &memory{events: []event{{p.Start, true, big.NewRat(10, 1)}, {p.Start, false, big.NewRat(-4, 1)}}}
	r, err := slo.Build(ctx, src, objective(t, "99.9", "30d", ""), p, 0, p.End)
	if err != nil {
		t.Fatal(err)
	}
	e := r.Days[0].Events
	if e.DataQuality != slo.GoodExceedsTotal || e.Excess.String() != "4" || r.Compliance.SLIPrinted != "100.00" {
		t.Errorf("10 good of 6: %+v", r.Compliance)
	}
	roundTrip(t, r)
}

func TestPeriods(t *testing.T) {
	for _, s := range []string{"", "2026", "2026-13", "2026-1", "1969-12", "2026-10-01", "October"} {
		if p, err := slo.ParseMonth(s, time.UTC); err == nil {
			t.Errorf("%q was read as %v", s, p.Label)
		}
	}
	start := utc(t, "2026-10-25T20:00:00Z")
	p, err := slo.Between(start, start.Add(10*time.Hour), time.UTC)
	if err != nil || p.Label != "2026-10-25 to 2026-10-26" || p.Before(6) != nil {
		t.Errorf("%+v, %v", p, err)
	}
	r, err := slo.Build(ctx, &memory{}, objective(t, "99", "7d", ""), p, 6, p.End)
	if err != nil || len(r.Days) != 2 || r.Days[0].Hours != 4 || len(r.History) != 0 || r.Compliance.State != slo.NoData {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := slo.Between(start, start, time.UTC); err == nil {
		t.Error("an empty period was taken")
	}
	if _, err := slo.Between(start, start.AddDate(2, 0, 0), time.UTC); err == nil {
		t.Error("two years were taken")
	}
}

func TestAmountJSON(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "12": "12", "-12": "-12", "9007199254740992": "9007199254740992",
		"9007199254740993": `"9007199254740993"`, "-9223372036854775808": `"-9223372036854775808"`,
		"0.5": `"0.5"`, "43.2": `"43.2"`, "10/3": `"10/3"`, "1/1267650600228229401496703205376": `"1/1267650600228229401496703205376"`,
	} {
		r, _ := new(big.Rat).SetString(text)
		data, err := json.Marshal(slo.AmountOf(r))
		var back slo.Amount
		if err != nil || string(data) != want || json.Unmarshal(data, &back) != nil || back.Rat().Cmp(r) != 0 {
			t.Errorf("%s: %s, back %v, %v", text, data, back, err)
		}
	}
	for _, text := range []string{`"1e999999999"`, `1e9`, `""`, `"x"`, `null`, `"1/0"`, `{}`, `"0x10"`} {
		var a slo.Amount
		if err := json.Unmarshal([]byte(text), &a); err == nil {
			t.Errorf("%s was read as %v", text, a)
		}
	}
}
