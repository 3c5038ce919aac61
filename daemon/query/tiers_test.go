package query

import (
	"context"
	"math"
	"testing"
	"time"

	promstorage "github.com/prometheus/prometheus/storage"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// ranged evaluates expr over a range, as values by time.
func (r *rig) ranged(expr string, from, to, step int64) map[int64]float64 {
	r.t.Helper()
	res, done, err := r.engine.Range(context.Background(), expr, time.UnixMilli(from), time.UnixMilli(to), time.Duration(step)*time.Millisecond)
	if err != nil {
		r.t.Fatalf("%s: %v", expr, err)
	}
	defer done()
	m, err := res.Matrix()
	if err != nil || len(m) > 1 {
		r.t.Fatalf("%s: %v, %v", expr, m, err)
	}
	out := map[int64]float64{}
	for _, s := range m {
		for _, p := range s.Floats {
			out[p.T] = p.F
		}
	}
	return out
}

// TestTiersAgree asks for five days by the minute and by the hour, which wider
// points answer, and for each of these moments alone, which the finest do: the
// values are the same. Then time takes the finest, and they still are.
func TestTiersAgree(t *testing.T) {
	r := newRig(t, Options{})
	const hour = int64(3_600_000)
	begin := at/dayMillis*dayMillis + 2*hour
	r.now = begin + 5*dayMillis
	c, g, h := r.series(true, "c", protocol.Counter), r.series(true, "g", protocol.Gauge), r.series(true, "h", protocol.Timer)
	var points []block.Point
	for i := int64(0); begin+i*50_000 < r.now-4*hour; i++ {
		when := begin + i*50_000/10_000*10_000
		if i/700%3 == 1 {
			continue // hours of silence
		}
		v := float64(i*7%41) - 3
		sketch := histogram.New(5)
		sketch.Add(v+4, 1)
		points = append(points, of(c, block.Point{Kind: block.Counter, Time: when, N: 1, Sum: v, Neg: min(v, 0)})...)
		points = append(points, of(g, block.Point{Kind: block.Gauge, Time: when, N: 1, Last: v, LastAt: when + i%10_000, Min: v, Max: v, Sum: v})...)
		points = append(points, of(h, block.Point{Kind: block.Histogram, Time: when, N: 1, Count: 1, Sum: v + 4, Min: v + 4, Max: v + 4, Sketch: sketch.AppendBinary(nil)})...)
	}
	r.other("w", points...)
	r.now += hour
	r.compact()
	if _, err := r.store.RollDays(t.Context(), r.now/dayMillis); err != nil {
		t.Fatal(err)
	}
	from, to := begin/hour*hour+hour, r.now/hour*hour
	exact := map[string]map[int64]float64{}
	for _, expr := range []string{"c_total", "c_decrements_total", "g"} {
		exact[expr] = map[int64]float64{}
		for when := from; when <= to; when += hour {
			if v, ok := r.scalarAt(expr, when); ok {
				exact[expr][when] = v
			}
		}
		if len(exact[expr]) < 20 {
			t.Fatalf("%s has %d values", expr, len(exact[expr]))
		}
	}
	compare := func(what string, tolerance float64) {
		t.Helper()
		for expr, want := range exact {
			for _, step := range []int64{hour, hour / 60} {
				got := r.ranged(expr, from, to, step)
				for when, v := range want {
					if g, ok := got[when]; !ok || g != v {
						t.Errorf("%s: %s at %d by %d: %v, %v, want %v", what, expr, when, step, g, ok, v)
					}
				}
			}
		}
		day := r.ranged("increase(c_total[1d])", from+dayMillis, to, hour)
		for when := range day {
			now, ok := exact["c_total"][when]
			if before, had := exact["c_total"][when-dayMillis]; ok && had && math.Abs(day[when]-(now-before)) > tolerance*(now-before) {
				t.Errorf("%s: the increase of a day at %d is %v, the total went up by %v", what, when, day[when], now-before)
			}
		}
		for _, v := range r.ranged("histogram_count(sum_over_time(h[3h]))", from+dayMillis, to, hour) {
			if v != math.Trunc(v) || v > 216 {
				t.Errorf("%s: %v samples in three hours", what, v)
			}
		}
	}
	compare("all is there", 0.005)
	kept := storage.Retention{Points: 24 * time.Hour, Sketches: 24 * time.Hour, Minutes: 3 * 24 * time.Hour, Hours: 100 * 24 * time.Hour, SQL: time.Hour}
	for range 2 {
		if _, err := r.store.Retain(t.Context(), time.UnixMilli(r.now), kept); err != nil {
			t.Fatal(err)
		}
	}
	for _, expr := range []string{"c_total", "g"} {
		for when, v := range exact[expr] {
			if got, ok := r.scalarAt(expr, when); !ok || got != v {
				t.Errorf("%s alone at %d after time took the finest: %v, %v, want %v", expr, when, got, ok, v)
			}
		}
	}
	compare("the finest are gone", 0.08) // by the hour, of which sixteen in a day have something
}

func TestWidth(t *testing.T) {
	const minute, hour = int64(60_000), int64(3_600_000)
	for _, c := range []struct {
		what string
		h    *promstorage.SelectHints
		want int64
	}{
		{"no hints", nil, 0},
		{"one moment", &promstorage.SelectHints{Start: 1, End: hour}, 0},
		{"by the hour, on the hour", &promstorage.SelectHints{Start: 100*hour - lookback + 1, Step: hour}, hour},
		{"by the hour, past the hour", &promstorage.SelectHints{Start: 100*hour + minute - lookback + 1, Step: hour}, minute},
		{"by the hour, at an odd second", &promstorage.SelectHints{Start: 100*hour + 1000 - lookback + 1, Step: hour}, 0},
		{"by five minutes", &promstorage.SelectHints{Start: 100*hour - lookback + 1, Step: 5 * minute}, minute},
		{"by 90 seconds", &promstorage.SelectHints{Start: 100*hour - lookback + 1, Step: 90_000}, 0},
		{"a rate over an hour, by the hour", &promstorage.SelectHints{Start: 99*hour + 1, Step: hour, Range: hour, Func: "rate"}, 0},
		{"an increase over a day, by the hour", &promstorage.SelectHints{Start: 76*hour + 1, Step: hour, Range: 24 * hour, Func: "increase"}, minute},
		{"an increase over a month, by the hour", &promstorage.SelectHints{Start: 1000*hour + 1, Step: hour, Range: 720 * hour, Func: "increase"}, hour},
		{"a rate over five minutes", &promstorage.SelectHints{Start: 100*hour - 5*minute + 1, Step: hour, Range: 5 * minute, Func: "rate"}, 0},
		{"the highest of a day", &promstorage.SelectHints{Start: 76*hour + 1, Step: hour, Range: 24 * hour, Func: "max_over_time"}, 0},
	} {
		if got := width(c.h); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}
