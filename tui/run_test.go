package tui

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/muesli/termenv"

	"example.com/nexusctl/protocol/api"
)

// terminal is a pseudo terminal that nobody answers from: only what the test
// types comes in.
type terminal struct {
	user, tty *os.File

	mu     sync.Mutex
	screen bytes.Buffer
	done   chan struct{}
}

func newTerminal(t *testing.T, w, h uint16) *terminal {
	t.Helper()
	user, tty, err := pty.Open()
	if err != nil {
		t.Skip("no pseudo terminals here:", err)
	}
	if err := pty.Setsize(user, &pty.Winsize{Cols: w, Rows: h}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{user: user, tty: tty, done: make(chan struct{})}
	go term.read()
	t.Cleanup(func() {
		_ = tty.Close()
		_ = user.Close()
		<-term.done
	})
	return term
}

func (e *terminal) read() {
	defer close(e.done)
	b := make([]byte, 4096)
	for {
		n, err := e.user.Read(b)
		if err != nil {
			return
		}
		e.mu.Lock()
		e.screen.Write(b[:n])
		e.mu.Unlock()
	}
}

func (e *terminal) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.screen.String()
}

func (e *terminal) await(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !strings.Contains(e.text(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q does not appear:\n%q", want, e.text())
		}
	}
}

func (e *terminal) key(t *testing.T, s string) {
	t.Helper()
	if _, err := e.user.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, ctx context.Context, term *terminal, o Options) <-chan error {
	t.Helper()
	o.In, o.Out, o.Profile, o.Interval = term.tty, term.tty, termenv.ANSI256, MinInterval
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, o) }()
	return ended
}

func await(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

// TestRun drives the whole program on a terminal: an outage, a filter, the
// end. TestMain sees to it that no goroutine stays.
func TestRun(t *testing.T) {
	term := newTerminal(t, 100, 30)
	var mu sync.Mutex
	var outage error
	o := options(overview(t))
	o.Now = time.Now
	data := overview(t)
	o.Fetch = func(context.Context) (api.Overview, error) {
		mu.Lock()
		defer mu.Unlock()
		return data, outage
	}
	ended := start(t, t.Context(), term, o)
	term.await(t, "golden signals")
	mu.Lock()
	outage = errors.New("the line is cut")
	mu.Unlock()
	term.await(t, "the line is cut")
	term.key(t, "/hits\r")
	term.await(t, "1 of 53")
	term.key(t, "q")
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
	for _, query := range []string{"\x1b]10;", "\x1b]11;", "\x1b[c", "\x1b[6n"} {
		if strings.Contains(term.text(), query) {
			t.Errorf("the terminal is asked %q", query)
		}
	}
	term.await(t, "\x1b[?1049l") // the screen of before is restored
}

// TestRunQuitsWhileAsking: a daemon that hangs does not hold the user.
func TestRunQuitsWhileAsking(t *testing.T) {
	term := newTerminal(t, 80, 24)
	asked := make(chan struct{}, 1)
	o := options(overview(t))
	data, calls := overview(t), 0
	o.Fetch = func(ctx context.Context) (api.Overview, error) {
		if calls++; calls == 1 {
			return data, nil
		}
		asked <- struct{}{}
		<-ctx.Done()
		return api.Overview{}, ctx.Err()
	}
	ended := start(t, t.Context(), term, o)
	<-asked
	term.key(t, "q")
	if err := await(t, ended); err != nil {
		t.Error(err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	term := newTerminal(t, 80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	ended := start(t, ctx, term, options(overview(t)))
	term.await(t, "golden signals")
	cancel()
	if err := await(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	term.await(t, "\x1b[?1049l") // the screen of before is restored
}

// TestRunFailsBeforeItDraws: a wrong address is an error, not a screen.
func TestRunFailsBeforeItDraws(t *testing.T) {
	term := newTerminal(t, 80, 24)
	refused := errors.New("refused")
	o := options(api.Overview{})
	o.Fetch = func(context.Context) (api.Overview, error) { return api.Overview{}, refused }
	if err := await(t, start(t, t.Context(), term, o)); !errors.Is(err, refused) {
		t.Errorf("it ends with %v", err)
	}
	if s := term.text(); s != "" {
		t.Errorf("it writes %q", s)
	}
}
