package bench

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAskCountsWhatWaits: an answer that stalls makes the requests behind it late too,
// though each of them is answered at once. A client that waited with its clock stopped
// would see one late answer alone.
func TestAskCountsWhatWaits(t *testing.T) {
	var asked atomic.Int64
	const stall = 400 * time.Millisecond
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if n := asked.Add(1); n > 20 && n <= 20+askers {
			time.Sleep(stall)
		}
	}))
	defer s.Close()
	r, err := askAgain(t.Context(), strings.TrimPrefix(s.URL, "http://"), always("/"), 200, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	// 80 requests were due while nothing was answered: they waited 200 ms on average.
	if r.Ops != 200 || r.LatencyMS.P99 < 300 || r.LatencyMS.P95 < 200 || r.LatencyMS.Max < 399 {
		t.Errorf("%d requests, %+v", r.Ops, *r.LatencyMS)
	}
}

func TestAskFails(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	addr := strings.TrimPrefix(s.URL, "http://")
	if _, err := askAgain(t.Context(), addr, always("/gone"), 100, 100*time.Millisecond); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := askAgain(ctx, addr, always("/"), 100, 100*time.Millisecond); err == nil {
		t.Error("a stopped measurement has a result")
	}
}

func TestAPIFaults(t *testing.T) {
	pair := func(idle, beside Latency) []Result {
		return []Result{{Name: "api/point/idle", LatencyMS: &idle}, {Name: "api/point/beside", LatencyMS: &beside}}
	}
	for name, c := range map[string]struct {
		results []Result
		faults  int
	}{
		"kept":         {pair(Latency{P95: 0.5, P99: 1}, Latency{P95: 0.99, P99: 2}), 0},
		"P95":          {pair(Latency{P95: 0.5, P99: 1}, Latency{P95: 1, P99: 2}), 1},
		"P99 to idle":  {pair(Latency{P95: 0.5, P99: 1}, Latency{P95: 0.9, P99: 2.1}), 1},
		"P99":          {pair(Latency{P95: 0.5, P99: 4.5}, Latency{P95: 0.9, P99: 5}), 1},
		"all":          {pair(Latency{P95: 0.5, P99: 1}, Latency{P95: 3, P99: 9}), 3},
		"idle is free": {[]Result{{Name: "api/point/idle", LatencyMS: &Latency{P95: 9, P99: 9}}}, 0},
	} {
		if got := APIFaults(c.results); len(got) != c.faults {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestColdAsks: each asks for another counter, none twice in any of the four rounds, and
// with too few series nobody is asked so.
func TestColdAsks(t *testing.T) {
	o := APIOptions{Length: time.Second, Rate: 10, Series: 1000}
	seen := map[string]bool{metricPath + apiSeries: true}
	for _, state := range []string{"idle", "beside"} {
		asks := o.apiAsks(time.Now(), state)
		if len(asks) != 7 {
			t.Fatalf("%s: %d kinds", state, len(asks))
		}
		for _, a := range asks[5:] {
			for n := range 10 {
				name, _, _ := strings.Cut(strings.TrimPrefix(a.path(n), metricPath), "/")
				if seen[name] || !strings.HasPrefix(name, "load.counter.") || !strings.HasSuffix(name, "0") && !strings.HasSuffix(name, "5") {
					t.Errorf("%s, %s %d: %s", state, a.name, n, a.path(n))
				}
				seen[name] = true
			}
		}
	}
	o.Series = 200
	if n := len(o.apiAsks(time.Now(), "idle")); n != 5 {
		t.Errorf("of 200 series %d kinds are asked", n)
	}
}
