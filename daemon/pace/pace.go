// Package pace holds work that takes long to a share of the processors, so that what
// must not wait finds one.
//
// The runtime hands processors out first come, first served, and takes one back only
// after ten milliseconds: a question over thousands of series would keep each for as
// long, and lines that came in meanwhile would wait for it. So work is free for a
// moment, in which most questions are over. Who needs longer has to hold one of few
// slots while it runs, a slice at a time, and gives the processor up between two.
// Work says where it can pause by calling Step.
package pace

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// Free is how long work runs without a slot.
	Free = 5 * time.Millisecond
	// slice is how long it runs before it lets others go first.
	slice = 250 * time.Microsecond
	// contended is how long others have run between two slices where the processors do
	// not suffice for all: to let nobody go first takes some microseconds.
	contended = 50 * time.Microsecond
	// rest is how long work then leaves its share alone. Who wakes up finds a processor
	// that nobody has, where it would wait for the system to take one from somebody.
	rest = slice
)

// Stats are the counters, safe to read at any time.
type Stats struct {
	Long    atomic.Uint64 // works that took longer than they are free to
	Pauses  atomic.Uint64 // how often work let others go first
	Rests   atomic.Uint64 // how often it rested, because others had to wait
	Waiting atomic.Int64  // works that wait for a slot now
}

// Pacer hands out the slots. It is safe for concurrent use.
type Pacer struct {
	slots chan struct{}
	yield func() // lets the others of this processor go first
	stats Stats
}

// New returns a pacer that lets so many works run at once that take long; 1 at least.
func New(slots int) *Pacer {
	return &Pacer{slots: make(chan struct{}, max(slots, 1)), yield: giveWay}
}

// giveWay lets others of this process and of others go first.
func giveWay() { yield(); runtime.Gosched() }

// Turn is of work that has to be done whoever else wants a processor, as a flush has: it
// needs no slot and never rests, but lets others go first between two slices. It is for one
// goroutine. The zero Turn is ready.
type Turn struct{ since time.Time }

// Step is where the work can pause, as a Work's Step. Each pause may cost the work its
// share of the processor for some milliseconds: so it is for a slice's end, and no sooner.
func (t *Turn) Step() {
	if time.Since(t.since) < slice {
		return
	}
	giveWay()
	t.since = time.Now()
}

// Stats returns the counters.
func (p *Pacer) Stats() *Stats { return &p.stats }

// Work is one question's. It is for one goroutine. The nil Work is never held up.
type Work struct {
	pacer   *Pacer
	since   time.Time // of the slice, or of the beginning
	long    bool
	holding bool
}

type key struct{}

// Begin returns a context that carries a new work, which ends with End. On a nil
// Pacer it carries none.
func (p *Pacer) Begin(ctx context.Context) (context.Context, *Work) {
	if p == nil {
		return ctx, nil
	}
	w := &Work{pacer: p, since: time.Now()}
	return context.WithValue(ctx, key{}, w), w
}

// Of returns the work that a context carries, nil where it carries none.
func Of(ctx context.Context) *Work {
	w, _ := ctx.Value(key{}).(*Work)
	return w
}

// Long reports that the work is held to the slots.
func (w *Work) Long() bool { return w != nil && w.long }

// Step is where the work can pause: often enough that less than a slice lies between
// two. It returns at once unless the slice is over. A context that ends is for the
// caller to see: the work then goes on without a slot.
func (w *Work) Step(ctx context.Context) {
	if w == nil {
		return
	}
	ran := time.Since(w.since)
	switch {
	case !w.long && ran < Free, w.long && ran < slice:
		return
	case !w.long:
		w.long = true
		w.pacer.stats.Long.Add(1)
	}
	w.pause(ctx)
	w.since = time.Now()
}

// pause lets others go first, and takes a slot when it is its turn. It keeps the slot
// that it has while it rests, for the share of the processors that it leaves is the
// slot's.
func (w *Work) pause(ctx context.Context) {
	w.pacer.stats.Pauses.Add(1)
	since := time.Now()
	w.pacer.yield()
	if w.holding && time.Since(since) >= contended {
		w.pacer.stats.Rests.Add(1)
		time.Sleep(rest)
	}
	w.release()
	w.pacer.stats.Waiting.Add(1)
	defer w.pacer.stats.Waiting.Add(-1)
	select {
	case w.pacer.slots <- struct{}{}:
		w.holding = true
	case <-ctx.Done():
	}
}

func (w *Work) release() {
	if w.holding {
		<-w.pacer.slots
		w.holding = false
	}
}

// End gives back what the work holds.
func (w *Work) End() {
	if w != nil {
		w.release()
	}
}
