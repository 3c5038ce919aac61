package tui

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"
	"go.uber.org/goleak"

	"example.com/nexusctl/protocol/api"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when every test happens.
var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// overview is the fixture: hostile names, a breached objective, alerts.
func overview(t testing.TB) (o api.Overview) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "overview.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func options(o api.Overview) Options {
	return Options{
		Fetch:   func(context.Context) (api.Overview, error) { return o, nil },
		Server:  "127.0.0.1:8080",
		Now:     func() time.Time { return noon },
		Profile: termenv.Ascii,
	}
}

// model is a model of the size that has taken its first answer. No command is
// run: tests send what they would answer.
func model(t testing.TB, o Options, w, h int) Model {
	t.Helper()
	o = o.withDefaults()
	fx := newEffects(context.Background(), o.Fetch, o.Now)
	t.Cleanup(fx.stop)
	first, err := fx.ask()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newModel(o, fx, first)
	if err != nil {
		t.Fatal(err)
	}
	return send(m, tea.WindowSizeMsg{Width: w, Height: h})
}

func send(m Model, msgs ...tea.Msg) Model {
	for _, msg := range msgs {
		next, _ := m.Update(msg)
		m = next.(Model)
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got+"\n" {
		t.Errorf("%s has changed; look at it and run `go test ./tui -update`:\n%s", name, got)
	}
}
