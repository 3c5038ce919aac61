package block

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestFold merges random points pair by pair, the slow way, and compares.
func TestFold(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]Kind{Counter, Gauge}).Draw(rt, "kind")
		var points []Point
		at := int64(rapid.IntRange(-100, 100).Draw(rt, "begin")) * 10_000
		for range rapid.IntRange(0, 60).Draw(rt, "points") {
			at += int64(rapid.IntRange(1, 9).Draw(rt, "gap")) * 10_000
			v := float64(rapid.IntRange(-1000, 1000).Draw(rt, "cents")) / 4
			p := Point{Kind: kind, Time: at, N: 1, Sum: v}
			if kind == Gauge {
				p.Last, p.LastAt, p.Min, p.Max = v, at+1, v, v
			} else {
				p.Neg = min(v, 0)
			}
			points = append(points, p)
		}
		var want []Point
		for _, p := range points {
			p.Time = Floor(p.Time, 60_000)
			if n := len(want); n > 0 && want[n-1].Time == p.Time {
				want[n-1] = MergeWriters(want[n-1], p)
				continue
			}
			want = append(want, p)
		}
		got := Fold(points, 60_000)
		if len(got) != len(want) {
			rt.Fatalf("%d buckets, want %d", len(got), len(want))
		}
		for i := range want {
			a, b := got[i], want[i]
			a.Sketch, b.Sketch = nil, nil
			if a.Time != b.Time || a.N != b.N || a.Sum != b.Sum || a.Neg != b.Neg || a.Min != b.Min || a.Max != b.Max || a.Last != b.Last || a.LastAt != b.LastAt {
				rt.Fatalf("%+v, want %+v", a, b)
			}
		}
	})
}

// TestFoldKeepsDecimals: sums of short decimals are short decimals, and sums of
// others are what adding floats gives.
func TestFoldKeepsDecimals(t *testing.T) {
	sumOf := func(values ...float64) float64 {
		var points []Point
		for i, v := range values {
			points = append(points, Point{Kind: Counter, Time: int64(i), Sum: v})
		}
		return Fold(points, 60_000)[0].Sum
	}
	ten := make([]float64, 10)
	for i := range ten {
		ten[i] = 0.1
	}
	for what, c := range map[string]struct{ got, want float64 }{
		"tenths":            {sumOf(ten...), 1},
		"mixed":             {sumOf(0.1, 0.25, 3, -0.001), 3.349},
		"seventeen digits":  {sumOf(math.Pi, 0.1), math.Pi + 0.1},
		"large":             {sumOf(1<<52, 1<<52, 1), 1<<53 + 1},
		"large and decimal": {sumOf(1<<50, 0.25), 1<<50 + 0.25},
		"infinite":          {sumOf(math.Inf(1), 1), math.Inf(1)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	raw := Fold([]Point{{Kind: Raw, Time: 1, Last: 1}, {Kind: Raw, Time: 7, Last: 2}, {Kind: Raw, Time: 70_000, Last: 3}}, 60_000)
	if len(raw) != 2 || raw[0].Time != 7 || raw[0].Last != 2 || raw[1].Time != 70_000 {
		t.Errorf("raw samples: %+v", raw)
	}
}
