package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
)

// TestBinary runs the program that users run, where users run it: on terminals.
func TestBinary(t *testing.T) {
	t.Parallel()
	bin := build(t)
	t.Run("no command writes escapes", func(t *testing.T) { noCommandWritesEscapes(t, bin) })
	t.Run("top --once on a terminal", func(t *testing.T) { topOnceOnTerminal(t, bin) })
	t.Run("top, nobody there", func(t *testing.T) { topUnreachable(t, bin) })
	t.Run("top in tmux", func(t *testing.T) { topInTmux(t, bin) })
	t.Run("top starts at each size", func(t *testing.T) { topStartsAtEachSize(t, bin) })
}

// build makes the program that users run.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "nexusctl")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

// overviewServer answers as a daemon does, until away.
func overviewServer(t *testing.T) (addr string, away *atomic.Bool) {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "..", "tui", "testdata", "overview.json"))
	if err != nil {
		t.Fatal(err)
	}
	away = new(atomic.Bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path != api.OverviewPath {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), away
}

// onSilentTerminal runs a command on a terminal that answers no question.
func onSilentTerminal(t *testing.T, bin string, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = plainEnv("TERM=xterm-256color")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 100, Rows: 30})
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	defer tty.Close()
	b, _ := io.ReadAll(tty) // ends with EIO when the command has
	exit := new(exec.ExitError)
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// plainEnv is an environment without what changes colours.
func plainEnv(more ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains([]string{"NO_COLOR", "CI", "COLORTERM", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "NEXUS_SERVER", "TMUX"}, name)
	})
	return append(env, more...)
}

// everyCommand lists the ways to ask each command for its help.
func everyCommand(commands []*cli.Command, path ...string) (all [][]string) {
	for _, c := range commands {
		self := append(slices.Clone(path), c.Name)
		all = append(all, append(slices.Clone(self), "--help"))
		all = append(all, everyCommand(c.Subcommands, self...)...)
	}
	return all
}

// noCommandWritesEscapes: a library behind `top` asks the terminal for its
// background at the start of every command and waits for the answer, if it is
// let; see tui/theme/quiet.
func noCommandWritesEscapes(t *testing.T, bin string) {
	lines := append(everyCommand(newApp(nil, io.Discard, io.Discard).Commands), []string{"version"}, []string{"--help"},
		[]string{"ledger", "--server", "127.0.0.1:1"}, []string{"top", "--server", "127.0.0.1:1"}, []string{"top", "--interval", "1ms"})
	for _, args := range lines {
		start := time.Now()
		out, _ := onSilentTerminal(t, bin, args...)
		took := time.Since(start)
		t.Logf("%6s  %s", took.Round(time.Millisecond), strings.Join(args, " "))
		if strings.ContainsRune(out, 0x1b) {
			t.Errorf("%v writes an escape: %q", args, out)
		}
		if out == "" {
			t.Errorf("%v says nothing", args)
		}
		if took > 2*time.Second {
			t.Errorf("%v takes %s on a terminal that does not answer", args, took)
		}
	}
}

func topOnceOnTerminal(t *testing.T, bin string) {
	addr, _ := overviewServer(t)
	out, code := onSilentTerminal(t, bin, "top", "--once", "--server", addr)
	if code != 0 || !strings.Contains(out, "\x1b[") || strings.Contains(out, "\x1b]") {
		t.Errorf("on a terminal, exit code %d, not in colour, or with more than colour:\n%q", code, out)
	}
}

func topUnreachable(t *testing.T, bin string) {
	out, code := onSilentTerminal(t, bin, "top", "--server", "127.0.0.1:1")
	if code != exitUnreachable || !strings.Contains(out, "not reachable") {
		t.Errorf("exit code %d, %q", code, out)
	}
}

func TestTopOnce(t *testing.T) {
	addr, _ := overviewServer(t)
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"nexusctl", "top", "--once", "--width", "80", "--server", addr}, nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for _, line := range strings.Split(stdout.String(), "\n") {
		if strings.ContainsRune(line, 0x1b) || ansi.StringWidth(line) > 80 {
			t.Errorf("not plain text of 80 columns: %q", line)
		}
	}
	for _, want := range []string{"golden signals", "checkout-latency", "http.requests", "✓ adds up", "DiskFilling"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, &stdout)
		}
	}
}

func TestTopJSON(t *testing.T) {
	addr, _ := overviewServer(t)
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"nexusctl", "top", "--json", "--server", addr}, nil, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	var o api.Overview
	if err := json.Unmarshal(stdout.Bytes(), &o); err != nil || o.Golden.Latency.HTTP.P99 != 43.2 || len(o.SLOs) != 5 {
		t.Errorf("%v, read back as %+v", err, o.Golden)
	}
}

func TestTopExitCodes(t *testing.T) {
	addr, away := overviewServer(t)
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitUnreachable, []string{"--once", "--server", "127.0.0.1:1"}},
		{exitUnreachable, []string{"--json", "--server", "127.0.0.1:1"}},
		{exitUsage, []string{"--server", addr}}, // no terminal in a test
		{exitUsage, []string{"--once", "--theme", "pink"}},
		{exitUsage, []string{"--once", "--sort", "size"}},
		{exitUsage, []string{"--once", "--width", "20"}},
		{exitUsage, []string{"--interval", "50ms"}},
		{exitUsage, []string{"--once", "http.requests"}},
		{exitUsage, []string{"--once", "--server", "ftp://x"}},
		{exitOK, []string{"--once", "--server", addr, "--filter", "env:prod", "--sort", "name", "--theme", "mono"}},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), append([]string{"nexusctl", "top"}, c.args...), nil, io.Discard, &stderr); code != c.code {
			t.Errorf("top %v: exit code %d, want %d: %s", c.args, code, c.code, &stderr)
		}
	}
	away.Store(true)
	if code := run(t.Context(), []string{"nexusctl", "top", "--once", "--server", addr}, nil, io.Discard, io.Discard); code == exitOK {
		t.Error("a daemon that hangs up is no error")
	}
}
