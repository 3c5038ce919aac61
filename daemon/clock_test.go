package daemon

import (
	"testing"
	"time"
)

// TestReadyClock doubts steps of the clock for a minute, and nothing smaller.
func TestReadyClock(t *testing.T) {
	begin := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		last int64         // of the log
		step time.Duration // after ten seconds
		code string
	}{
		"a quiet clock":            {0, 0, ""},
		"a correction":             {0, 5 * time.Second, ""},
		"a correction back":        {0, -5 * time.Second, ""},
		"a step":                   {0, 5*time.Second + time.Millisecond, "clock_stepped"},
		"a step back":              {0, -time.Hour, "clock_stepped"},
		"thirty days":              {0, 30 * 24 * time.Hour, "clock_stepped"},
		"the log's last time":      {begin.UnixMilli() + 5000, 0, ""},
		"behind the log":           {begin.UnixMilli() + 5001, 0, "clock_behind"},
		"behind, and then stepped": {begin.UnixMilli() + 3_600_000, time.Hour, "clock_stepped"},
	} {
		var w clockWatch
		w.start(begin, 0, c.last)
		for s := time.Second; s <= 9*time.Second; s += time.Second {
			if w.look(begin.Add(s), s) {
				t.Errorf("%s: set, at second %v", name, s)
			}
		}
		if stepped := w.look(begin.Add(10*time.Second+c.step), 10*time.Second); stepped != (c.step.Abs() > 5*time.Second) {
			t.Errorf("%s: set: %v", name, stepped)
		}
		code := func(at time.Duration) string {
			for _, r := range w.reasons(at) {
				return r.Code
			}
			return ""
		}
		if got := code(59 * time.Second); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
		if got := code(70 * time.Second); got != "" {
			t.Errorf("%s: after a minute %q", name, got)
		}
		if counted := w.count() > 0; counted != (c.code != "") {
			t.Errorf("%s: %d are counted", name, w.count())
		}
	}
}
