package query

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

const (
	diffQueries = 500
	diffSeed    = 20261125
	diffFrom    = 1_764_000_000_000
	diffStep    = 15_000
	diffSteps   = 160 // forty minutes
)

// TestDifferential asks Prometheus's own storage and ours the same generated
// questions about the same samples, with one engine.
func TestDifferential(t *testing.T) {
	engine := promql.NewEngine(suiteOptions())
	defer engine.Close()
	theirs, ours := teststorage.New(t), openRawStore(t)
	t.Cleanup(func() {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range []promstorage.Storage{theirs, ours} {
		load(t, s, rand.New(rand.NewPCG(diffSeed, 1)))
	}
	r := rand.New(rand.NewPCG(diffSeed, 2))
	empty := 0
	for i := range diffQueries {
		expr := generate(r, 2)
		at := time.UnixMilli(diffFrom + r.Int64N(diffSteps*diffStep))
		step := time.Duration(1+r.IntN(90)) * time.Second
		ask := func(s promstorage.Storage) *promql.Result {
			var q promql.Query
			var err error
			if i%2 == 0 {
				q, err = engine.NewInstantQuery(t.Context(), s, nil, expr, at)
			} else {
				q, err = engine.NewRangeQuery(t.Context(), s, nil, expr, at, at.Add(8*step), step)
			}
			if err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			return q.Exec(t.Context())
		}
		want, got := ask(theirs), ask(ours)
		if diff := compareResults(want, got); diff != "" {
			t.Errorf("seed %d, query %d at %d: %s:\n%s", diffSeed, i, at.UnixMilli(), expr, diff)
		}
		if want.Err == nil && want.String() == "" {
			empty++
		}
	}
	if empty > diffQueries/2 {
		t.Errorf("%d of %d questions have no answer: they hold nothing", empty, diffQueries)
	}
}

// load appends counters with resets, gauges with gaps, NaN and stale markers,
// classic and native histograms.
func load(t *testing.T, s promstorage.Storage, r *rand.Rand) {
	t.Helper()
	a := s.AppenderV2(t.Context())
	put := func(at int64, v float64, h *promhistogram.FloatHistogram, pairs ...string) {
		if _, err := a.Append(0, labels.FromStrings(pairs...), 0, at, v, nil, h, promstorage.AppendV2Options{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, job := range []string{"api", "db"} {
		for _, instance := range []string{"a", "b", "c"} {
			c, buckets := 0.0, [4]float64{}
			native := &promhistogram.FloatHistogram{Schema: 2, PositiveSpans: []promhistogram.Span{{Offset: -1, Length: 3}}, PositiveBuckets: make([]float64, 3)}
			skew := r.Int64N(diffStep)
			for i := range int64(diffSteps) {
				at := diffFrom + i*diffStep + skew
				c += float64(r.IntN(50)) / 4
				if r.IntN(60) == 0 {
					c = 0
				}
				put(at, c, nil, "__name__", "requests_total", "job", job, "instance", instance)
				switch r.IntN(20) {
				case 0: // a gap
				case 1:
					put(at, math.NaN(), nil, "__name__", "load", "job", job, "instance", instance)
				case 2:
					put(at, stale(), nil, "__name__", "load", "job", job, "instance", instance)
				default:
					put(at, r.NormFloat64()*10, nil, "__name__", "load", "job", job, "instance", instance)
				}
				for b, le := range []string{"0.1", "1", "10", "+Inf"} {
					buckets[b] += float64((b + 1) * r.IntN(3))
					put(at, buckets[b], nil, "__name__", "latency_bucket", "job", job, "instance", instance, "le", le)
				}
				for b := range native.PositiveBuckets {
					n := float64(r.IntN(4))
					native.PositiveBuckets[b] += n
					native.Count += n
					native.Sum += n / 2
				}
				put(at, 0, native.Copy(), "__name__", "size", "job", job, "instance", instance)
			}
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
}

// generate makes an expression, depth operators deep.
func generate(r *rand.Rand, depth int) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	selector := pick("", `{job="api"}`, `{job!="api"}`, `{instance=~"a|b"}`, `{instance!~"c",job=~".+"}`)
	span := pick("[1m]", "[2m30s]", "[10m]", "[17s]")
	offset := pick("", "", "", " offset 3m", fmt.Sprintf(" @ %d", diffFrom/1000+r.Int64N(2000)))
	if depth == 0 {
		switch r.IntN(6) {
		case 0:
			return pick("rate", "increase", "irate", "delta", "resets", "changes") + "(requests_total" + selector + span + offset + ")"
		case 1:
			return pick("avg_over_time", "max_over_time", "stddev_over_time", "count_over_time", "last_over_time", "deriv", "mad_over_time") +
				"(load" + selector + span + offset + ")"
		case 2:
			return "histogram_quantile(" + pick("0.5", "0.9", "0.99") + ", rate(latency_bucket" + selector + span + offset + "))"
		case 3:
			return pick("histogram_count", "histogram_sum", "histogram_avg") + "(rate(size" + selector + span + offset + "))"
		case 4:
			return pick("requests_total", "load") + selector + offset
		}
		return "max_over_time(rate(requests_total" + selector + "[1m])[5m:" + pick("30s", "1m") + "])"
	}
	inner := generate(r, depth-1)
	switch r.IntN(6) {
	case 0:
		return pick("sum", "avg", "max", "min", "count", "stddev") + " " + pick("by (job)", "without (instance)", "by (instance,le)", "") + " (" + inner + ")"
	case 1:
		// Of equals the engine keeps any, by the order of a map: none are equal here.
		return pick("topk", "bottomk") + "(2, avg_over_time(load" + selector + span + offset + ") > -1e9)"
	case 2:
		return "(" + inner + " " + pick("+", "-", "*", "/", "> bool", "and", "or", "unless") + " on (job, instance, le) " + generate(r, depth-1) + ")"
	case 3:
		return pick("abs", "ceil", "-", "sqrt", "sort", "sgn") + "(" + inner + ")"
	case 4:
		return "absent(" + inner + ")"
	}
	return inner
}

func compareResults(want, got *promql.Result) string {
	if (want.Err == nil) != (got.Err == nil) {
		return fmt.Sprintf("error %v, want %v", got.Err, want.Err)
	}
	if want.Err != nil {
		if want.Err.Error() != got.Err.Error() {
			return fmt.Sprintf("error %v, want %v", got.Err, want.Err)
		}
		return ""
	}
	a, b := points(want), points(got)
	if len(a) != len(b) {
		return fmt.Sprintf("%d points, want %d", len(b), len(a))
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || !within(v, w) {
			return fmt.Sprintf("%s: %v, want %v", k, w, v)
		}
	}
	return ""
}

// points lists every number of a result under its series and time.
func points(r *promql.Result) map[string]float64 {
	out := map[string]float64{}
	add := func(m labels.Labels, t int64, f float64, h *promhistogram.FloatHistogram) {
		k := fmt.Sprint(m.String(), " ", t)
		if h == nil {
			out[k] = f
			return
		}
		out[k+" count"], out[k+" sum"] = h.Count, h.Sum
		for i, b := range h.PositiveBuckets {
			out[fmt.Sprint(k, " bucket ", i)] = b
		}
	}
	switch v := r.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			add(s.Metric, s.T, s.F, s.H)
		}
	case promql.Matrix:
		for _, s := range v {
			for _, p := range s.Floats {
				add(s.Metric, p.T, p.F, nil)
			}
			for _, p := range s.Histograms {
				add(s.Metric, p.T, 0, p.H)
			}
		}
	case promql.Scalar:
		add(labels.EmptyLabels(), v.T, v.V, nil)
	}
	return out
}

func within(a, b float64) bool {
	if math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b) || a == b {
		return true
	}
	return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b))
}

// suiteOptions are those of Prometheus's own run.
func suiteOptions() promql.EngineOpts {
	return promql.EngineOpts{
		MaxSamples: promqltest.DefaultMaxSamplesPerQuery, Timeout: 100 * time.Second,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, EnableDelayedNameRemoval: true, UseStartTimestamps: true,
		Parser: parser.NewParser(promqltest.TestParserOpts),
	}
}
