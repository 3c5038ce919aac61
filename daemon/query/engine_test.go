package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// shop is a rig with a minute of data at 10 s, one point a bucket:
//
//	shop.orders    counter, env=prod: +1 each; env=dev: +2 each
//	shop.stock     gauge: 10, 9, 8, 7, 6, 5
//	shop.balance   counter: +3 -1 each
//	shop.latency   timer: 1 … 100 in the first bucket, 200 … 300 in the second
//	shop.visitors  set: 2, 3 members
func shop(t testing.TB) *rig {
	r := newRig(t, Options{})
	prod := r.series(true, "shop.orders", protocol.Counter, "env", "prod", "http.status", "200")
	dev := r.series(true, "shop.orders", protocol.Counter, "env", "dev")
	stock := r.series(true, "shop.stock", protocol.Gauge)
	balance := r.series(true, "shop.balance", protocol.Counter)
	latency := r.series(true, "shop.latency", protocol.Timer)
	visitors := r.series(true, "shop.visitors", protocol.Set)
	for i := range 6 {
		n := float64(i * 10)
		var points []block.Point
		points = append(points, of(prod, counted(n, 1, 0))...)
		points = append(points, of(dev, counted(n, 2, 0))...)
		points = append(points, of(stock, measured(n, float64(10-i)))...)
		points = append(points, of(balance, counted(n, 2, -1))...)
		switch i {
		case 0:
			points = append(points, of(latency, distributed(n, sequence(1, 100)...))...)
			points = append(points, of(visitors, members(n, 1, 2))...)
		case 1:
			points = append(points, of(latency, distributed(n, sequence(200, 300)...))...)
			points = append(points, of(visitors, members(n, 1, 2, 3))...)
		}
		r.take(points...)
	}
	r.flush() // a part is stored, a part is live
	r.flush()
	r.now = sec(120)
	return r
}

func sequence(from, to int) (list []float64) {
	for i := from; i <= to; i++ {
		list = append(list, float64(i))
	}
	return list
}

// answer renders a vector, sorted.
func (r *rig) answer(expr string, when int64) string {
	r.t.Helper()
	var parts []string
	r.instant(expr, when, func(s promql.Sample) {
		v := fmt.Sprintf("%.6g", s.F)
		if s.H != nil {
			v = fmt.Sprintf("h%g/%g", s.H.Count, s.H.Sum)
		}
		parts = append(parts, s.Metric.String()+" "+v)
	})
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func TestEngine(t *testing.T) {
	r := shop(t)
	const prod, dev = `{__name__="shop_orders_total", env="prod", http_status="200"}`, `{__name__="shop_orders_total", env="dev"}`
	both := dev + " 12; " + prod + " 6"
	for _, c := range []struct {
		expr string
		when float64
		want string
	}{
		// Names: PromQL's, and as sent.
		{"shop_orders_total", 60, both},
		{`{"shop.orders"}`, 60, strings.ReplaceAll(both, "shop_orders_total", "shop.orders")},
		{`{__name__="shop.orders"}`, 60, strings.ReplaceAll(both, "shop_orders_total", "shop.orders")},
		{"shop.orders", 60, strings.ReplaceAll(both, "shop_orders_total", "shop.orders")},
		{`{"shop.orders",env="dev"}`, 60, `{__name__="shop.orders", env="dev"} 12`},
		{`{__name__=~"shop_ord.*"}`, 60, both}, // that never decreased
		{`{__name__=~"shop_bal.*"}`, 60, `{__name__="shop_balance_decrements_total"} 6; {__name__="shop_balance_total"} 18`},
		{"shop_orders_decrements_total{env=\"dev\"}", 60, `{__name__="shop_orders_decrements_total", env="dev"} 0`},
		{`{__name__=~"shop.ord.*_total",__name__!~".*decr.*"}`, 60, both},
		{`{__name__=~"shop.st.*"}`, 60, `{__name__="shop_stock"} 5`},
		{`shop_orders_total{env="prod"}`, 60, prod + " 6"},
		{`shop_orders_total{env!="prod"}`, 60, dev + " 12"},
		{`shop_orders_total{env=~"d.v|x"}`, 60, dev + " 12"},
		{`shop_orders_total{env!~"d.*"}`, 60, prod + " 6"},
		{`shop_orders_total{env=~"d"}`, 60, ""},
		{`shop_orders_total{http_status="200"}`, 60, prod + " 6"},
		{`shop_orders_total{http_status=""}`, 60, dev + " 12"},
		{`shop_orders_total{nothing=""}`, 60, both},
		{"shop_orders", 60, ""},
		{"nothing", 60, ""},

		// Counters, whose first increment counts.
		{`sum(increase(shop_orders_total[1m]))`, 60, "{} 18"},
		{`increase(shop_orders_total{env="prod"}[1m])`, 60, `{env="prod", http_status="200"} 6`},
		{`rate(shop_orders_total{env="prod"}[1m])`, 60, `{env="prod", http_status="200"} 0.1`},
		{`increase(shop_orders_total{env="prod"}[30s])`, 60, `{env="prod", http_status="200"} 3`},
		{`increase(shop_orders_total{env="prod"}[1m])`, 120, `{env="prod", http_status="200"} 0`},
		{`shop_orders_total{env="prod"}`, 0, prod + " 0"},
		{`shop_orders_total{env="prod"}`, 10, prod + " 1"},
		{`shop_orders_total{env="prod"}`, 19.999, prod + " 1"},
		{`shop_orders_total{env="prod"} offset 30s`, 60, prod + " 3"},
		{fmt.Sprintf(`shop_orders_total{env="prod"} @ %d`, sec(20)/1000), 60, prod + " 2"},
		{"resets(shop_balance_total[1m])", 60, "{} 0"},
		{"shop_balance_total", 60, `{__name__="shop_balance_total"} 18`},
		{"shop_balance_decrements_total", 60, `{__name__="shop_balance_decrements_total"} 6`},
		{"shop_balance_total - ignoring(__name__) shop_balance_decrements_total", 60, "{} 12"},
		{`sum by (env) (shop_orders_total)`, 60, `{env="dev"} 12; {env="prod"} 6`},

		// Gauges.
		{"shop_stock", 60, `{__name__="shop_stock"} 5`},
		{"shop_stock", 10, `{__name__="shop_stock"} 10`},
		{"shop_stock", 9, ""},
		{"avg_over_time(shop_stock[30s])", 60, "{} 6"}, // 7, 6, 5
		{"max_over_time(shop_stock[1m])", 60, "{} 10"},
		{"delta(shop_stock[1m])", 60, "{} -6"},

		// Distributions and sets hold for their bucket.
		{"shop_latency", 10, `{__name__="shop_latency"} h100/5050`},
		{"histogram_count(sum_over_time(shop_latency[1m]))", 60, "{} 201"},
		{"histogram_sum(sum_over_time(shop_latency[1m]))", 60, "{} 30300"},
		{"histogram_avg(sum_over_time(shop_latency[1m]))", 60, "{} 150.746"},
		{"shop_visitors", 20, `{__name__="shop_visitors"} 3`},
		{"max_over_time(shop_visitors[1m])", 60, "{} 3"},
	} {
		if got := r.answer(c.expr, sec(c.when)); got != c.want {
			t.Errorf("%s at %g s:\n%s, want\n%s", c.expr, c.when, got, c.want)
		}
	}
}

// TestStaleness: a series ends after it has been silent for idle, and not with
// the engine's own lookback on top.
func TestStaleness(t *testing.T) {
	r := shop(t)
	r.now = sec(1000)
	for when, want := range map[float64]bool{60: true, 350: true, 360: true, 369: true, 370: false, 400: false} {
		if _, ok := r.scalarAt(`shop_orders_total{env="prod"}`, sec(when)); ok != want {
			t.Errorf("at %g s: %v, want %v", when, ok, want)
		}
	}
}

// TestQuantileWithinItsBound compares quantiles with the sorted values: ours
// within the stated error of one of the two neighbouring ranks, PromQL's
// within one bucket.
func TestQuantileWithinItsBound(t *testing.T) {
	values := append(sequence(1, 100), sequence(200, 300)...)
	r := shop(t)
	h := histogram.New(5)
	for _, v := range values {
		h.Add(v, 1)
	}
	for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1} {
		rank := q * float64(len(values))
		low, high := values[max(int(math.Ceil(rank))-1, 0)], values[min(int(math.Floor(rank)), len(values)-1)]
		v, bound := h.Quantile(q)
		if v < low*(1-bound) || v > high*(1+bound) || bound > 0.0109 {
			t.Errorf("quantile %g is %g ± %g, the values there are %g and %g", q, v, bound, low, high)
		}
		got, ok := r.scalarAt(fmt.Sprintf("histogram_quantile(%g, sum_over_time(shop_latency[1m]))", q), sec(60))
		if width := math.Exp2(1.0/32) - 1; !ok || got < low*(1-width) || got > high*(1+width) {
			t.Errorf("PromQL's quantile %g is %g, the values there are %g and %g", q, got, low, high)
		}
	}
}

// TestPrecisionIsTold: an answer that is an estimate says within what, and one
// that is not says nothing.
func TestPrecisionIsTold(t *testing.T) {
	r := shop(t)
	crowd := histogram.NewSet()
	for i := range uint64(2000) {
		crowd.AddHash(i * 0x9e3779b97f4a7c15)
	}
	coarse := histogram.New(3)
	coarse.Add(7, 1)
	r.take(slices.Concat(
		of(r.series(false, "shop.crowd", protocol.Set), block.Point{Time: sec(50), Kind: block.Set, N: 1, Sketch: crowd.AppendBinary(nil)}),
		of(r.series(false, "shop.coarse", protocol.Timer), block.Point{Time: sec(50), Kind: block.Histogram, N: 1, Count: 1, Sum: 7, Min: 7, Max: 7, Sketch: coarse.AppendBinary(nil)}),
	)...)
	const (
		fine  = `PromQL info: quantiles of "shop_latency" lie within 2.19 % of the true ones (histogram schema 5)`
		wide  = `PromQL info: quantiles of "shop_coarse" lie within 9.05 % of the true ones (histogram schema 3)`
		guess = `PromQL info: the members of "shop_crowd" are estimated, with a standard error of 0.812 %`
	)
	for expr, want := range map[string][]string{
		"histogram_quantile(0.9, sum_over_time(shop_latency[1m]))":                                    {fine},
		"1 + histogram_fraction(0, 7, shop_coarse)":                                                   {wide},
		"histogram_quantile(0.9, shop_latency) or histogram_quantile(0.9, shop_coarse) or shop_crowd": {wide, fine, guess},
		"sum(histogram_count(shop_latency))":                                                          nil, "shop_orders_total": nil, "shop_visitors": nil, "shop_crowd": {guess},
	} {
		res, done, err := r.engine.Instant(t.Context(), expr, time.UnixMilli(sec(60)))
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		warnings, infos := res.Warnings.AsStrings(expr, 0, 0)
		done()
		slices.Sort(infos)
		slices.Sort(want)
		if len(warnings) != 0 || !slices.Equal(infos, want) {
			t.Errorf("%s: warnings %q, infos %q, want %q", expr, warnings, infos, want)
		}
	}
}

// TestRangeEqualsInstants: a range query gives at each of its steps what a
// query at that time gives.
func TestRangeEqualsInstants(t *testing.T) {
	r := shop(t)
	rapid.Check(t, func(rt *rapid.T) {
		expr := rapid.SampledFrom([]string{
			`shop_orders_total{env="prod"}`, "shop_stock", `increase(shop_orders_total{env="dev"}[25s])`, "max_over_time(shop_visitors[20s])",
			"histogram_count(shop_latency)", "shop_balance_decrements_total offset 7s",
		}).Draw(rt, "expr")
		from, step := sec(float64(rapid.IntRange(-20_000, 70_000).Draw(rt, "from"))/1000), int64(rapid.IntRange(500, 20_000).Draw(rt, "step"))
		to := from + step*int64(rapid.IntRange(0, 6).Draw(rt, "steps"))
		res, done, err := r.engine.Range(context.Background(), expr, time.UnixMilli(from), time.UnixMilli(to), time.Duration(step)*time.Millisecond)
		if err != nil {
			rt.Fatal(err)
		}
		defer done()
		matrix, err := res.Matrix()
		if err != nil || len(matrix) > 1 {
			rt.Fatal(matrix, err)
		}
		inRange := map[int64]float64{}
		for _, s := range matrix {
			for _, p := range s.Floats {
				inRange[p.T] = p.F
			}
		}
		for when := from; when <= to; when += step {
			v, ok := r.scalarAt(expr, when)
			if w, also := inRange[when]; ok != also || v != w {
				rt.Errorf("%s at %g s: %v %v alone, %v %v in a range up to %g s", expr, float64(when-at)/1000, v, ok, w, also, float64(to-at)/1000)
			}
		}
	})
}

// TestOpenBucketIsVisible: what was taken this moment is seen by a query at
// the daemon's now, at a client's clock that is a little behind, and by one
// that is ahead.
func TestOpenBucketIsVisible(t *testing.T) {
	r := newRig(t, Options{})
	r.take(append(of(r.series(false, "x", protocol.Counter), counted(0, 5, 0)), of(r.series(false, "g", protocol.Gauge), measured(0, 7))...)...)
	r.now = sec(3)
	for _, when := range []float64{2.5, 3, 4} {
		if v, ok := r.scalarAt("x_total", sec(when)); v != 5 || !ok {
			t.Errorf("the counter at %g s: %v, %v", when, v, ok)
		}
		if v, ok := r.scalarAt("g", sec(when)); v != 7 || !ok {
			t.Errorf("the gauge at %g s: %v, %v", when, v, ok)
		}
	}
}

func TestEngineRefuses(t *testing.T) {
	r := shop(t)
	var expr *ExprError
	for _, bad := range []string{"", "sum(", "x[5m]{", "rate(shop_orders_total)", `{__name__=~"("}`} {
		_, _, err := r.engine.Instant(t.Context(), bad, time.UnixMilli(at))
		if !errors.As(err, &expr) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, _, err := r.engine.Range(t.Context(), "shop_orders_total[5m]", time.UnixMilli(at), time.UnixMilli(at), time.Second); !errors.As(err, &expr) {
		t.Errorf("a range of ranges: %v", err)
	}
	r.reader.opts.MaxSeries = 1
	if _, _, err := r.engine.Instant(t.Context(), "shop_orders_total", time.UnixMilli(at)); !errors.Is(err, ErrTooMany) {
		t.Errorf("two of at most one series: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.engine.Instant(ctx, "shop_stock", time.UnixMilli(at)); err == nil {
		t.Error("a canceled query has an answer")
	}
}

// TestLabels lists what the engine's labels can be.
func TestLabels(t *testing.T) {
	r := shop(t)
	q, err := r.engine.Querier(sec(0), sec(60))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	any := labels.MustNewMatcher(labels.MatchRegexp, nameLabel, "shop.+")
	names, _, err := q.LabelNames(t.Context(), nil, any)
	if err != nil || !slices.Equal(names, []string{"__name__", "env", "http_status"}) {
		t.Errorf("names: %v, %v", names, err)
	}
	for name, want := range map[string][]string{
		"env": {"dev", "prod"}, "__name__": {"shop_balance_total", "shop_latency", "shop_orders_total", "shop_stock", "shop_visitors"}, "none": nil,
	} {
		if got, _, err := q.LabelValues(t.Context(), name, nil, any); err != nil || !slices.Equal(got, want) {
			t.Errorf("values of %s: %v, %v, want %v", name, got, err, want)
		}
	}
	prod := labels.MustNewMatcher(labels.MatchEqual, "env", "prod")
	if got, _, err := q.LabelValues(t.Context(), "__name__", nil, prod); err != nil || !slices.Equal(got, []string{"shop_orders_total"}) {
		t.Errorf("names with env=prod: %v, %v", got, err)
	}
}

// TestSortedSelect: the engine may ask for series in the order of their labels.
func TestSortedSelect(t *testing.T) {
	r := shop(t)
	q, err := r.engine.Querier(sec(0), sec(60))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, nameLabel, "shop.+"))
	var last labels.Labels
	n := 0
	for set.Next() {
		l := set.At().Labels()
		if n > 0 && labels.Compare(last, l) >= 0 {
			t.Errorf("%s comes behind %s", l, last)
		}
		last = l
		n++
	}
	if set.Err() != nil || len(set.Warnings()) != 0 || n != 7 {
		t.Errorf("%d series, %v, %v", n, set.Err(), set.Warnings())
	}
}
