package query

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// at is a whole hour; the tests below count seconds from it.
const at = int64(1_764_000_000_000)

func sec(n float64) int64 { return at + int64(n*1000) }

// counted is a counter's point at the n-th second.
func counted(n float64, sum, neg float64) block.Point {
	return block.Point{Kind: block.Counter, Time: sec(n), N: 1, Sum: sum, Neg: neg}
}

func measured(n, last float64) block.Point {
	return block.Point{Kind: block.Gauge, Time: sec(n), N: 1, Last: last, Min: last, Max: last, Sum: last, LastAt: sec(n + 4)}
}

// drawn renders samples as seconds=value, a stale marker as seconds=gone.
func drawn(list []Sample) string {
	var parts []string
	for _, s := range list {
		v := fmt.Sprint(s.Value)
		switch {
		case s.Hist != nil:
			v = fmt.Sprintf("h%g", s.Hist.Count)
		case math.Float64bits(s.Value) == staleBits:
			v = "gone"
		}
		parts = append(parts, fmt.Sprintf("%g=%s", float64(s.Time-at)/1000, v))
	}
	return strings.Join(parts, " ")
}

// TestTimeline draws what PromQL sees: 10 s buckets, values that hold for 30 s.
func TestTimeline(t *testing.T) {
	counter := series.Key{Name: "c", Type: protocol.Counter}
	gauge := series.Key{Name: "g", Type: protocol.Gauge}
	for name, c := range map[string]struct {
		s          Series
		decrements bool
		now        float64
		want       string
	}{
		"a counter begins at zero, one step before its first increment": {
			s: Series{Key: counter, Points: []block.Point{counted(10, 3, 0)}}, now: 20, want: "10=0 20=3",
		},
		"it begins at its base after a restart": {
			s: Series{Key: counter, Base: storage.Base{Sum: 40, Neg: -2}, Points: []block.Point{counted(10, 3, 0)}}, now: 20, want: "10=42 20=45",
		},
		"the open bucket stands at now": {
			s: Series{Key: counter, Points: []block.Point{counted(10, 3, 0)}}, now: 14, want: "10=0 14=3",
		},
		"a bucket that begins this instant stands behind its start": {
			s: Series{Key: counter, Points: []block.Point{counted(10, 3, 0)}}, now: 10, want: "10=0 10.001=3",
		},
		"neighbouring buckets join": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0), counted(10, 2, 0), counted(20, 4, 0)}}, now: 30, want: "0=0 10=1 20=3 30=7",
		},
		"silence is filled step by step": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0), counted(30, 2, 0)}}, now: 40, want: "0=0 10=1 20=1 30=1 40=3",
		},
		"a silent series holds for idle and no longer": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0)}}, now: 100, want: "0=0 10=1 20=1 30=1 40=1 50=gone",
		},
		"it holds up to now": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0)}}, now: 25, want: "0=0 10=1 20=1",
		},
		"the marker comes no earlier than its time": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0)}}, now: 49.999, want: "0=0 10=1 20=1 30=1 40=1",
		},
		"a series that comes back has its old total one step before": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 1, 0), counted(100, 2, 0)}}, now: 110, want: "0=0 10=1 20=1 30=1 40=1 50=gone 100=1 110=3",
		},
		"decrements do not lower a counter": {
			s: Series{Key: counter, Points: []block.Point{counted(0, 2, -3), counted(10, -1, -1)}}, now: 20, want: "0=0 10=5 20=5",
		},
		"they are a counter of their own": {
			s:          Series{Key: counter, Base: storage.Base{Sum: 7, Neg: -2}, Points: []block.Point{counted(0, 2, -3), counted(10, -1, -1)}},
			decrements: true, now: 20, want: "0=2 10=5 20=6",
		},
		"a counter without points has no samples": {
			s: Series{Key: counter, Base: storage.Base{Sum: 9}}, now: 20, want: "",
		},
		"a gauge has nothing before it begins": {
			s: Series{Key: gauge, Points: []block.Point{measured(10, 5)}}, now: 20, want: "20=5",
		},
		"a gauge holds, ends and comes back": {
			s: Series{Key: gauge, Points: []block.Point{measured(0, 5), measured(20, -1), measured(90, 2)}}, now: 105, want: "10=5 20=5 30=-1 40=-1 50=-1 60=-1 70=gone 100=2",
		},
		"a gauge without points has no samples": {s: Series{Key: gauge}, now: 20, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := drawn(c.s.samples(c.decrements, timeline{step: 10_000, idle: 30_000, now: sec(c.now), asked: sec(c.now)})); got != c.want {
				t.Errorf("drawn as\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// TestTimelineAsked: a bucket that closed while a question about now was on its
// way counts as it did a moment before, or a total would fall and rise again.
func TestTimelineAsked(t *testing.T) {
	counter := Series{Key: series.Key{Name: "c", Type: protocol.Counter}, Points: []block.Point{counted(0, 1, 0), counted(10, 3, 0)}}
	for _, c := range []struct {
		asked, now float64
		want       string
	}{
		{asked: 19.998, now: 19.999, want: "0=0 10=1 19.998=4"},
		{asked: 19.998, now: 20, want: "0=0 10=1 19.998=4"},
		{asked: 19.998, now: 20.003, want: "0=0 10=1 19.998=4"},
		{asked: 20, now: 20.003, want: "0=0 10=1 20=4"},
		{asked: 13, now: 22.999, want: "0=0 10=1 13=4"}, // a clock that is behind
		{asked: 13, now: 23, want: "0=0 10=1 20=4"},     // a question about the past
	} {
		line := timeline{step: 10_000, idle: 30_000, now: sec(c.now), asked: sec(c.asked)}
		if got := drawn(counter.samples(false, line)); got != c.want {
			t.Errorf("asked for %g at %g it is drawn as\n%s, want\n%s", c.asked, c.now, got, c.want)
		}
	}
}

// TestTimelineOfSketches: distributions and sets hold for their bucket alone.
func TestTimelineOfSketches(t *testing.T) {
	h := histogram.New(5)
	h.Add(1, 1)
	h.Add(2, 1)
	set := histogram.NewSet()
	set.AddHash(1)
	set.AddHash(2)
	set.AddHash(3)
	line := timeline{step: 10_000, idle: 30_000, now: sec(100), asked: sec(100)}
	timer := Series{Key: series.Key{Name: "t", Type: protocol.Timer}, Points: []block.Point{
		{Kind: block.Histogram, Time: sec(0), Sketch: h.AppendBinary(nil)}, {Kind: block.Histogram, Time: sec(50), Sketch: h.AppendBinary(nil)}, {Kind: block.Histogram, Time: sec(60), Sketch: []byte("?")},
	}}
	if got := drawn(timer.samples(false, line)); got != "10=h2 60=h2" {
		t.Errorf("a timer is drawn as %s", got)
	}
	members := Series{Key: series.Key{Name: "s", Type: protocol.Set}, Points: []block.Point{
		{Kind: block.Set, Time: sec(0), Sketch: set.AppendBinary(nil)}, {Kind: block.Set, Time: sec(10), Sketch: nil},
	}}
	if got := drawn(members.samples(false, line)); got != "10=3" {
		t.Errorf("a set is drawn as %s", got)
	}
}

func TestRawSamplesKeepTheirTime(t *testing.T) {
	line := timeline{step: 10_000, idle: 30_000, now: sec(100), asked: sec(100)}
	if got := line.end(block.Point{Kind: block.Raw, Time: sec(3.25)}); got != sec(3.25) {
		t.Errorf("a raw sample of second 3.25 stands at %g", float64(got-at)/1000)
	}
}

// TestNativeHistogram compares bucket by bucket with what Prometheus makes of
// the same spans.
func TestNativeHistogram(t *testing.T) {
	h := histogram.New(3)
	for _, v := range []float64{-4, -0.3, 0, 0, 1, 1.05, 2, 1000} {
		h.Add(v, 1)
	}
	native := nativeHistogram(h)
	if err := native.Validate(); err != nil {
		t.Fatal(err)
	}
	type bucket struct{ low, high, count float64 }
	var want, got []bucket
	h.Buckets(func(low, high, count float64) bool {
		want = append(want, bucket{low, high, count})
		return true
	})
	for it := native.AllBucketIterator(); it.Next(); {
		if b := it.At(); b.Count != 0 {
			got = append(got, bucket{b.Lower, b.Upper, b.Count})
		}
	}
	if len(got) != len(want) {
		t.Fatalf("Prometheus sees %v, want %v", got, want)
	}
	for i := range want {
		if got[i].count != want[i].count || !near(got[i].low, want[i].low, 1e-14) || !near(got[i].high, want[i].high, 1e-14) {
			t.Errorf("Prometheus sees %v, want %v", got[i], want[i])
		}
	}
	if native.Count != 8 || native.ZeroCount != 2 || native.Sum != h.Sum() {
		t.Errorf("count %v, zero %v, sum %v", native.Count, native.ZeroCount, native.Sum)
	}
}

func near(a, b, share float64) bool { return math.Abs(a-b) <= share*math.Max(math.Abs(a), math.Abs(b)) }
