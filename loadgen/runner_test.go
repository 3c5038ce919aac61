package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/protocol/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a server that reads lines. first runs on each connection before it.
type peer struct {
	addr  string
	wg    sync.WaitGroup
	mu    sync.Mutex
	lines []byte // those that came whole
	rest  int    // bytes of lines that did not
	ends  int    // connections that were read to their end
}

func newPeer(t *testing.T, first func(net.Conn) (goOn bool)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{addr: l.Addr().String()}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() {
				defer c.Close()
				if first == nil || first(c) {
					p.read(c)
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.wg.Wait() })
	return p
}

func (p *peer) read(c net.Conn) {
	b, _ := io.ReadAll(c) // cut connections are what some tests are about
	p.mu.Lock()
	defer p.mu.Unlock()
	whole := bytes.LastIndexByte(b, '\n') + 1
	p.lines = append(p.lines, b[:whole]...)
	p.rest += len(b) - whole
	p.ends++
}

// arrived returns the whole lines of connections that have ended, and how many
// bytes there were besides.
func (p *peer) arrived() (lines []byte, rest int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines, p.rest
}

// waitEnds waits until n connections were read to their end.
func waitEnds(t *testing.T, p *peer, n int) {
	t.Helper()
	for range 500 {
		p.mu.Lock()
		ends := p.ends
		p.mu.Unlock()
		if ends == n {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d connections were not read to their end", n)
}

func constant(rate float64, length time.Duration) Pacer {
	p, err := Profile("constant", rate, length)
	if err != nil {
		panic(err)
	}
	return p
}

// TestRunIsExact: result, account and what arrived agree, however it was sent.
func TestRunIsExact(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		sent int64 // -1: any
	}{
		{"text", Options{Pacer: constant(20_000, 500*time.Millisecond), Connections: 3}, 10_000},
		{"json", Options{Pacer: constant(20_000, 500*time.Millisecond), Connections: 2, Shape: Shape{Format: JSON, Tags: 2}}, 10_000},
		{"prerendered", Options{Pacer: constant(300_000, 500*time.Millisecond), Connections: 2, Prerendered: true, Shape: Shape{Series: 100}}, 150_000},
		{"many connections", Options{Pacer: constant(20_000, time.Second), Connections: 500}, 20_000},
		{"fewer sends than connections", Options{Pacer: constant(5, 400*time.Millisecond), Connections: 50}, 2},
		{"unpaced", Options{Pacer: Unpaced(50 * time.Millisecond), Connections: 2, Shape: Shape{Series: 50}}, -1},
		{"unpaced prerendered", Options{Pacer: Unpaced(50 * time.Millisecond), Connections: 2, Prerendered: true}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPeer(t, nil)
			c.o.Addr = p.addr
			r, a, err := Run(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Errors != 0 || r.Missed != 0 || (c.sent >= 0 && r.Sent != c.sent) {
				t.Fatalf("%+v", r)
			}
			lines, rest := p.arrived()
			if r.Sent != wholeLines(lines) || r.Bytes != int64(len(lines)) || rest != 0 {
				t.Fatalf("sent %d lines in %d bytes, %d in %d arrived and %d bytes more", r.Sent, r.Bytes, wholeLines(lines), len(lines), rest)
			}
			if r.Sent == 0 || r.LatencyMS.Max <= 0 || r.WriteMS.Max <= 0 {
				t.Fatalf("nothing was measured: %+v", r)
			}
			got := received{}
			got.read(t, lines)
			got.same(t, a)
		})
	}
}

// TestStallShows: a server that reads nothing for a second is a second of
// latency for what was due meanwhile, though only a few writes had to wait.
func TestStallShows(t *testing.T) {
	const stall = time.Second
	p := newPeer(t, func(net.Conn) bool {
		time.Sleep(stall)
		return true
	})
	o := Options{Addr: p.addr, Pacer: constant(600_000, 2*time.Second), Connections: 1, Prerendered: true}
	r, _, err := Run(t.Context(), o)
	if err != nil || r.Errors != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.LatencyMS.P99 < 900 || r.LatencyMS.Max < 920 || r.LatencyMS.P95 < 800 {
		t.Errorf("the stall is hidden: %+v", r.LatencyMS)
	}
	if r.WriteMS.P99 > 300 {
		t.Errorf("the naive figure is expected not to show it: %+v", r.WriteMS)
	}
	if r.Sent != o.Pacer.Total() || r.Missed != 0 {
		t.Errorf("sent %d, missed %d: what was owed was not made up for", r.Sent, r.Missed)
	}
}

// TestMissed: what could not be made by the end, and a little after, is missed,
// and counts with the time it had waited. The write that is under way then is given the
// time that a daemon on a busy machine takes for it, and is whole.
func TestMissed(t *testing.T) {
	release := make(chan struct{})
	p := newPeer(t, func(net.Conn) bool {
		<-release
		return true
	})
	time.AfterFunc(500*time.Millisecond+catchUp+6*time.Second, func() { close(release) })
	o := Options{Addr: p.addr, Pacer: constant(2_000_000, 500*time.Millisecond), Connections: 2}
	r, a, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Missed == 0 || r.Sent+r.Missed != o.Pacer.Total() || r.Errors != 0 {
		t.Errorf("sent %d, missed %d of %d, errors %d (%s)", r.Sent, r.Missed, o.Pacer.Total(), r.Errors, r.Error)
	}
	if r.LatencyMS.P50 < float64(catchUp.Milliseconds()) {
		t.Errorf("missed sends are left out of the latency: %+v", r.LatencyMS)
	}
	waitEnds(t, p, 2)
	lines, rest := p.arrived()
	if r.Sent != wholeLines(lines) || rest != 0 {
		t.Errorf("sent %d, %d arrived and %d bytes more", r.Sent, wholeLines(lines), rest)
	}
	got := received{}
	got.read(t, lines)
	got.same(t, a)
}

// TestInterrupted: an early end is told as it was.
func TestInterrupted(t *testing.T) {
	p := newPeer(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	r, a, err := Run(ctx, Options{Addr: p.addr, Pacer: constant(50_000, time.Minute), Connections: 4})
	if err != nil || !r.Interrupted || time.Since(begun) > 5*time.Second {
		t.Fatalf("%+v, %v after %s", r, err, time.Since(begun))
	}
	lines, rest := p.arrived()
	if r.Sent < 5_000 || r.Sent != wholeLines(lines) || rest != 0 || r.DurationS > 1 {
		t.Errorf("sent %d in %.3f s, %d arrived and %d bytes more", r.Sent, r.DurationS, wholeLines(lines), rest)
	}
	got := received{}
	got.read(t, lines)
	got.same(t, a)
}

// TestFailedConnection: a connection that is cut is an error, and what it still
// had to send is missed.
func TestFailedConnection(t *testing.T) {
	var once sync.Once
	p := newPeer(t, func(c net.Conn) (goOn bool) {
		goOn = true
		once.Do(func() {
			goOn = false
			_, _ = io.ReadFull(c, make([]byte, 1000))
			_ = c.(*net.TCPConn).SetLinger(0)
		})
		return goOn
	})
	o := Options{Addr: p.addr, Pacer: constant(20_000, 500*time.Millisecond), Connections: 2}
	r, _, err := Run(t.Context(), o)
	if err != nil || r.Errors != 1 || r.Error == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Missed < 3_000 || r.Sent+r.Missed != o.Pacer.Total() {
		t.Errorf("sent %d, missed %d of %d", r.Sent, r.Missed, o.Pacer.Total())
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, _, err = Run(t.Context(), Options{Addr: l.Addr().String(), Pacer: constant(1, time.Second), Connections: 100})
	if !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("%v", err)
	}
}

func TestTooManyFiles(t *testing.T) {
	err := allowFiles(1 << 40)
	if err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("%v", err)
	}
}

func TestProgress(t *testing.T) {
	p := newPeer(t, nil)
	var all []Progress
	r, _, err := Run(t.Context(), Options{
		Addr: p.addr, Pacer: constant(10_000, 300*time.Millisecond), Connections: 1,
		Progress: func(p Progress) { all = append(all, p) }, ProgressEvery: 50 * time.Millisecond,
	})
	if err != nil || len(all) < 3 {
		t.Fatalf("%d reports, %v", len(all), err)
	}
	last := all[len(all)-1]
	if last.Sent != r.Sent || last.Due != r.Sent || last.Elapsed < last.Total || all[1].TargetRate != 10_000 {
		t.Errorf("%+v", all)
	}
}

// TestResultShape: the fields that scripts rely on.
func TestResultShape(t *testing.T) {
	b, err := json.Marshal(Result{Verify: &Verdict{}})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	has := func(m map[string]any, names ...string) {
		for _, n := range names {
			if _, ok := m[n]; !ok {
				t.Errorf("%s is missing among %v", n, slices.Sorted(maps.Keys(m)))
			}
		}
	}
	has(m, "sent", "acked", "bytes", "duration_s", "rate", "target_rate", "missed", "errors", "latency_ms", "verify", "sender_cpu_s_per_million")
	has(m["latency_ms"].(map[string]any), "p50", "p95", "p99", "max")
	has(m["verify"].(map[string]any), "ok", "expected", "stored", "lost", "duplicated")
}
