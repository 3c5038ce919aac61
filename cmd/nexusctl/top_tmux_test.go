package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// tmux is a real terminal that tests can type on and look at.
type tmux struct {
	t   *testing.T
	dir string
}

func newTmux(t *testing.T) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is missing: apt-get install tmux, or brew install tmux")
	}
	dir, err := os.MkdirTemp("", "tmux") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	m := &tmux{t, dir}
	t.Cleanup(func() {
		_ = m.command("kill-server").Run()
		_ = os.RemoveAll(dir)
	})
	return m
}

func (m *tmux) command(args ...string) *exec.Cmd {
	cmd := exec.Command("tmux", append([]string{"-u", "-f", "/dev/null", "-S", filepath.Join(m.dir, "s")}, args...)...)
	cmd.Env = plainEnv("TERM=xterm-256color", "LC_ALL=C.UTF-8")
	return cmd
}

func (m *tmux) run(args ...string) string {
	m.t.Helper()
	out, err := m.command(args...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (m *tmux) open(w, h int, shell string) {
	m.t.Helper()
	m.run("new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), shell)
}

func (m *tmux) resize(w, h int) {
	m.t.Helper()
	m.run("resize-window", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h))
}

// await waits until the screen is as wanted.
func (m *tmux) await(what string, ok func(screen string) bool) string {
	m.t.Helper()
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		screen := m.run("capture-pane", "-p")
		if ok(screen) {
			return screen
		}
		if time.Now().After(end) {
			m.t.Fatalf("not seen: %s\n%s", what, screen)
		}
	}
}

func (m *tmux) sees(words ...string) string {
	m.t.Helper()
	return m.await(strings.Join(words, ", "), func(screen string) bool { return shows(screen, words) })
}

func shows(screen string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(screen, w) {
			return false
		}
	}
	return true
}

// landmarks are what a screen of each size must show.
var landmarks = []struct {
	w, h  int
	words []string
}{
	{120, 40, []string{"● connected", "1 golden signals", "saturation", "2 objectives", "✗ breached", "GONE IN", "3 series", "RATE▼", "4 ledger", "✓ adds up", "5 alerts", "q quit"}},
	{80, 24, []string{"● connected", "latency    http    p50 1.2 ms", "✗ breached", "RATE▼", "+ lost", "✓ adds up", "q quit"}},
	{40, 12, []string{"● connected", "lat p50 1.2 ms p95 8.4 ms p99 43 ms", "✗ breached", "ledger ✓ adds up", "RATE▼", "q quit"}},
}

// topInTmux looks at the real program on a real terminal, at three sizes
// and while it is resized from one to the next.
func topInTmux(t *testing.T, bin string) {
	m := newTmux(t)
	addr, away := overviewServer(t)
	m.open(landmarks[0].w, landmarks[0].h, bin+" top --interval 200ms --server "+addr+"; echo exit code $?; exec sleep 60")
	for _, l := range append(landmarks, landmarks[1], landmarks[0]) {
		m.resize(l.w, l.h)
		m.await(fmt.Sprintf("%s, framed, at %dx%d", l.words, l.w, l.h), func(screen string) bool {
			return shows(screen, l.words) && framed(screen, l.w)
		})
	}
	m.run("send-keys", "/cache.h")
	m.sees("1 of 53", "cache.hits")
	m.run("send-keys", "Escape") // a key at once would make it alt and that key
	m.sees("1–16 of 53")
	m.run("send-keys", "?")
	m.sees("help, and back")
	m.run("send-keys", "?")
	away.Store(true)
	m.sees("STALE", "○ stale", "http.requests")
	away.Store(false)
	m.sees("● connected")
	m.run("send-keys", "q")
	if screen := m.sees("exit code 0"); strings.Contains(screen, "golden") {
		t.Errorf("the screen is not left clean:\n%s", screen)
	}
}

// framed reports whether the terminal agrees on the width of every name: a line
// that begins with a frame ends with one, in the last column.
func framed(screen string, w int) bool {
	for _, line := range strings.Split(strings.TrimRight(screen, "\n"), "\n") {
		n := ansi.StringWidth(line)
		if n > w || strings.HasPrefix(line, "│") && (n != w || !strings.ContainsAny(line[len(line)-len("│"):], "│╮╯")) {
			return false
		}
	}
	return true
}

// topStartsAtEachSize: not only after a resize.
func topStartsAtEachSize(t *testing.T, bin string) {
	addr, _ := overviewServer(t)
	for _, l := range landmarks {
		m := newTmux(t)
		m.open(l.w, l.h, "NO_COLOR=1 "+bin+" top --server "+addr+"; echo exit code $?; exec sleep 60")
		m.sees(l.words...)
		m.run("send-keys", ":q", "Enter")
		m.sees("exit code 0")
	}
}
