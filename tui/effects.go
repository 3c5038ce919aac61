package tui

import (
	"context"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/nexusctl/protocol/api"
)

// patience is how long an answer may take before the request is given up.
const patience = 10 * time.Second

// effects are what the model wants done: requests and timers. Bubble Tea
// leaves their goroutines behind when it quits; stop ends them and waits.
type effects struct {
	ctx    context.Context
	cancel context.CancelFunc
	fetch  func(context.Context) (api.Overview, error)
	now    func() time.Time

	mu      sync.Mutex // orders Add before Wait
	stopped bool
	running sync.WaitGroup
}

func newEffects(ctx context.Context, fetch func(context.Context) (api.Overview, error), now func() time.Time) *effects {
	ctx, cancel := context.WithCancel(ctx)
	return &effects{ctx: ctx, cancel: cancel, fetch: fetch, now: now}
}

func (e *effects) stop() {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.cancel()
	e.running.Wait()
}

// do makes a command of f that stop waits for.
func (e *effects) do(f func() tea.Msg) tea.Cmd {
	return func() tea.Msg {
		e.mu.Lock()
		if e.stopped {
			e.mu.Unlock()
			return nil
		}
		e.running.Add(1)
		e.mu.Unlock()
		defer e.running.Done()
		return f()
	}
}

// answer is what became of a request.
type answer struct {
	data api.Overview
	err  error
	at   time.Time
}

func (e *effects) ask() (answer, error) {
	ctx, cancel := context.WithTimeout(e.ctx, patience)
	defer cancel()
	o, err := e.fetch(ctx)
	return answer{o, err, e.now()}, err
}

func (e *effects) request() tea.Cmd {
	return e.do(func() tea.Msg {
		a, _ := e.ask()
		return a
	})
}

// due says that the next request is; a later turn makes an earlier one void.
type due struct {
	turn int
	at   time.Time
}

func (e *effects) after(d time.Duration, turn int) tea.Cmd {
	return e.do(func() tea.Msg {
		if !e.sleep(d) {
			return nil
		}
		return due{turn, e.now()}
	})
}

// beat moves the clock, so that ages grow while no answer comes.
type beat struct{ at time.Time }

func (e *effects) beat() tea.Cmd {
	return e.do(func() tea.Msg {
		if !e.sleep(time.Second) {
			return nil
		}
		return beat{e.now()}
	})
}

func (e *effects) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-e.ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
