package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestParseLevels(t *testing.T) {
	for _, c := range []struct {
		in, want string
		faults   []string
	}{
		{"info", "info", nil},
		{"DEBUG", "debug", nil},
		{"info,storage=debug", "info,storage=debug", nil},
		{"nexus=warn, api=debug", "warn,api=debug", nil},
		{"storage=debug", "info,storage=debug", nil},
		{"loud", "", []string{`"loud" is no level`}},
		{"info,storag=debug,api=noisy", "", []string{`"storag" is no component`, `"noisy" is no level`}},
		{"", "", []string{`"" is no level`}},
	} {
		got, err := ParseLevels(c.in)
		for _, fault := range c.faults {
			if err == nil || !strings.Contains(err.Error(), fault) {
				t.Errorf("%q: %v, want %q in it", c.in, err, fault)
			}
		}
		if len(c.faults) == 0 && (err != nil || got.String() != c.want) {
			t.Errorf("%q: %q, %v; want %q", c.in, got, err, c.want)
		}
	}
}

func levels(t *testing.T, s string) Levels {
	t.Helper()
	l, err := ParseLevels(s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestLevelsChangeLive changes the levels under loggers that exist.
func TestLevelsChangeLive(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, true, levels(t, "info,storage=debug"))
	store, api := log.With(Component, "storage"), log.With(Component, "api")
	store.Debug("one")
	api.Debug("two")
	log.SetLevels(levels(t, "error,api=debug"))
	store.Info("three")
	api.Debug("four")
	log.Warn("five")
	var got []string
	for line := range strings.Lines(out.String()) {
		var m struct{ Msg, Component string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Msg+" of "+m.Component)
	}
	if want := "[one of storage four of api]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestRepeats writes one line many times: the first ones stand, the first of
// the next span says how many did not, and other lines are not touched.
func TestRepeats(t *testing.T) {
	var out bytes.Buffer
	log := New(&out, false, levels(t, "info"))
	now := time.Unix(1_700_000_000, 0)
	log.sampler.now = func() time.Time { return now }
	for range burst + 25 {
		log.Warn("the store is away")
	}
	log.Info("other")
	if n := strings.Count(out.String(), "the store is away"); n != burst {
		t.Errorf("%d lines of one kind, want %d", n, burst)
	}
	if !strings.Contains(out.String(), "other") || log.Suppressed() != 25 {
		t.Errorf("suppressed %d: %s", log.Suppressed(), out.String())
	}
	out.Reset()
	now = now.Add(span)
	log.Warn("the store is away")
	if !strings.Contains(out.String(), "repeated=25") {
		t.Errorf("the next line does not say what was left out: %s", out.String())
	}
}

func TestDurationsAreReadable(t *testing.T) {
	var out bytes.Buffer
	New(&out, true, levels(t, "info")).Info("x", "took", 1500*time.Millisecond)
	if !strings.Contains(out.String(), `"took":"1.5s"`) {
		t.Error(out.String())
	}
}

func BenchmarkDisabled(b *testing.B) {
	log := New(&bytes.Buffer{}, true, Levels{Default: slog.LevelInfo}).With(Component, "api")
	b.ReportAllocs()
	for b.Loop() {
		log.Debug("request", "status", 200)
	}
}
