package query

import (
	"errors"
	"fmt"
	"testing"
	"time"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// TestTargetsOfOneMetric: a pattern means a counter twice, for what it gained and for
// what it lost. Its points are read once, and count once for each, whether the store
// knows the series or the lanes alone.
func TestTargetsOfOneMetric(t *testing.T) {
	for _, stored := range []bool{true, false} {
		r := newRig(t, Options{})
		for i := range 5 {
			s := r.series(stored, "load", protocol.Counter, "host", fmt.Sprint(i))
			r.take(of(s, block.Point{Kind: block.Counter, Time: r.now - 20_000, N: 2, Sum: 7, Neg: -3})...)
		}
		if stored {
			r.flush()
		}
		for expr, want := range map[string]float64{
			`sum({__name__=~"load.*"})`:                    5*10 - 5*0 + 5*3 - 5*0, // gained 10, lost 3
			`sum({__name__=~"load_total"})`:                50,
			`sum({__name__=~"load_decrements_total"})`:     15,
			`count({__name__=~"load.*",host=~"[0-2]"})`:    6,
			`sum(load_total) + sum(load_decrements_total)`: 65,
		} {
			res, done, err := r.engine.Instant(t.Context(), expr, time.UnixMilli(r.now))
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := res.Value.(promql.Vector); !ok || len(v) != 1 || v[0].F != want {
				t.Errorf("stored %v: %s is %v, want %v", stored, expr, res.Value, want)
			}
			done()
		}
	}
}

// TestSelectorOfManyMetrics: the bound on series is that of a selector, over all the
// metrics that it means.
func TestSelectorOfManyMetrics(t *testing.T) {
	r := newRig(t, Options{MaxSeries: 3})
	for i := range 4 {
		s := r.series(true, fmt.Sprintf("load%d", i), protocol.Gauge)
		r.take(of(s, block.Point{Kind: block.Gauge, Time: r.now - 20_000, N: 1, Last: 1})...)
	}
	r.flush()
	for expr, want := range map[string]error{`{__name__=~"load[0-2]"}`: nil, `{__name__=~"load.*"}`: ErrTooMany} {
		_, done, err := r.engine.Instant(t.Context(), expr, time.UnixMilli(r.now))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", expr, err, want)
		}
		if err == nil {
			done()
		}
	}
}

func TestPromSeries(t *testing.T) {
	h := histogram.New(3)
	h.Add(5, 1)
	mixed := newPromSeries(labels.FromStrings("a", "b"), []Sample{{Time: 1, Value: 7}, {Time: 2, Hist: h}, {Time: 3, Value: 8, Start: 1}}, pauses{})
	it := mixed.Iterator(nil)
	if typ := it.Next(); typ != chunkenc.ValFloat || it.AtT() != 1 {
		t.Fatalf("first is %v at %d", typ, it.AtT())
	}
	if typ := it.Next(); typ != chunkenc.ValFloatHistogram {
		t.Fatalf("second is %v", typ)
	}
	_, shared := it.AtFloatHistogram(nil)
	var own promhistogram.FloatHistogram
	at, given := it.AtFloatHistogram(&own)
	if at != 2 || given != &own || !own.Equals(shared) || own.Count != 1 {
		t.Errorf("at %d: %v, of %v", at, given, shared)
	}
	own.PositiveBuckets[0] = 99 // the engine uses what it gave again
	if _, again := it.AtFloatHistogram(nil); again != shared || again.PositiveBuckets[0] != 1 {
		t.Errorf("what others hold was changed: %v", again)
	}
	if typ := it.Seek(3); typ != chunkenc.ValFloat || it.AtST() != 1 {
		t.Errorf("third is %v since %d", typ, it.AtST())
	}
	if it.Next() != chunkenc.ValNone || it.Err() != nil {
		t.Error("there is a fourth")
	}
	plain := newPromSeries(labels.EmptyLabels(), []Sample{{Time: 10, Value: 1}, {Time: 20, Value: 2}}, pauses{})
	if again := plain.Iterator(it); again != it || again.Next() != chunkenc.ValFloat || again.AtT() != 10 || plain.rich != nil {
		t.Error("the iterator is not taken again, or numbers are not held as such")
	}
	if typ := it.Seek(15); typ != chunkenc.ValFloat || it.AtT() != 20 {
		t.Errorf("behind 15 is %v at %d", typ, it.AtT())
	}
}

// TestPausesWithinASeries: what the engine does with the samples of one series alone
// can be long.
func TestPausesWithinASeries(t *testing.T) {
	for what, samples := range map[string][]Sample{
		"numbers":    make([]Sample, 2*scalarsAStep),
		"histograms": {{Hist: histogram.New(3)}, {Time: 1, Hist: histogram.New(3)}},
	} {
		pacer := pace.New(1)
		ctx, work := pacer.Begin(t.Context())
		it := newPromSeries(labels.EmptyLabels(), samples, pauses{ctx, work}).Iterator(nil)
		time.Sleep(pace.Free)
		for it.Next() != chunkenc.ValNone {
		}
		if pacer.Stats().Pauses.Load() == 0 {
			t.Errorf("%s: never pauses", what)
		}
		work.End()
	}
}
