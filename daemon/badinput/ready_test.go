package badinput_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestReadyTellsOfTheClock sets the clock of a running daemon.
func TestReadyTellsOfTheClock(t *testing.T) {
	var step atomic.Int64
	s := startAt(t, func() time.Time { return time.Now().Add(time.Duration(step.Load())) })
	if status, _, body := ask(t, s, "GET", "/ready", ""); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "the clock is watched", func() bool { return s.counter(t, "nexus_uptime_seconds") > 1.5 })
	step.Store(int64(time.Hour))
	eventually(t, "the step is told", func() bool {
		status, _, body := ask(t, s, "GET", "/ready", "")
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"clock_stepped"`)
	})
	if n := s.counter(t, "nexus_clock_steps_total"); n != 1 {
		t.Errorf("%v are counted", n)
	}
	if status, _, body := ask(t, s, "GET", "/health", ""); status != http.StatusOK {
		t.Errorf("health: %d %s", status, body)
	}
}
