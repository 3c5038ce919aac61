package flush

import (
	"context"
	"fmt"
	"slices"

	"example.com/nexusctl/daemon/deadletter"
)

// Settlement is what became of dead letters that were replayed or dropped.
type Settlement struct {
	Letters int
	Units   uint64
	// Refused are the units that the store refused in the same flush, which
	// are dead letters anew.
	Refused uint64
}

// Request is a wish to have dead letters settled.
type Request struct {
	flusher *Flusher
	action  deadletter.Action
	names   []string
	done    chan answer // holds one
}

type answer struct {
	Settlement
	err error
}

// Request has the next generation settle dead letters: those named, or all.
func (f *Flusher) Request(action deadletter.Action, names []string) *Request {
	r := &Request{flusher: f, action: action, names: names, done: make(chan answer, 1)}
	f.asked.Lock()
	defer f.asked.Unlock()
	f.requests = append(f.requests, r)
	return r
}

// Wait returns what was settled. A request that no flush has taken up when ctx
// ends is withdrawn; one that was taken up is settled whenever the flush is.
func (r *Request) Wait(ctx context.Context) (Settlement, error) {
	select {
	case a := <-r.done:
		return a.Settlement, a.err
	case <-ctx.Done():
		if r.flusher.withdraw(r) {
			return Settlement{}, fmt.Errorf("nothing was settled: no flush came in time: %w", ctx.Err())
		}
		return Settlement{}, fmt.Errorf("the store does not answer; the dead letters are settled with the next flush that it takes: %w", ctx.Err())
	}
}

func (f *Flusher) withdraw(r *Request) bool {
	f.asked.Lock()
	defer f.asked.Unlock()
	i := slices.Index(f.requests, r)
	if i < 0 {
		return false
	}
	f.requests = slices.Delete(f.requests, i, i+1)
	return true
}

// take claims the letters of the oldest request for a generation that was
// never flushed, and whose log is durable: a flush of it that comes again, at
// a later start, finds the claim. It returns what to call with the flush.
func (f *Flusher) take(generation uint64) (settled func(Committed)) {
	f.asked.Lock()
	var r *Request
	if len(f.requests) > 0 {
		r, f.requests = f.requests[0], f.requests[1:]
	}
	f.asked.Unlock()
	if r == nil {
		return func(Committed) {}
	}
	letters, err := f.letters.Claim(generation, r.action, r.names)
	if err != nil || letters == 0 {
		r.done <- answer{err: err}
		return func(Committed) {}
	}
	return func(c Committed) {
		r.done <- answer{Settlement: Settlement{Letters: letters, Units: c.Flush.Counts.Revived, Refused: c.Flush.Counts.Dead}}
	}
}
