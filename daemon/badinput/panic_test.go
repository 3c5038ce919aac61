package badinput_test

import (
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// handlerPanics has a handler panic in the middle of its work: by the clock, which
// the daemon asks everywhere, and which fails where a handler asks it.
func handlerPanics(t *testing.T) {
	var armed atomic.Bool
	s := startAt(t, func() time.Time {
		if armed.Load() && calledBy("daemon/api.(*Server).promQuery") {
			panic("a slip in /very/secret/place.go:42")
		}
		return time.Now()
	})
	before, counted := s.ledger(), s.counter(t, "nexus_panics_total")
	armed.Store(true)
	const n = 20
	for range n {
		status, header, body := ask(t, s, "GET", "/prometheus/api/v1/query?query=up", "", "X-Request-Id", "h28")
		if status != http.StatusInternalServerError || header.Get("X-Request-Id") != "h28" || header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%d %v %s", status, header, body)
		}
		for _, secret := range []string{"secret", ".go", "goroutine", "panic", "slip"} {
			if strings.Contains(body, secret) {
				t.Fatalf("%q is told: %s", secret, body)
			}
		}
	}
	armed.Store(false)
	if got := s.counter(t, "nexus_panics_total") - counted; got != n {
		t.Errorf("%v panics are counted", got)
	}
	if got := s.counter(t, `nexus_api_requests_total{method="GET",route="/prometheus/api/v1/query",status="500"}`); got != n {
		t.Errorf("%v requests are counted", got)
	}
	if status, _, body := ask(t, s, "GET", "/prometheus/api/v1/query?query=up", ""); status != http.StatusOK {
		t.Errorf("the next one: %d %s", status, body)
	}
	pour(t, "tcp", s.addr, "a.h28:1|c\n")
	s.comes(t, before, verdict{accepted: 1})
}

// calledBy reports a function on the stack.
func calledBy(name string) bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, name) {
			return true
		}
		if !more {
			return false
		}
	}
}
