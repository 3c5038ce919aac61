package tui

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

func TestAsksInTurn(t *testing.T) {
	m := model(t, options(overview(t)), 80, 24)
	m = send(m, due{m.turn, noon.Add(time.Second)})
	if !m.asking {
		t.Fatal("nothing is asked when it is due")
	}
	if _, cmd := m.Update(due{m.turn, noon}); cmd != nil {
		t.Error("two requests at once")
	}
	o := overview(t)
	o.Server.Version = "v2"
	m = send(m, answer{data: o, at: noon.Add(2 * time.Second)})
	if m.asking || !strings.Contains(m.View(), "v2") {
		t.Error("the answer is not shown")
	}
	if got := send(m, due{m.turn - 1, noon}); got.asking {
		t.Error("a timer of an earlier turn still counts")
	}
}

func TestStale(t *testing.T) {
	m := model(t, options(overview(t)), 100, 30)
	want := []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, longestRetry, longestRetry}
	at := noon
	for i, d := range want {
		at = at.Add(3 * time.Second)
		m = send(m, answer{err: errors.New("connection \x1b[31mrefused"), at: at})
		if got := m.pause(); got != d {
			t.Errorf("retry %d after %s, want %s", i+1, got, d)
		}
	}
	screen := m.View()
	for _, want := range []string{"STALE, 15s old", `connection \x1b[31mrefused`, "retry in 15s", "○ stale", "http.requests"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the screen lacks %q:\n%s", want, screen)
		}
	}
	m = send(m, beat{at.Add(time.Minute)})
	if !strings.Contains(m.View(), "STALE, 1m15s old") {
		t.Error("the age does not grow")
	}
	m = send(m, answer{data: overview(t), at: at.Add(time.Minute)})
	if strings.Contains(m.View(), "STALE") || m.pause() != time.Second {
		t.Error("an answer does not end it")
	}
}

// TestSilentDaemonIsStale: no error, and no answer either.
func TestSilentDaemonIsStale(t *testing.T) {
	m := send(model(t, options(overview(t)), 80, 24), beat{noon.Add(6 * time.Second)})
	if !strings.Contains(m.View(), "STALE, 6s old: no answer yet") {
		t.Errorf("a daemon that hangs is not noticed:\n%s", m.View())
	}
}

func TestPause(t *testing.T) {
	m := press(model(t, options(overview(t)), 80, 24), "p")
	if got := send(m, due{m.turn, noon}); got.asking {
		t.Error("a paused screen asks")
	}
	m = send(m, beat{noon.Add(time.Minute)})
	if s := m.View(); !strings.Contains(s, "PAUSED 1m") || strings.Contains(s, "STALE") {
		t.Errorf("a paused screen does not say so:\n%s", s)
	}
	if m = press(m, "p"); !m.asking {
		t.Error("resuming does not ask")
	}
}

// TestPausedAnswer: an answer under way when pause is pressed is shown, and no
// other is waited for.
func TestPausedAnswer(t *testing.T) {
	m := model(t, options(overview(t)), 80, 24)
	m = press(send(m, due{m.turn, noon}), "p")
	next, cmd := m.Update(answer{data: overview(t), at: noon})
	if cmd != nil || next.(Model).asking {
		t.Error("a paused screen waits for the next turn")
	}
}

// TestSelectionFollows: the selected series stays selected when others
// overtake it; the first line stays the first.
func TestSelectionFollows(t *testing.T) {
	m := press(model(t, options(overview(t)), 80, 24), "jj")
	name := m.view.Selected().Name
	o := overview(t)
	for i := range o.Series {
		if o.Series[i].Name == name {
			o.Series[i].Rate = 1e9
		}
	}
	if m = send(m, answer{data: o, at: noon}); m.view.Selected().Name != name || m.view.Cursor != 0 {
		t.Errorf("the cursor is on %q", m.view.Selected().Name)
	}
	m = send(m, answer{data: overview(t), at: noon})
	if m.view.Cursor != 0 {
		t.Error("the first line does not stay")
	}
}

func TestShrinkingData(t *testing.T) {
	m := press(model(t, options(overview(t)), 80, 24), "G")
	m = send(m, answer{data: api.Overview{}, at: noon})
	for _, want := range []string{"no series has samples yet", "no objectives are defined", "adds up"} {
		if !strings.Contains(m.View(), want) {
			t.Errorf("an empty overview lacks %q:\n%s", want, m.View())
		}
	}
	if m.view.Selected() != nil {
		t.Error("a series is selected where there is none")
	}
}

func TestBrokenLedger(t *testing.T) {
	o := overview(t)
	o.Ledger.Stored -= 12
	if s := model(t, options(o), 120, 40).View(); !strings.Contains(s, "✗ BROKEN: 12 missing") {
		t.Errorf("a breach is not shown:\n%s", s)
	}
	if s := model(t, options(o), 40, 12).View(); !strings.Contains(s, "ledger ✗ BROKEN: 12 missing") {
		t.Errorf("a breach is not shown on a small terminal:\n%s", s)
	}
}

func TestNotReady(t *testing.T) {
	o := overview(t)
	o.Reasons = []api.Reason{{Code: "store_unavailable", Detail: "the store does not answer"}, {Code: "x", Detail: "y"}}
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 12}} {
		if s := model(t, options(o), size[0], size[1]).View(); !strings.Contains(s, "NOT READY store_unav") {
			t.Errorf("at %v the reason is not shown:\n%s", size, s)
		}
	}
}

func TestUnknownOptions(t *testing.T) {
	for _, o := range []Options{{Sort: "size"}, {Theme: "pink"}} {
		if _, err := Once(api.Overview{}, o, 80); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
