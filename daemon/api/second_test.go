package api_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// TestVisibleWithinASecond sends on a plain connection and asks until it sees:
// what was sent is in an answer within a second, of every type. A machine that is
// busy elsewhere may take the processor away for as long, so the best of a few
// tries counts.
func TestVisibleWithinASecond(t *testing.T) {
	s := start(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, typ := range []string{"c", "g", "ms", "s"} {
		best := time.Hour
		for try := 1; try <= 5 && best > time.Second; try++ {
			name := fmt.Sprintf("seen.%s%d", typ, try)
			began := time.Now()
			if _, err := fmt.Fprintf(c, "%s:7|%s\n", name, typ); err != nil {
				t.Fatal(err)
			}
			for !strings.Contains(s.do(http.MethodGet, "/api/v1/metrics/"+name+"/history", "", "").body, `"points":[[`) {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("%s is never seen", name)
				}
				time.Sleep(time.Millisecond)
			}
			best = min(best, time.Since(began))
		}
		t.Logf("%s: seen after %v", typ, best)
		if best > time.Second {
			t.Errorf("%s is seen after %v", typ, best)
		}
	}
}

// TestBySecond follows a counter, a gauge and a timer of a running daemon over the
// ends of buckets: by the second they move within a bucket, and the seconds of
// each bucket come to what it says itself.
func TestBySecond(t *testing.T) {
	p := startPressed(t, "aggregate.resolution=5s")
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	history := func(name, step string, from, to int64) map[float64]float64 {
		t.Helper()
		r := p.do(http.MethodGet, fmt.Sprintf("/api/v1/metrics/%s/history?step=%s&from=%d&to=%d", name, step, from, to), "", "")
		var h api.History
		if err := json.Unmarshal([]byte(r.body), &h); err != nil || len(h.Series) != 1 {
			t.Fatal(err, r)
		}
		points := map[float64]float64{}
		for _, p := range h.Series[0].Points {
			points[p[0]] = p[1]
		}
		return points
	}
	send := func(n int) {
		t.Helper()
		if _, err := fmt.Fprintf(c, "live.c:%d|c\nlive.g:%d|g\nlive.t:%d|ms\n", n, n, n); err != nil {
			t.Fatal(err)
		}
	}
	send(1)
	first := time.Now().Unix() / 5 * 5
	// A question by the second has them followed; the first bucket of a process is
	// never told by the second, the two behind it are.
	for n := 2; time.Now().Unix() < first+16; n++ {
		send(n)
		time.Sleep(200 * time.Millisecond)
		if n%10 == 0 {
			for _, name := range []string{"live.c", "live.g", "live.t"} {
				history(name, "1s", first, first+20)
			}
		}
	}
	const whole = 5
	fine, coarse := history("live.c", "1s", first, first+14), history("live.c", "5s", first, first+14)
	sums := map[int64]float64{}
	inside := 0
	for at, v := range fine {
		sums[int64(at)/whole*whole] += v
		if int64(at)%whole != 0 {
			inside++
		}
	}
	for at, v := range coarse {
		if sums[int64(at)] != v {
			t.Errorf("the seconds of the bucket at +%g s sum up to %g, itself it says %g", at-float64(first), sums[int64(at)], v)
		}
	}
	// Seconds that a busy machine misses are told with the next; one in each whole
	// bucket is left in any case.
	if len(coarse) < 2 || inside < 2 {
		t.Errorf("by the second: %v; by the bucket: %v", fine, coarse)
	}
	if g := history("live.g", "1s", first, first+14); len(g) <= len(coarse) {
		t.Errorf("a gauge by the second: %v", g)
	}
	if d := history("live.t", "1s", first, first+14); len(d) <= len(coarse) {
		t.Errorf("a timer by the second: %v", d)
	}
	metrics := p.do(http.MethodGet, "/metrics", "", "").body
	for _, name := range []string{"nexus_live_bytes", "nexus_live_series", "nexus_live_points", "nexus_live_watched_series"} {
		if !strings.Contains(metrics, "\n"+name+" ") || strings.Contains(metrics, "\n"+name+" 0\n") {
			t.Errorf("%s says nothing", name)
		}
	}
	p.set("aggregate.window_bytes", "0B", 0)
	time.Sleep(1200 * time.Millisecond) // the next pass empties it
	if fine := history("live.c", "1s", first, first+14); len(fine) > len(coarse) {
		t.Errorf("once the window is off: %v", fine)
	}
}
