package badinput_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// p99 asks many times over one connection and returns the time that all but one
// in a hundred took at most.
func p99(t *testing.T, s *system) time.Duration {
	t.Helper()
	took := make([]time.Duration, 300)
	for i := range took {
		began := time.Now()
		status, _, _ := ask(t, s, "GET", "/health", "")
		if took[i] = time.Since(began); status != http.StatusOK {
			t.Fatalf("a good client gets %d", status)
		}
	}
	slices.Sort(took)
	return took[len(took)*99/100-1]
}

// unharmed compares a good client's P99 with what it was without the bad ones. What
// a busy machine adds to both is left out of account.
func unharmed(t *testing.T, before, beside time.Duration) {
	t.Helper()
	if t.Logf("a good client's P99 is %v, and was %v", beside, before); beside > 2*before+100*time.Millisecond {
		t.Errorf("a good client's P99 is %v, and was %v", beside, before)
	}
}

// dribble sends a beginning and then a piece now and again, and returns how long
// the daemon took to close, and what it said.
func dribble(t *testing.T, s *system, beginning, piece string, every time.Duration) (took time.Duration, said string) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer c.Close()
	began := time.Now()
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		_, err := io.WriteString(c, beginning)
		for err == nil {
			select {
			case <-stop:
				return
			case <-time.After(every):
				_, err = io.WriteString(c, piece)
			}
		}
	})
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
	b, err := io.ReadAll(c)
	close(stop)
	wait.Wait()
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("%.20q was not closed: %v", beginning, err)
	}
	return time.Since(began), string(b)
}

// slowSenders send heads and bodies a byte at a time. Each is ended in its time,
// whatever it has sent by then; what comes forward is taken.
func slowSenders(t *testing.T) {
	s := start(t, "ingest.line_timeout", "700ms", "ingest.min_rate", "200B")
	before, good := s.ledger(), p99(t, s)
	closedBefore := s.counter(t, `nexus_connections_closed_total{reason="slow_sender"}`)
	const head = "POST /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 90000\r\n"
	const again = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
	var wait sync.WaitGroup
	for name, c := range map[string]struct{ beginning, piece, says string }{
		"a method":       {"GE", "", ""},
		"a head":         {"GET /health HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n", ""},
		"a long head":    {"GET /health HTTP/1.1\r\nHost: localhost\r\nX-A: ", "b", ""},
		"HTTP/2":         {"PRI * HTTP/2.0\r\n\r\nSM\r\n", "", ""},
		"a body":         {head + "\r\na:1|c\n", "b", " 408 "},
		"chunks":         {strings.Replace(head, "Content-Length: 90000", "Transfer-Encoding: chunked", 1) + "\r\n", "1\r\na\r\n", " 408 "},
		"unwanted":       {strings.Replace(head, "text/plain", "image/png", 1) + "\r\n", "a", " 408 "},
		"not read":       {strings.Replace(head, "metrics HTTP", "unknown HTTP", 1) + "\r\n", "a", " 404 "},
		"another door":   {strings.Replace(head, "/api/v1/metrics", "/write", 1) + "\r\n", "a", " 408 "},
		"a second body":  {again + head + "\r\n", "a", " 408 "},
		"a form":         {strings.NewReplacer("/api/v1/metrics", "/metrics", "text/plain", "application/x-www-form-urlencoded", "90000", "9000").Replace(head) + "\r\n", "a", " 408 "},
		"an idle header": {"POST /api/v1/metrics HTTP/1.1\r\n", "", ""},
	} {
		wait.Add(10)
		for range 10 {
			go func() {
				defer wait.Done()
				took, said := dribble(t, s, c.beginning, c.piece, 50*time.Millisecond)
				if took < 500*time.Millisecond || took > 8*time.Second || !strings.Contains(said, c.says) {
					t.Errorf("%s: closed after %v with %.60q", name, took, said)
				}
			}()
		}
	}
	beside := p99(t, s)
	wait.Wait()
	unharmed(t, good, beside)
	if n := s.counter(t, `nexus_connections_closed_total{reason="slow_sender"}`) - closedBefore; n < 100 {
		t.Errorf("%v are counted", n)
	}
	aside := verdict{0, rejected("partial", 10)} // what had not become a method could have been a line
	s.comes(t, before, aside)
	// A body as slow as is permitted, and longer than the grace.
	c := dial(t, s)
	line := long("a.h01:1|c\n", 40)
	write(t, c, fmt.Sprintf("POST /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len(line)))
	for rest := line; len(rest) > 0; rest = rest[20:] {
		write(t, c, rest[:20])
		time.Sleep(50 * time.Millisecond)
	}
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusAccepted {
		t.Errorf("a body that comes forward: %v, %v", res, err)
	}
	aside.accepted = 40
	s.comes(t, before, aside)
	eventually(t, "the slots are free", func() bool { return s.counter(t, "nexus_connections_active") <= 4 })
}

// slowReaders ask for much and read nothing, over and over: each is let go, and what
// waits for them is bounded.
func slowReaders(t *testing.T) {
	s := start(t, "ingest.line_timeout", "500ms")
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "a.h02:1|c|#n:%d,long:%s\n", i, long("v", 500))
	}
	if status, body := s.post(t, "text/plain", lines.String()); status != http.StatusAccepted {
		t.Fatal(body)
	}
	const path = "/api/v1/metrics?name=a.h02&limit=1000"
	_, _, whole := ask(t, s, "GET", path, "")
	closedBefore := s.counter(t, `nexus_connections_closed_total{reason="slow_reader"}`)
	var conns []net.Conn
	const readers = 16
	for range readers {
		c := dial(t, s)
		if err := c.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		write(t, c, long("GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 60)) // 30 MB, more than a kernel takes
	}
	eventually(t, "the readers are let go", func() bool {
		return s.counter(t, `nexus_connections_closed_total{reason="slow_reader"}`)-closedBefore >= readers
	})
	eventually(t, "the slots are free", func() bool { return s.counter(t, "nexus_connections_active") <= 4 })
	var m runtime.MemStats
	runtime.GC()
	if runtime.ReadMemStats(&m); m.HeapAlloc > 300<<20 {
		t.Errorf("%d MiB are held", m.HeapAlloc>>20)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	// One that reads slowly, and goes forward, has all of it.
	c := dial(t, s)
	write(t, c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	got, piece := 0, make([]byte, 16<<10)
	for {
		n, err := c.Read(piece)
		if got += n; err != nil {
			if !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got < len(whole) {
		t.Errorf("a slow reader has %d bytes of %d", got, len(whole))
	}
}

// goneMidRequest breaks a connection at every place of a request. What had come
// whole may have been taken, and then the key finds it; else nothing was. Sent
// again, it is there once.
func goneMidRequest(t *testing.T) {
	s := start(t)
	before := s.ledger()
	const body = "a.h19:1|c\na.h19:1|c\nb.h19:2|g\n"
	request := func(key string) string {
		return fmt.Sprintf("POST /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
	}
	tries := uint64(0)
	for at := len("POST "); at <= len(request("h19-000")); at += 3 {
		for _, linger := range []int{0, -1} { // a reset, and a clean end
			tries++
			text := request(fmt.Sprintf("h19-%03d", tries))
			c := dial(t, s)
			if at = min(at, len(text)); at > len(text)-3 {
				at = len(text)
			}
			write(t, c, text[:at])
			_ = c.SetLinger(linger)
			_ = c.Close()
		}
	}
	for n := range tries {
		if status, _, answer := ask(t, s, "POST", "/api/v1/metrics", body, "Idempotency-Key", fmt.Sprintf("h19-%03d", n+1), "Content-Type", "text/plain"); status != http.StatusAccepted {
			t.Errorf("try %d, sent again: %d %s", n, status, answer)
		}
	}
	s.comes(t, before, verdict{accepted: 3 * tries})
	if v := s.last(t, "a.h19"); v != float64(2*tries) {
		t.Errorf("the counter is %v of %d", v, 2*tries)
	}
}
