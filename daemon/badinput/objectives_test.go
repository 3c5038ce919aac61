package badinput_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/slo"
)

// definition is a section [[slo]], sound but for what is replaced.
const definition = "[[slo]]\nname = \"a\"\ntarget = \"99.9\"\nwindow = \"30d\"\n[slo.ratio]\ngood = 'a{ok=\"1\"}'\ntotal = 'a'\n"

// load reads a settings' file as the daemon does.
func load(t *testing.T, text string) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nexus.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Resolve(config.Source{Path: file, Getenv: func(string) string { return "" }})
	return err
}

// TestObjectives has the rows about objectives. Those about rules, incidents and
// alerts have no counterpart yet; docs/bad-inputs.md says which.
func TestObjectives(t *testing.T) {
	t.Run("Q07", func(t *testing.T) {
		if err := load(t, definition); err != nil {
			t.Fatal(err)
		}
		for _, target := range []string{"0", "100", "-1", "NaN", "nan", "Inf", "1e400", "0x1p4", "101", "", "99,9", "100.0", "-0"} {
			if err := load(t, strings.Replace(definition, `"99.9"`, fmt.Sprintf("%q", target), 1)); err == nil || !strings.Contains(err.Error(), "target") {
				t.Errorf("target %q: %v", target, err)
			}
		}
		// 1 and 1.5 are percentages, and whole ones of no use: they are allowed.
		for _, target := range []string{"1", "1.5"} {
			if err := load(t, strings.Replace(definition, `"99.9"`, fmt.Sprintf("%q", target), 1)); err != nil {
				t.Errorf("target %q: %v", target, err)
			}
		}
		for _, window := range []string{"0", "0s", "0d", "-1d", "-30d", "1ns", "NaN", "", "1e9d", "99999999d"} {
			if err := load(t, strings.Replace(definition, `"30d"`, fmt.Sprintf("%q", window), 1)); err == nil || !strings.Contains(err.Error(), "window") {
				t.Errorf("window %q: %v", window, err)
			}
		}
		if err := load(t, definition+"burn = [\"1h\", \"5m\"]\n"); err == nil {
			t.Error("windows of burn rates are taken, and are not settings")
		}
	})
	t.Run("Q08", func(t *testing.T) {
		if err := load(t, definition+definition); err == nil || !strings.Contains(err.Error(), "slo[0] has it") {
			t.Errorf("a name that stands twice: %v", err)
		}
		if err := load(t, definition+"[[rule]]\nrecord = \"a\"\nexpr = \"a\"\n"); err == nil {
			t.Error("a rule that records itself is taken")
		}
	})
	t.Run("Q10", clockJumps)
	t.Run("Q11", lateData)
}

// standing is what is read of an objective.
type standing struct {
	State      string                          `json:"state"`
	SLIPrinted string                          `json:"sli_printed"`
	Events     struct{ Total json.RawMessage } `json:"events"`
}

// objective is how one stands now.
func (s *system) objective(t *testing.T, name string) standing {
	t.Helper()
	return get[struct{ Compliance standing }](t, s, "/api/v1/slos/"+name).Compliance
}

// watched starts a daemon with an objective over a and a clock that can be moved.
func watched(t *testing.T) (s *system, clock *atomic.Int64) {
	clock = new(atomic.Int64)
	s = startWith(t, func() time.Time { return time.Now().Add(time.Duration(clock.Load())) },
		[]slo.Definition{{Name: "a", Target: "90", Window: "30d", Ratio: &slo.Ratio{Good: slo.Selectors{`a{ok="1"}`}, Total: slo.Selectors{"a"}}}}, "ingest.past", "48h")
	return s, clock
}

// clockJumps moves the clock in the middle of a window. Every event counts once, by
// the clock at which it came; those that lie ahead of a clock that was set back count
// when it reaches them, and no share of bad ones comes of it that was not sent.
func clockJumps(t *testing.T) {
	s, clock := watched(t)
	before := s.ledger()
	sends := 0
	at := func(d time.Duration) {
		clock.Store(int64(d))
		stored := s.counter(t, "nexus_flushes_total")
		eventually(t, "a bucket of the new time", func() bool { return s.counter(t, "nexus_flushes_total") >= stored+2 })
	}
	send := func(d time.Duration) {
		at(d)
		sends++
		pour(t, "tcp", s.addr, "a:9|c|#ok:1\na:1|c|#ok:0\n")
		s.comes(t, before, verdict{accepted: uint64(2 * sends)})
	}
	counts := func(what string, want int) {
		t.Helper()
		var o standing
		for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if o = s.objective(t, "a"); string(o.Events.Total) == fmt.Sprint(want) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s count, want %d", what, o.Events.Total, want)
			}
		}
		if o.SLIPrinted != "90.00" || o.State != "met" {
			t.Errorf("%s: %s, %s", what, o.SLIPrinted, o.State)
		}
	}
	send(0)
	counts("what was sent before", 10)
	send(time.Hour)
	counts("an hour ahead: all of it", 20)
	send(-time.Hour)
	counts("an hour back: what the clock has reached", 10)
	at(time.Hour + 5*time.Second)
	counts("the clock has caught up: all of it, once", 30)
	const month = 30 * 24 * time.Hour // the objective's window
	send(month + 3*time.Hour)
	counts("a month ahead: what is of that month", 10)
	send(-month + 24*time.Hour)
	counts("a month back: what the clock has reached", 10)
	at(time.Hour + 10*time.Second)
	counts("now: all that a month holds, nothing of what lies ahead", 40)
	at(month + 3*time.Hour + 10*time.Second)
	counts("the clock has caught up with the month", 10)
	s.comes(t, before, verdict{accepted: uint64(2 * sends)})
}

// lateData comes after the count was made: it counts in its own time.
func lateData(t *testing.T) {
	s, _ := watched(t)
	before := s.ledger()
	pour(t, "tcp", s.addr, "a:8|c|#ok:1\na:2|c|#ok:0\n")
	s.comes(t, before, verdict{accepted: 2})
	eventually(t, "the first count", func() bool { return s.objective(t, "a").SLIPrinted == "80.00" })
	at := time.Now().Add(-3 * time.Hour).Unix()
	pour(t, "tcp", s.addr, fmt.Sprintf("a:10|c|#ok:1|T%d\n", at))
	s.comes(t, before, verdict{accepted: 3})
	eventually(t, "the late ones", func() bool { return s.objective(t, "a").SLIPrinted == "90.00" })
	pour(t, "tcp", s.addr, fmt.Sprintf("a:10|c|#ok:1|T%d\n", time.Now().Add(-49*time.Hour).Unix()))
	s.comes(t, before, verdict{3, rejected("too_old", 1)})
	if got := s.objective(t, "a").SLIPrinted; got != "90.00" {
		t.Errorf("what is too old counts: %s", got)
	}
}
