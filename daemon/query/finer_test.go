package query

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	promstorage "github.com/prometheus/prometheus/storage"
	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// told is a live window that is told second by second what lanes would say: a
// window over them.
type told struct {
	window  *live.Window
	now     int64
	list    map[*admit.Series]lane.Running
	unknown bool
}

func (r *rig) live() *told {
	w := &told{now: at, list: map[*admit.Series]lane.Running{}}
	w.window = live.New(live.Options{
		Lanes: w, Own: func() []*admit.Series { return nil }, Resolution: 10_000, Bytes: 1 << 20, Now: func() time.Time { return time.UnixMilli(w.now) },
	})
	r.reader.opts.Live = w.window
	return w
}

func (w *told) Progress(_ context.Context, list []*admit.Series, _ int64) (lane.Progress, error) {
	p := lane.Progress{Settled: true}
	for _, s := range list {
		r := w.list[s]
		r.Known = !w.unknown
		p.List = append(p.List, r)
		r.Hist = nil // told once
		w.list[s] = r
	}
	return p, nil
}

// pass makes the pass of the n-th second.
func (w *told) pass(n float64) {
	w.now = sec(n)
	w.window.Pass(context.Background(), w.now)
}

func (w *told) counter(s *admit.Series, up, neg float64) {
	w.list[s] = lane.Running{Any: true, Value: up, Neg: neg}
}

// TestFinely says which questions are answered by the second.
func TestFinely(t *testing.T) {
	for name, c := range map[string]struct {
		hints             *promstorage.SelectHints
		scalars, sketches bool
	}{
		"no hints":                     {nil, false, false},
		"a step below the resolution":  {&promstorage.SelectHints{Step: 1000}, true, true},
		"with a window":                {&promstorage.SelectHints{Step: 9999, Range: 3_600_000}, true, true},
		"the resolution itself":        {&promstorage.SelectHints{Step: 10_000}, false, false},
		"a moment":                     {&promstorage.SelectHints{}, true, false},
		"a moment over a short window": {&promstorage.SelectHints{Range: 120_000}, true, true},
		"a moment over a long window":  {&promstorage.SelectHints{Range: 120_001}, false, false},
	} {
		if scalars, sketches := finely(c.hints, 10_000); scalars != c.scalars || sketches != c.sketches {
			t.Errorf("%s: %v, %v", name, scalars, sketches)
		}
	}
}

// TestBetween draws counters and gauges by the second, from seconds that are known
// in part.
func TestBetween(t *testing.T) {
	r := newRig(t, Options{})
	w := r.live()
	c, g := r.series(false, "c", protocol.Counter), r.series(false, "g", protocol.Gauge)
	w.window.Watch([]*admit.Series{c, g})
	w.pass(1)
	w.counter(c, 2, 0)
	w.pass(2)
	w.counter(c, 5, -1)
	w.list[g] = lane.Running{Any: true, Value: 7}
	w.pass(3)
	w.unknown = true
	w.pass(4)
	w.unknown = false
	w.counter(c, 9, -1) // more than the bucket's point will say: it must not look like a reset
	w.pass(9)
	clear(w.list)
	w.pass(11)
	w.pass(13)
	rows := func(s *admit.Series) []live.Row { return w.window.Rows(s, 0, 1<<60) }
	counter := Series{Key: series.Key{Name: "c", Type: protocol.Counter}, Base: storage.Base{Sum: 100}, Points: []block.Point{counted(0, 7, -1)}, live: rows(c)}
	gauge := Series{Key: series.Key{Name: "g", Type: protocol.Gauge}, Points: []block.Point{measured(-10, 1), measured(0, 8)}, live: rows(g)}
	line := timeline{step: 10_000, idle: 30_000, now: sec(13), asked: sec(13)}
	for name, c := range map[string]struct{ got, want string }{
		"counter":    {drawn(counter.samples(false, line)), "0=100 1=100 2=102 3=105 9=108 10=108 11=108 13=108"},
		"decrements": {drawn(counter.samples(true, line)), "0=0 1=0 2=0 3=1 9=1 10=1 11=1 13=1"},
		"gauge":      {drawn(gauge.samples(false, line)), "0=1 1=1 2=1 3=7 9=7 10=8 11=8 13=8"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, c.got, c.want)
		}
	}
	for name, c := range map[string]struct {
		s    Series
		want string
	}{
		"counter": {counter, "1=2 2=2 8=3"},
		"gauge":   {gauge, "-10=1 2=7 8=7 9=8"},
	} {
		c.s.Points = c.s.seconds(10_000)
		if got := drawn(c.s.Values(sec(-60), sec(60), 1000)); got != c.want {
			t.Errorf("%s, step by step:\n%s, want\n%s", name, got, c.want)
		}
	}
}

// TestSeam holds for any counter, whatever was known of it: read by the second it
// never falls, has every value that it has without, at the same time and to the
// last bit, and its seconds add up to its buckets.
func TestSeam(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rig{reader: &Reader{}}
		w := r.live()
		s := &admit.Series{Type: protocol.Counter}
		whole := rapid.Bool().Draw(rt, "whole")
		increment := rapid.Custom(func(t *rapid.T) float64 {
			if whole {
				return float64(rapid.IntRange(-5, 1_000_000).Draw(t, "n"))
			}
			return rapid.Float64Range(-1, 1e6).Draw(t, "x")
		})
		var points []block.Point
		buckets := rapid.IntRange(1, 6).Draw(rt, "buckets")
		w.now = sec(0)
		for b := range buckets {
			if rapid.Bool().Draw(rt, "looked at") {
				w.window.Watch([]*admit.Series{s})
			}
			up, down := 0.0, 0.0
			came := false
			clear(w.list)
			for second := range 10 {
				if rapid.Bool().Draw(rt, "came") {
					came = true
					if v := increment.Draw(rt, "v"); v < 0 {
						down += v
					} else {
						up += v
					}
					w.counter(s, up, down)
				}
				w.unknown = rapid.IntRange(0, 4).Draw(rt, "unknown") == 0
				w.pass(float64(10*b + second + 1))
			}
			if came {
				points = append(points, block.Point{Kind: block.Counter, Time: sec(float64(10 * b)), N: 1, Sum: up + down, Neg: down})
			}
		}
		now := sec(float64(10*buckets - rapid.IntRange(0, 9).Draw(rt, "behind")))
		of := Series{Key: series.Key{Type: protocol.Counter}, Base: storage.Base{Sum: 3}, Points: points}
		line := timeline{step: 10_000, idle: 30_000, now: now, asked: now}
		coarse := of.samples(false, line)
		of.live = w.window.Rows(s, 0, 1<<60)
		fine := of.samples(false, line)
		last := Sample{Time: math.MinInt64}
		for _, f := range fine {
			if math.Float64bits(f.Value) == staleBits {
				last = Sample{Time: f.Time}
			} else if f.Time <= last.Time || f.Value < last.Value {
				rt.Fatalf("%v follows %v", f, last)
			} else {
				last = f
			}
			if len(coarse) > 0 && coarse[0].Time == f.Time {
				if math.Float64bits(coarse[0].Value) != math.Float64bits(f.Value) {
					rt.Fatalf("at %d: %v by the second, %v without", f.Time, f.Value, coarse[0].Value)
				}
				coarse = coarse[1:]
			}
		}
		if len(coarse) > 0 {
			rt.Fatalf("by the second there is no %v", coarse[0])
		}
		var sums, negs, want, wantNeg float64
		for _, p := range points {
			want, wantNeg = want+p.Sum, wantNeg+p.Neg
		}
		for _, p := range of.seconds(10_000) {
			sums, negs = sums+p.Sum, negs+p.Neg
		}
		if whole && (sums != want || negs != wantNeg) || !near(sums, want, 1e-9) && math.Abs(want) > 1 {
			rt.Errorf("the seconds sum up to %v and %v, the buckets to %v and %v", sums, negs, want, wantNeg)
		}
	})
}

// TestSharesAreTheWhole: a distribution's seconds, and what is left behind them,
// are its bucket.
func TestSharesAreTheWhole(t *testing.T) {
	r := newRig(t, Options{})
	w := r.live()
	s := r.series(false, "t", protocol.Timer)
	w.window.Watch([]*admit.Series{s})
	whole := histogram.New(5)
	for second := 1; second <= 10; second++ {
		came := histogram.New(5)
		for i := range second {
			came.Add(float64(second*100+i), 1)
		}
		whole.Merge(came)
		if second != 5 { // of it the sixth tells
			w.list[s] = lane.Running{Any: true, Hist: came}
		}
		if second == 6 {
			last := histogram.New(5)
			for i := range 5 {
				last.Add(float64(500+i), 1)
			}
			came.Merge(last)
		}
		w.pass(float64(second))
	}
	point := block.Point{Kind: block.Histogram, Time: sec(0), N: 55, Count: whole.Count, Sum: whole.Sum(), Sketch: whole.AppendBinary(nil)}
	r.take(of(s, point)...)
	r.now = sec(20)
	if got := r.answer("histogram_count(sum_over_time(t[20s]))", sec(20)); got != "{} 55" {
		t.Errorf("all of it: %s", got)
	}
	counts := ""
	r.steps("histogram_count(t)", 0, 11, 1, func(_ float64, v float64) { counts += fmt.Sprintf("%g ", v) })
	if want := "1 2 3 4 4 11 7 8 9 10 10 "; counts != want {
		t.Errorf("by the second: %s, want %s", counts, want)
	}
	// Without a window a moment asks for the last bucket, not the last second.
	if got := r.answer("histogram_count(t)", sec(11)); got != "{} 55" {
		t.Errorf("at one moment: %s", got)
	}
	list, err := r.reader.Steps(t.Context(), matchers(t, "t"), Steps{sec(0), sec(20), 1000})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	var n, sum float64
	for _, p := range list[0].Points {
		n, sum = n+p.Count, sum+p.Sum
	}
	if n != 55 || !near(sum, whole.Sum(), 1e-12) || len(list[0].Points) != 9 {
		t.Errorf("%d parts hold %g values, %g", len(list[0].Points), n, sum)
	}
}

// steps evaluates an expression at each of its steps, in seconds.
func (r *rig) steps(expr string, from, to, step float64, each func(when, v float64)) {
	r.t.Helper()
	res, done, err := r.engine.Range(context.Background(), expr, time.UnixMilli(sec(from)), time.UnixMilli(sec(to)), time.Duration(step*float64(time.Second)))
	if err != nil {
		r.t.Fatal(err)
	}
	defer done()
	m, err := res.Matrix()
	if err != nil || len(m) > 1 {
		r.t.Fatal(m, err)
	}
	for _, one := range m {
		for _, p := range one.Floats {
			each(float64(p.T-at)/1000, p.F)
		}
	}
}

// TestBySecond reads what is half in the window and half only in the store, over
// their seam.
func TestBySecond(t *testing.T) {
	r := newRig(t, Options{})
	w := r.live()
	s := r.series(true, "c", protocol.Counter)
	r.take(of(s, counted(0, 10, 0))...) // nobody followed it
	r.flush()
	w.window.Watch([]*admit.Series{s})
	for second := 1; second <= 9; second++ {
		w.counter(s, float64(second), 0)
		w.pass(float64(10 + second))
	}
	r.take(of(s, counted(10, 10, 0))...)
	w.list = map[*admit.Series]lane.Running{}
	w.counter(s, 1, 0)
	w.pass(21)
	r.take(of(s, counted(20, 1.5, 0))...) // the open bucket, half a second later
	r.now = sec(21.5)
	got := ""
	r.steps("c_total", 8, 21.5, 0.5, func(when, v float64) {
		if when == math.Trunc(when) || when > 21 {
			got += fmt.Sprintf("%g=%g ", when, v)
		}
	})
	if want := "8=0 9=0 10=10 11=11 12=12 13=13 14=14 15=15 16=16 17=17 18=18 19=19 20=20 21=21 21.5=21.5 "; got != want {
		t.Errorf("by the second:\n%s, want\n%s", got, want)
	}
	r.steps("increase(c_total[4s])", 15, 20, 1, func(when, v float64) {
		if v != 4 {
			t.Errorf("at %g s the last four brought %g", when, v)
		}
	})
	if v, _ := r.scalarAt("rate(c_total[5s])", sec(20)); v != 1 {
		t.Errorf("one a second is a rate of %g", v)
	}
	coarse := ""
	r.steps("c_total", 0, 20, 10, func(when, v float64) { coarse += fmt.Sprintf("%g=%g ", when, v) })
	if want := "0=0 10=10 20=20 "; coarse != want {
		t.Errorf("by the bucket: %s, want %s", coarse, want)
	}
	if s := w.window.Stats(); s.Watched != 1 {
		t.Errorf("who asks by the second looks: %+v", s)
	}
}

// TestComesBack: a counter that was silent for longer than idle, and left the
// tables, goes on where it was: its total and its increase know no seam.
func TestComesBack(t *testing.T) {
	r := newRig(t, Options{}) // idle is 300 s
	s := r.series(true, "c", protocol.Counter)
	r.take(of(s, counted(0, 100, 0))...)
	r.flush()
	r.take(of(s, counted(1000, 7, 0))...)
	r.now = sec(1010)
	check := func(what string) {
		t.Helper()
		for _, c := range []struct {
			expr string
			when float64
			want string
		}{
			{"c_total", 310, `{__name__="c_total"} 100`},
			{"c_total", 400, ""}, // it has ended
			{"c_total", 1010, `{__name__="c_total"} 107`},
			{"resets(c_total[30m])", 1010, "{} 0"},
			{"c_total - (c_total offset 700s)", 1010, "{} 7"},
			{"increase(c_total[20s]) > 0", 1010, "{} 14"}, // 7 in ten seconds, as the engine extrapolates
		} {
			if got := r.answer(c.expr, sec(c.when)); got != c.want {
				t.Errorf("%s: %s at %g: %s, want %s", what, c.expr, c.when, got, c.want)
			}
		}
	}
	check("in the window")
	r.flush()
	check("in the store")
	r.now += 3_600_000
	r.compact()
	r.now -= 3_600_000
	check("compacted")
}
