package fairqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/fairqueue"
)

func enter(t *testing.T, q *fairqueue.Queue, name string) *fairqueue.Turn {
	t.Helper()
	turn, err := q.Enter(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// TestTurns: who asks once is next, whoever asked a thousand times before.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fairqueue.New(fairqueue.Limits{Running: 1, Waiting: 20, Held: 100, Wait: time.Hour})
		first := enter(t, q, "many")
		var mu sync.Mutex
		var order []string
		ask := func(name string) {
			go func() {
				turn, err := q.Enter(t.Context(), name)
				if err != nil {
					t.Error(name, err)
					return
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				time.Sleep(time.Second)
				turn.Leave()
			}()
			synctest.Wait()
		}
		for range 4 {
			ask("many")
		}
		ask("once")
		ask("twice")
		ask("twice")
		first.Leave()
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := []string{"many", "once", "twice", "many", "twice", "many", "many"}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
		if s := q.Stats(); s.Running.Load() != 0 || s.Waiting.Load() != 0 || s.Waited.Load() != 7 {
			t.Errorf("%d run, %d wait, %d have waited", s.Running.Load(), s.Waiting.Load(), s.Waited.Load())
		}
	})
}

// TestBounds: one client has half of the queue at most, all have no more than there
// is, and nobody waits for ever.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fairqueue.New(fairqueue.Limits{Running: 1, Waiting: 4, Held: 100, Wait: 10 * time.Second})
		running := enter(t, q, "a")
		var late atomic.Int64
		for _, name := range []string{"a", "a", "b", "b"} {
			go func() {
				if _, err := q.Enter(t.Context(), name); errors.Is(err, fairqueue.ErrLate) {
					late.Add(1)
				}
			}()
			synctest.Wait()
		}
		if _, err := q.Enter(t.Context(), "a"); !errors.Is(err, fairqueue.ErrCrowded) {
			t.Error(err)
		}
		if _, err := q.Enter(t.Context(), "c"); !errors.Is(err, fairqueue.ErrFull) {
			t.Error(err)
		}
		time.Sleep(11 * time.Second)
		if late.Load() != 4 || q.Stats().Late.Load() != 4 || q.Stats().Waiting.Load() != 0 {
			t.Errorf("%d were late, %d wait", late.Load(), q.Stats().Waiting.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Second); cancel() }()
		if _, err := q.Enter(ctx, "c"); !errors.Is(err, context.Canceled) || q.Stats().Left.Load() != 1 {
			t.Error(err)
		}
		running.Leave()
		enter(t, q, "c").Leave()
	})
}

// TestHeld: who reads slowly keeps nobody from asking, until too much is on its way.
func TestHeld(t *testing.T) {
	q := fairqueue.New(fairqueue.Limits{Running: 1, Waiting: 4, Held: 100, Wait: time.Hour})
	a := enter(t, q, "a")
	a.Hold(49)
	b := enter(t, q, "a") // the place is free
	b.Hold(1)
	if _, err := q.Enter(t.Context(), "a"); !errors.Is(err, fairqueue.ErrCrowded) {
		t.Error(err)
	}
	c := enter(t, q, "c")
	c.Hold(45)
	c.Hold(5)
	if _, err := q.Enter(t.Context(), "d"); !errors.Is(err, fairqueue.ErrFull) {
		t.Error(err)
	}
	a.Leave()
	if n := q.Stats().Held.Load(); n != 51 {
		t.Errorf("%d bytes are held", n)
	}
	enter(t, q, "a").Leave()
	b.Leave()
	c.Leave()
	if n := q.Stats().Held.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
	if again := q.RetryAfter(); again != 1 {
		t.Errorf("again after %d s", again)
	}
}

// TestModel: whatever clients do, no more run than may, a place is never free while
// somebody waits, and in the end all is as it was.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 3).Draw(rt, "running")
		q := fairqueue.New(fairqueue.Limits{Running: most, Waiting: 6, Held: 100, Wait: time.Hour})
		var wait sync.WaitGroup
		var mu sync.Mutex
		runs := 0
		for range rapid.IntRange(1, 20).Draw(rt, "requests") {
			name := fmt.Sprint(rapid.IntRange(0, 2).Draw(rt, "client"))
			held := rapid.IntRange(0, 60).Draw(rt, "held")
			patience := time.Duration(rapid.IntRange(0, 3).Draw(rt, "patience")) * 100 * time.Microsecond
			wait.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience+time.Microsecond)
				defer cancel()
				turn, err := q.Enter(ctx, name)
				if err != nil {
					return
				}
				mu.Lock()
				if runs++; runs > most {
					t.Errorf("%d run of %d", runs, most)
				}
				mu.Unlock()
				time.Sleep(50 * time.Microsecond)
				mu.Lock()
				runs--
				mu.Unlock()
				if held > 30 {
					turn.Hold(held)
				}
				turn.Leave()
			})
		}
		wait.Wait()
		if s := q.Stats(); s.Running.Load() != 0 || s.Waiting.Load() != 0 || s.Held.Load() != 0 {
			rt.Errorf("%d run, %d wait, %d bytes are held", s.Running.Load(), s.Waiting.Load(), s.Held.Load())
		}
	})
}
