package badinput_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// heavy is a question that takes a while over the series that fill brings.
const heavy = "/prometheus/api/v1/query_range?start=%d&end=%d&step=1&query="

func heavyPath(now time.Time) string {
	return fmt.Sprintf(heavy, now.Unix()-9000, now.Unix()) + url.QueryEscape(`sum by (n) (rate(a_q04_total[1h])) / on (n) (max_over_time(a_q04_total[1h]) + 1)`)
}

// fill brings what is asked about.
func (s *system) fill(t *testing.T) {
	t.Helper()
	var lines strings.Builder
	for i := range 150 {
		fmt.Fprintf(&lines, "a.q04:1|c|#n:%d\n", i)
	}
	if status, body := s.post(t, "text/plain", lines.String()); status != http.StatusAccepted {
		t.Fatal(body)
	}
}

// outcome is how one question ended.
type outcome struct {
	status int
	again  string // Retry-After
	took   time.Duration
}

// question asks as the client that a PROXY header states, "" for none, and reads
// the answer's head.
func question(ctx context.Context, s *system, client, path string) (o outcome, err error) {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return o, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	began, header := time.Now(), ""
	if client != "" {
		header = "PROXY TCP4 " + client + " 127.0.0.1 1 2\r\n"
		if strings.Contains(client, ":") {
			header = "PROXY TCP6 " + client + " ::1 1 2\r\n"
		}
	}
	if _, err := fmt.Fprintf(c, "%sGET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", header, path); err != nil {
		return o, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return o, err
	}
	_ = res.Body.Close()
	return outcome{res.StatusCode, res.Header.Get("Retry-After"), time.Since(began)}, nil
}

// crowd asks as many times at once, and goes on until end.
type crowd struct {
	end      func() map[int]int // how often each status was answered
	statuses chan outcome
}

func (s *system) crowd(t *testing.T, n int, client func(i int) string, path string) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	k := &crowd{statuses: make(chan outcome, n)}
	var wait sync.WaitGroup
	for i := range n {
		wait.Go(func() {
			if o, err := question(ctx, s, client(i), path); err == nil {
				k.statuses <- o
			} else if ctx.Err() == nil {
				t.Error(err)
			}
		})
	}
	k.end = func() map[int]int {
		cancel()
		wait.Wait()
		close(k.statuses)
		counts := map[int]int{}
		for o := range k.statuses {
			counts[o.status]++
			if (o.status == http.StatusTooManyRequests || o.status == http.StatusServiceUnavailable) && o.again == "" {
				t.Error("a refusal does not say when to come again")
			}
		}
		return counts
	}
	return k
}

// ingestP99 is how long a good client waits for lines to be taken.
func ingestP99(t *testing.T, s *system) time.Duration {
	t.Helper()
	took := make([]time.Duration, 100)
	for i := range took {
		began := time.Now()
		if status, body := s.post(t, "text/plain", "b.q04:1|c\n"); status != http.StatusAccepted {
			t.Fatal(body)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)*99/100-1]
}

// manyQuestions is Q04: a thousand heavy questions at once, of one client, while
// others send and ask.
func manyQuestions(t *testing.T) {
	s := start(t, "server.proxy_from", "127.0.0.1", "query.concurrency", "2", "query.max_waiting", "100")
	s.fill(t)
	before, quiet := s.ledger(), ingestP99(t, s)
	path := heavyPath(time.Now())
	k := s.crowd(t, 1000, func(int) string { return "10.0.0.1" }, path)
	eventually(t, "the queue fills", func() bool {
		return s.counter(t, `nexus_query_refused_total{reason="address"}`) > 0 && s.counter(t, "nexus_query_running") == 2
	})
	unharmed(t, quiet, ingestP99(t, s))
	if n := s.counter(t, "nexus_query_waiting"); n > 50 {
		t.Errorf("%v wait, of one client", n)
	}
	// Another client is next, however many of the first one's wait.
	o, err := question(t.Context(), s, "10.0.0.2", "/prometheus/api/v1/query?query=1")
	if err != nil || o.status != http.StatusOK {
		t.Errorf("another client: %+v, %v", o, err)
	}
	waiting := s.counter(t, "nexus_query_waiting")
	t.Logf("another client is answered after %v, while %v wait", o.took, waiting)
	for _, path := range []string{"/health", "/api/v1/ledger", "/api/v1/overview"} {
		if status, _, body := ask(t, s, "GET", path, ""); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	counts := k.end()
	if counts[http.StatusTooManyRequests] < 900 || counts[http.StatusServiceUnavailable] != 0 {
		t.Errorf("%v", counts)
	}
	eventually(t, "nobody waits, and nothing is on its way", func() bool {
		return s.counter(t, "nexus_query_waiting")+s.counter(t, "nexus_query_running")+s.counter(t, "nexus_query_answer_bytes") == 0
	})
	s.comes(t, before, verdict{accepted: 200})
	// Of many clients at once the queue itself is the bound.
	k = s.crowd(t, 400, func(i int) string { return fmt.Sprintf("10.0.1.%d", i%200) }, path)
	eventually(t, "the queue is full", func() bool { return s.counter(t, `nexus_query_refused_total{reason="full"}`) > 0 })
	if n := s.counter(t, "nexus_query_waiting"); n > 100 {
		t.Errorf("%v wait", n)
	}
	if counts := k.end(); counts[http.StatusServiceUnavailable] == 0 {
		t.Errorf("%v", counts)
	}
}

// walkedNetwork is H22, as far as there is something to limit: a client that takes
// another address of its network for each question is one client.
func walkedNetwork(t *testing.T) {
	s := start(t, "server.proxy_from", "127.0.0.1", "query.concurrency", "1", "query.max_waiting", "20")
	s.fill(t)
	k := s.crowd(t, 60, func(i int) string { return fmt.Sprintf("2001:db8::%x:1", i+1) }, heavyPath(time.Now()))
	eventually(t, "the network has its share", func() bool { return s.counter(t, `nexus_query_refused_total{reason="address"}`) >= 45 })
	if o, err := question(t.Context(), s, "2001:db8:0:1::1", "/prometheus/api/v1/query?query=1"); err != nil || o.status != http.StatusOK {
		t.Errorf("the network beside it: %+v, %v", o, err)
	}
	if counts := k.end(); counts[http.StatusTooManyRequests] < 45 {
		t.Errorf("%v", counts)
	}
}
