package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"
	"pgregory.net/rapid"

	"example.com/nexusctl/protocol/api"
)

// checkScreen holds what every frame must: it fits, and nothing but our own
// colours steers the terminal.
func checkScreen(screen string, w, h int) error {
	lines := strings.Split(screen, "\n")
	if len(lines) > h {
		return fmt.Errorf("%d lines on %d", len(lines), h)
	}
	for i, line := range lines {
		if n := ansi.StringWidth(line); n > w {
			return fmt.Errorf("line %d is %d cells on %d: %q", i, n, w, line)
		}
		for _, r := range ansi.Strip(line) {
			if !unicode.IsPrint(r) {
				return fmt.Errorf("line %d holds %U", i, r)
			}
		}
		if !onlyColours(line) {
			return fmt.Errorf("line %d steers the terminal: %q", i, line)
		}
	}
	return nil
}

// onlyColours reports whether every escape in the line is of the form ESC [ … m.
func onlyColours(line string) bool {
	for _, part := range strings.Split(line, "\x1b")[1:] {
		end := strings.IndexFunc(part, func(r rune) bool { return r != '[' && r != ';' && (r < '0' || r > '9') })
		if !strings.HasPrefix(part, "[") || end < 0 || part[end] != 'm' {
			return false
		}
	}
	return true
}

// TestEverySize draws every page on both sides of every size at which the
// layout changes.
func TestEverySize(t *testing.T) {
	o := options(overview(t))
	o.Profile = termenv.TrueColor
	for _, keys := range []string{"", "z", "1z", "2z", "4z", "5", "?", "/prod", "G"} {
		m := press(model(t, o, 80, 24), keys)
		for _, w := range []int{1, 20, 39, 40, 59, 60, 63, 64, 71, 72, 80, 99, 100, 103, 104, 108, 120, 170} {
			for _, h := range []int{1, 2, 11, 12, 13, 18, 19, 24, 30, 40, 53, 60} {
				if err := checkScreen(send(m, tea.WindowSizeMsg{Width: w, Height: h}).View(), w, h); err != nil {
					t.Fatalf("%q at %dx%d: %v", keys, w, h, err)
				}
			}
		}
	}
}

// TestFrameIsFull: from the least size on, all lines are drawn, each as wide
// as the terminal: nothing of an earlier frame stays.
func TestFrameIsFull(t *testing.T) {
	m := model(t, options(overview(t)), 80, 24)
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(40, 300).Draw(t, "w"), rapid.IntRange(12, 120).Draw(t, "h")
		lines := strings.Split(send(m, tea.WindowSizeMsg{Width: w, Height: h}).View(), "\n")
		if len(lines) != h {
			t.Fatalf("%d lines on %d", len(lines), h)
		}
		for i, line := range lines {
			if n := ansi.StringWidth(line); n != w {
				t.Fatalf("line %d is %d cells on %d: %q", i, n, w, line)
			}
		}
	})
}

// text makes strings of a hostile or broken server.
func text() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringMatching(`[a-z.]{0,30}`), rapid.String(),
		rapid.StringOf(rapid.RuneFrom([]rune("\x1b[2J]0;\x07\u202e\u200d\ufe0f\u0301宽👩🇩🇪\n\tำᄒ"))))
}

// anyOverview makes answers that no honest daemon gives.
func anyOverview() *rapid.Generator[api.Overview] {
	return rapid.Custom(func(t *rapid.T) api.Overview {
		s, f, n := text(), rapid.Float64(), rapid.Uint64()
		counts := rapid.MapOfN(s, n, 0, 4)
		values := rapid.SliceOfN(f, 0, 80)
		latency := &api.Latency{P50: f.Draw(t, "p50"), P95: f.Draw(t, "p95"), P99: f.Draw(t, "p99")}
		last := f.Draw(t, "last")
		return api.Overview{
			At:     f.Draw(t, "at"),
			Server: api.Server{Version: s.Draw(t, "version"), UptimeS: f.Draw(t, "uptime"), Store: s.Draw(t, "store"), Lanes: rapid.Int().Draw(t, "lanes"), Series: rapid.Int().Draw(t, "series")},
			Golden: api.Golden{
				WindowS: f.Draw(t, "window"), Latency: api.Latencies{HTTP: latency},
				Traffic:    api.Traffic{Metrics: f.Draw(t, "metrics"), Bytes: f.Draw(t, "bytes"), Connections: rapid.Int64().Draw(t, "connections")},
				Errors:     api.Errors{Rejected: f.Draw(t, "rejected"), Ratio: f.Draw(t, "ratio")},
				Saturation: api.Saturation{CPU: f.Draw(t, "cpu"), Queue: f.Draw(t, "queue"), MemoryBytes: n.Draw(t, "memory"), MemoryLimit: n.Draw(t, "limit"), DiskFree: n.Draw(t, "free"), DiskTotal: n.Draw(t, "total"), FDs: rapid.Int().Draw(t, "fds")},
				History:    api.Recent{Metrics: values.Draw(t, "past"), P99: values.Draw(t, "past99"), Errors: values.Draw(t, "pasterr"), CPU: values.Draw(t, "pastcpu")},
			},
			SLOs: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.SLO {
				return api.SLO{Name: s.Draw(t, "name"), Target: s.Draw(t, "target"), State: rapid.SampledFrom([]string{"met", "breached", "no_data", "\x1b"}).Draw(t, "state"),
					SLI: s.Draw(t, "sli"), BudgetRemaining: f.Draw(t, "budget"), ExhaustionS: &last, Description: s.Draw(t, "about"), Window: s.Draw(t, "window"),
					Burn: []api.Burn{{Window: "1h", Rate: f.Draw(t, "burn")}}}
			}), 0, 8).Draw(t, "slos"),
			Alerts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.Alert {
				return api.Alert{Name: s.Draw(t, "name"), Severity: s.Draw(t, "severity"), State: s.Draw(t, "state"), Since: f.Draw(t, "since"), Summary: s.Draw(t, "summary")}
			}), 0, 4).Draw(t, "alerts"),
			Series: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.BusySeries {
				return api.BusySeries{Name: s.Draw(t, "name"), Type: s.Draw(t, "type"), Tags: rapid.MapOfN(s, s, 0, 3).Draw(t, "tags"), Rate: f.Draw(t, "rate"), Last: &last, Spark: values.Draw(t, "spark")}
			}), 0, 20).Draw(t, "series"),
			Ledger:  api.Ledger{Received: n.Draw(t, "received"), Stored: n.Draw(t, "stored"), Rejected: counts.Draw(t, "rejects"), Shed: counts.Draw(t, "sheds")},
			Reasons: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.Reason { return api.Reason{Code: s.Draw(t, "code"), Detail: s.Draw(t, "detail")} }), 0, 3).Draw(t, "reasons"),
		}
	})
}

// TestHostileServer: whatever the server says and the user presses, the screen
// holds.
func TestHostileServer(t *testing.T) {
	o := options(api.Overview{})
	o.Profile = termenv.ANSI256
	start := model(t, o, 80, 24)
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 200).Draw(t, "w"), rapid.IntRange(1, 70).Draw(t, "h")
		m := send(start, tea.WindowSizeMsg{Width: w, Height: h}, answer{data: anyOverview().Draw(t, "overview"), at: noon.Add(time.Duration(rapid.Int32().Draw(t, "late")))})
		for _, k := range rapid.SliceOfN(rapid.StringMatching(`[?jkgGzsSp12345t]|tab|enter|esc|pgdown|pgup`), 0, 8).Draw(t, "keys") {
			m = send(m, named(k))
			if err := checkScreen(m.View(), w, h); err != nil {
				t.Fatalf("after %q: %v", k, err)
			}
		}
		if err := checkScreen(m.View(), w, h); err != nil {
			t.Fatal(err)
		}
		text, err := Once(m.view.Data, options(m.view.Data), w)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkScreen(strings.TrimSuffix(text, "\n"), max(w, MinWidth), 1<<20); err != nil {
			t.Fatalf("once: %v", err)
		}
	})
}
