package bench

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStages: every stage that needs no other process measures something, and
// the accepted path allocates nothing.
func TestStages(t *testing.T) {
	results, err := Measure(t.Context(), append(Parse(), Aggregate(100)...), 20*time.Millisecond, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Ops == 0 || r.NsPerOp <= 0 || r.PerSecond <= 0 || r.AllocsPerOp == nil {
			t.Errorf("%+v", r)
		}
		if d := r.NsPerOp * r.PerSecond / 1e9; d < 0.999 || d > 1.001 {
			t.Errorf("%s: %v ns and %v a second do not agree", r.Name, r.NsPerOp, r.PerSecond)
		}
		if r.Name != "aggregate/100" && *r.AllocsPerOp != 0 {
			t.Errorf("%s: %v allocations a line", r.Name, *r.AllocsPerOp)
		}
	}
	names := map[string]bool{}
	for _, r := range results {
		names[r.Name] = true
	}
	for _, n := range []string{"parse/text", "parse/json-any", "parse/known-text", "parse/known-json"} {
		if !names[n] {
			t.Errorf("%s is not measured", n)
		}
	}
	if last := results[len(results)-1]; last.Series != 100 || last.BytesPerSeries < 64 {
		t.Errorf("%+v", last)
	}
}

// TestReportShape: the fields that scripts rely on.
func TestReportShape(t *testing.T) {
	zero := 0.0
	b, err := json.Marshal(Report{Results: []Result{{Name: "x", AllocsPerOp: &zero, BytesPerSeries: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Machine map[string]any
		Results []map[string]any
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"name", "ops", "ns_per_op", "per_second", "cpu_s_per_million", "allocs_per_op", "bytes_per_series"} {
		if _, ok := m.Results[0][n]; !ok {
			t.Errorf("%s is missing", n)
		}
	}
	for _, n := range []string{"cpu", "wide", "cores", "gomaxprocs", "kernel", "go", "memory_bytes", "syncs_per_second"} {
		if _, ok := m.Machine[n]; !ok {
			t.Errorf("machine: %s is missing", n)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		runs []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 1}, {[]float64{5, 1, 3}, 3}, {[]float64{4, 1, 3, 2}, 2}} {
		var runs []Result
		for _, ns := range c.runs {
			runs = append(runs, Result{NsPerOp: ns})
		}
		if got := median(runs).NsPerOp; got != c.want {
			t.Errorf("of %v: %v", c.runs, got)
		}
	}
}

func TestCompare(t *testing.T) {
	old := []Result{{Name: "a", PerSecond: 100, CPUSPerMillion: 2, LatencyMS: &Latency{P95: 1, P99: 2}}, {Name: "gone", PerSecond: 1}}
	now := []Result{{Name: "new", PerSecond: 1}, {Name: "a", PerSecond: 150, CPUSPerMillion: 1, LatencyMS: &Latency{P95: 2, P99: 6}}}
	if got := Compare(old, now); !slices.Equal(got, []Ratio{{Name: "a", PerSecond: 1.5, CPU: 0.5, P95: 2, P99: 3}}) {
		t.Errorf("%+v", got)
	}
}

func TestMeasureStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	stage := Stage{"s", func(context.Context, time.Duration) (Result, error) {
		if runs++; runs == 2 {
			cancel()
		}
		return Result{}, nil
	}}
	if _, err := Measure(ctx, []Stage{stage}, 1, 10, nil); !errors.Is(err, context.Canceled) || runs != 2 {
		t.Errorf("%d runs, %v", runs, err)
	}
	broken := Stage{"b", func(context.Context, time.Duration) (Result, error) { return Result{}, errors.New("no") }}
	if _, err := Measure(t.Context(), []Stage{broken}, 1, 1, nil); err == nil {
		t.Error("a failing stage has a result")
	}
}

// TestChildEnv: no setting of the user reaches the daemon that is measured.
func TestChildEnv(t *testing.T) {
	got := childEnv([]string{"PATH=/bin", "NEXUS_WAL_SYNC=never", "PORT=1", "DATABASE_URL=x", "DATABASE_PASSWORD=y", "HOME=/h", "PORTAL=z"})
	if !slices.Equal(got, []string{"PATH=/bin", "HOME=/h", "PORTAL=z"}) {
		t.Errorf("%v", got)
	}
}

// TestDaemonThatEnds: a daemon that does not come up is reported with its words.
func TestDaemonThatEnds(t *testing.T) {
	_, err := Measure(t.Context(), Ingest(Child{Executable: "/bin/false", Dir: t.TempDir()}, false)[:1], time.Millisecond, 1, nil)
	if err == nil {
		t.Error("a daemon that ended was measured")
	}
}
