package storage

import (
	"slices"
	"testing"
)

// TestPlan is the table of which tier serves which stretch of time.
func TestPlan(t *testing.T) {
	const day = dayMillis
	kept := floors{"chunk_10s": 100 * day, "chunk_1m": 20 * day, "rollup_1h": 5 * day}
	for _, c := range []struct {
		what           string
		from, to, step int64
		floors         floors
		want           []Span
	}{
		{"all is there", 3 * day, 4 * day, 0, floors{}, []Span{{3 * day, 4 * day, 0}}},
		{"before time began", -day, 0, 0, floors{}, []Span{{-day, 0, 0}}},
		{"over the borders", 10 * day, 101 * day, 0, kept, []Span{{10 * day, 20*day - 1, hourMillis}, {20 * day, 100*day - 1, minuteMillis}, {100 * day, 101 * day, 0}}},
		{"by the minute", 10 * day, 101*day - 1, minuteMillis, kept, []Span{{10 * day, 20*day - 1, hourMillis}, {20 * day, 101*day - 1, minuteMillis}}},
		{"by the hour", 10 * day, 101*day - 1, 2 * hourMillis, kept, []Span{{10 * day, 101*day - 1, hourMillis}}},
		{"a step that is no minutes", 99 * day, 101*day - 1, 90_000, kept, []Span{{99 * day, 100*day - 1, minuteMillis}, {100 * day, 101*day - 1, 0}}},
		{"a step of minutes that is no hours", 100 * day, 101*day - 1, 90 * minuteMillis, kept, []Span{{100 * day, 101*day - 1, minuteMillis}}},
		{"to the middle of an hour", 101 * day, 102*day + hourMillis + 30*minuteMillis + 5000, hourMillis, kept, []Span{
			{101 * day, 102*day + hourMillis - 1, hourMillis},
			{102*day + hourMillis, 102*day + hourMillis + 30*minuteMillis - 1, minuteMillis},
			{102*day + hourMillis + 30*minuteMillis, 102*day + hourMillis + 30*minuteMillis + 5000, 0},
		}},
		{"within an hour", 101 * day, 101*day + minuteMillis - 1, hourMillis, kept, []Span{{101 * day, 101*day + minuteMillis - 1, minuteMillis}}},
		{"to the middle of an hour that is only there as one", 10 * day, 10*day + 90*minuteMillis, hourMillis, kept, []Span{{10 * day, 10*day + 90*minuteMillis, hourMillis}}},
		{"nothing", day, day - 1, 0, kept, nil},
	} {
		if got := plan(c.from, c.to, c.step, tierPoints, c.floors); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	spans := plan(10*day, 101*day, 0, tierPoints, kept)
	for at, want := range map[int64]int64{10 * day: hourMillis, 20 * day: minuteMillis, 100 * day: 0, 200 * day: 0} {
		if got := Width(spans, at); got != want {
			t.Errorf("the width at day %d is %d, want %d", at/day, got, want)
		}
	}
}
