package pace

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// do works for a time, with a step each tenth of a millisecond, and counts in running
// while it holds a processor.
func do(ctx context.Context, p *Pacer, length time.Duration, each func(*Work)) {
	ctx, w := p.Begin(ctx)
	defer w.End()
	for done := time.Duration(0); done < length; done += 100 * time.Microsecond {
		time.Sleep(100 * time.Microsecond)
		w.Step(ctx)
		if each != nil {
			each(w)
		}
	}
}

func TestShortWorkIsNeverHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		p.slots <- struct{}{} // somebody has the slot, and keeps it
		do(t.Context(), p, Free-100*time.Microsecond, nil)
		if s := p.Stats(); s.Pauses.Load() != 0 || s.Long.Load() != 0 {
			t.Errorf("it paused %d times, %d were long", s.Pauses.Load(), s.Long.Load())
		}
	})
}

func TestLongWorksShareTheSlots(t *testing.T) {
	for _, slots := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			p := New(slots)
			var mu sync.Mutex
			var wg sync.WaitGroup
			turns := map[int]int{} // by work, while all are under way
			for i := range 4 {
				wg.Go(func() {
					do(t.Context(), p, 50*time.Millisecond, func(w *Work) {
						mu.Lock()
						defer mu.Unlock()
						if w.Long() {
							turns[i]++
						}
						if n := len(p.slots); n > slots {
							t.Errorf("%d hold a slot of %d", n, slots)
						}
						if w.Long() && !w.holding {
							t.Error("a long work runs without a slot")
						}
					})
				})
			}
			began := time.Now()
			wg.Wait()
			long := 50*time.Millisecond - Free
			if took, least := time.Since(began), Free+4*long/time.Duration(slots); took < least-time.Millisecond || took > least+4*slice {
				t.Errorf("with %d slots it took %v, want %v", slots, took, least)
			}
			if len(p.slots) != 0 || p.Stats().Waiting.Load() != 0 || p.Stats().Long.Load() != 4 {
				t.Errorf("%d slots are held at the end, %d wait, %d were long", len(p.slots), p.Stats().Waiting.Load(), p.Stats().Long.Load())
			}
		})
	}
}

// TestTurnsAreShort holds that who comes late waits for slices, and not for a work.
func TestTurnsAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					do(ctx, p, time.Second, nil)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		do(ctx, p, Free+slice, nil)
		if took := time.Since(began); took > Free+10*slice {
			t.Errorf("it took %v beside others", took)
		}
		stop()
		wg.Wait()
	})
}

// TestRestsWhereOthersWait: a long work whose pauses others use leaves its share of the
// processors alone as long again, and nobody else takes that share; where nobody uses
// them it works on.
func TestRestsWhereOthersWait(t *testing.T) {
	const long, free = 20 * time.Millisecond, contended - time.Microsecond
	for _, c := range []struct {
		name  string
		used  time.Duration // of each pause, by others
		works int
		rests bool
	}{
		{"nobody waits", 0, 1, false},
		{"somebody waits a moment", free, 1, false},
		{"somebody waits", contended, 1, true},
		{"somebody waits beside two", contended, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(1)
				p.yield = func() { time.Sleep(c.used) }
				began := time.Now()
				var wg sync.WaitGroup
				for range c.works {
					wg.Go(func() { do(t.Context(), p, Free+long, nil) })
				}
				wg.Wait()
				took, pauses, rests := time.Since(began)-Free, time.Duration(p.Stats().Pauses.Load()), time.Duration(p.Stats().Rests.Load())
				if c.rests != (rests > 0) || c.rests && rests < pauses-time.Duration(c.works)*2 {
					t.Errorf("it rested %d times in %d pauses", rests, pauses)
				}
				// A work's first pause and its last may go beside another's slice.
				if least := time.Duration(c.works)*long + rests*rest; took < least-time.Duration(c.works)*2*slice {
					t.Errorf("it took %v, want %v at least", took, least)
				}
			})
		})
	}
}

func TestContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(1)
		p.slots <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ctx, w := p.Begin(ctx)
		time.Sleep(Free)
		began := time.Now()
		w.Step(ctx)
		if took := time.Since(began); took != time.Second-Free {
			t.Errorf("it waited %v", took)
		}
		w.End()
		if len(p.slots) != 1 {
			t.Error("it gave back a slot that it never had")
		}
	})
}

func TestNoPacer(t *testing.T) {
	var p *Pacer
	ctx, w := p.Begin(t.Context())
	w.Step(ctx)
	w.End()
	if Of(ctx) != nil || w.Long() {
		t.Error("there is a work without a pacer")
	}
}

// TestTurn: between two slices others go first, and not more often.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn Turn
		turn.Step()
		began := turn.since
		if !began.Equal(time.Now()) {
			t.Fatalf("the first turn began at %s", began)
		}
		time.Sleep(slice - 1)
		turn.Step()
		if !turn.since.Equal(began) {
			t.Error("it let others go first within a slice")
		}
		time.Sleep(time.Nanosecond)
		ran := false
		go func() { ran = true }()
		turn.Step()
		if turn.since.Equal(began) {
			t.Error("it did not let others go first when the slice was over")
		}
		synctest.Wait()
		if !ran {
			t.Error("nobody else ran")
		}
	})
}
