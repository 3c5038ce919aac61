package telemetry

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"example.com/nexusctl/protocol/histogram"
)

var epoch = time.Unix(1_800_000_000, 0)

// TestWindowForgets observes for two minutes and expects the last one alone.
func TestWindowForgets(t *testing.T) {
	var w Window
	if w.Latency(epoch) != nil {
		t.Error("percentiles of nothing")
	}
	for i := range 120 {
		d := 10 * time.Millisecond
		if i < 60 {
			d = time.Second
		}
		w.Observe(epoch.Add(time.Duration(i)*time.Second), d)
	}
	l := w.Latency(epoch.Add(119 * time.Second))
	if l == nil || l.Count != 60 || math.Abs(l.P99-10) > 0.2 {
		t.Errorf("%+v", l)
	}
	if l := w.Latency(epoch.Add(149 * time.Second)); l == nil || l.Count != 30 {
		t.Errorf("half a minute later: %+v", l)
	}
	if h := w.Second(epoch.Add(100 * time.Second)); h == nil || h.Count != 1 {
		t.Errorf("one second: %+v", h)
	}
	if h := w.Second(epoch.Add(10 * time.Second)); h != nil {
		t.Errorf("a second long gone: %+v", h)
	}
}

func reading(i int, units, failed uint64) Reading {
	return Reading{
		At: epoch.Add(time.Duration(i) * time.Second), Units: units, Requests: [6]uint64{2: units / 10, 5: failed},
		Rejected: map[string]uint64{"syntax": uint64(i)}, Process: Process{CPU: time.Duration(i) * time.Second / 2}, Connections: 3,
	}
}

// TestGolden turns readings into rates over the last seconds, and keeps a
// minute of them.
func TestGolden(t *testing.T) {
	p := NewPulse(NewRequests(time.Now), new(Window))
	if g := p.Golden(epoch); g.Traffic.Metrics != 0 || g.History.Metrics == nil {
		t.Errorf("before the first beat: %+v", g)
	}
	for i := range 100 {
		if _, ok := p.Beat(reading(i, uint64(1000*i), uint64(i))); ok != (i > 0) {
			t.Fatalf("beat %d: %v", i, ok)
		}
	}
	g := p.Golden(epoch.Add(99 * time.Second))
	if g.Traffic.Metrics != 1000 || g.Errors.Rejected != 1 || g.Errors.Requests != 1 || g.Traffic.Connections != 3 {
		t.Errorf("%+v %+v", g.Traffic, g.Errors)
	}
	if want := 1.0 / 101; math.Abs(g.Errors.Ratio-want) > 1e-9 {
		t.Errorf("ratio %g, want %g", g.Errors.Ratio, want)
	}
	if want := 0.5 / float64(Cores()); math.Abs(g.Saturation.CPU-want) > 1e-9 {
		t.Errorf("cpu %g, want %g", g.Saturation.CPU, want)
	}
	if len(g.History.Metrics) != windowSeconds || g.History.Metrics[0] != 1000 || len(g.History.CPU) != windowSeconds {
		t.Errorf("history: %d values", len(g.History.Metrics))
	}
}

// TestSignals records growth, never a counter that stands still, and the time
// that the daemon was there.
func TestSignals(t *testing.T) {
	p := NewPulse(NewRequests(time.Now), new(Window))
	p.ingest.Observe(epoch.Add(1500*time.Millisecond), 3*time.Millisecond)
	sums := map[string]float64{}
	weights := 0.0
	for _, m := range p.Signals(reading(1, 1000, 5), reading(4, 1500, 5)) {
		key := string(m.Name)
		for _, tag := range m.Tags {
			key += " " + string(tag.Key) + "=" + string(tag.Value)
		}
		sums[key] += m.Values[0].Number
		if key == "nexus.ingest.latency" {
			weights += 1 / m.Rate
		}
	}
	for key, want := range map[string]float64{
		UpSignal: 3, UnitsSignal: 500, RejectedSignal + " reason=syntax": 3, RequestsSignal + " class=2xx": 50, "nexus.connections": 3,
	} {
		if sums[key] != want {
			t.Errorf("%s is %g, want %g", key, sums[key], want)
		}
	}
	if _, ok := sums[RequestsSignal+" class=5xx"]; ok {
		t.Error("a counter that did not grow is recorded")
	}
	if weights != 1 {
		t.Errorf("the latency's weights add up to %g", weights)
	}
}

// TestDistributionIsExact gives back every count that a histogram holds.
func TestDistributionIsExact(t *testing.T) {
	h := histogram.New(windowSchema)
	for i := range 5000 {
		h.Add(float64(i%37)+0.5, 1)
	}
	var s signals
	s.distribution("x", h)
	back := histogram.New(windowSchema)
	for _, m := range s.list {
		back.Add(m.Values[0].Number, 1/m.Rate)
	}
	if back.Count != h.Count || len(s.list) > 500 {
		t.Errorf("%g of %g counts in %d samples", back.Count, h.Count, len(s.list))
	}
	for _, q := range []float64{0.1, 0.5, 0.99} {
		a, _ := h.Quantile(q)
		b, _ := back.Quantile(q)
		if math.Abs(a-b)/a > 0.011 {
			t.Errorf("quantile %g: %g and %g", q, a, b)
		}
	}
}

// TestRequests keeps probes out of the objectives, and paths that are no route
// out of the labels.
func TestRequests(t *testing.T) {
	r := NewRequests(func() time.Time { return epoch })
	r.Observe("/api/v1/ledger", http.MethodGet, 200, time.Millisecond, false)
	r.Observe("/api/v1/ledger", http.MethodGet, 503, time.Second, false)
	r.Observe("/health", http.MethodGet, 200, time.Millisecond, true)
	r.Observe("", "BREW", 404, time.Millisecond, false)
	classes, fast := r.Counts()
	if classes != [6]uint64{2: 1, 4: 1, 5: 1} || fast != 2 {
		t.Errorf("%v, %d fast", classes, fast)
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r, NewTimer("x_seconds", "x"))
	if n, err := testutil.GatherAndCount(reg, "nexus_api_requests_total"); err != nil || n != 4 {
		t.Errorf("%d series, %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestReadProcess(t *testing.T) {
	p := ReadProcess(t.TempDir())
	if p.CPU <= 0 || p.Resident < 1<<20 || p.DiskTotal == 0 || p.Heap == 0 {
		t.Errorf("%+v", p)
	}
	if open, limit := FDs(); open < 3 || limit < open {
		t.Errorf("%d of %d descriptors", open, limit)
	}
}

// TestAdoptTraceID takes a well-formed id where W3C's header is not there.
func TestAdoptTraceID(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	for name, c := range map[string]struct {
		header http.Header
		want   string
	}{
		"named":     {http.Header{TraceIDHeader: {id}}, "00-" + id},
		"malformed": {http.Header{TraceIDHeader: {"xyz"}}, ""},
		"zero":      {http.Header{TraceIDHeader: {"00000000000000000000000000000000"}}, ""},
		"both":      {http.Header{TraceIDHeader: {id}, "Traceparent": {"00-x"}}, "00-x"},
	} {
		adoptTraceID(c.header)
		got := c.header.Get("traceparent")
		if len(got) > len(c.want) {
			got = got[:len(c.want)]
		}
		if got != c.want || (c.want == "") != (c.header.Get("traceparent") == "") {
			t.Errorf("%s: %q", name, c.header.Get("traceparent"))
		}
	}
}

// TestTracerWithoutEndpoint makes nothing and costs nothing.
func TestTracerWithoutEndpoint(t *testing.T) {
	tr, err := NewTracer(t.Context(), TracingOptions{Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	if tr.Sample() {
		t.Error("a batch is sampled for nobody")
	}
	if n := testing.AllocsPerRun(100, func() { tr.Sample() }); n != 0 {
		t.Errorf("%g allocations", n)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Error(err)
	}
	h := http.NewServeMux()
	if tr.Handler(h) != http.Handler(h) {
		t.Error("the handler is wrapped for nobody")
	}
}
