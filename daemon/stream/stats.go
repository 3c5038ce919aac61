package stream

import (
	"sync/atomic"
	"time"
)

// Refusal is why one who came was not taken.
type Refusal uint8

// Refusals.
const (
	RefusedFull   Refusal = iota // as many clients as there may be
	RefusedSeries                // too many series, its own or of all
	RefusedClosed                // the daemon stops
	RefusedFailed                // what it asked for could not be read
	RefusedOrigin                // a page of another site
	numRefusals
)

var refusalNames = [numRefusals]string{"clients", "series", "stopping", "unreadable", "origin"}

func (r Refusal) String() string { return refusalNames[r] }

// Refusals lists all.
func Refusals() []Refusal {
	return []Refusal{RefusedFull, RefusedSeries, RefusedClosed, RefusedFailed, RefusedOrigin}
}

// Stats are the counters of a hub.
type Stats struct {
	Events  [numKinds]atomic.Uint64    // given to clients
	Refused [numRefusals]atomic.Uint64 // who came and was not taken
	Gaps    [numReasons]atomic.Uint64  // told
	Dropped atomic.Uint64              // clients let go because they did not read
	Replays atomic.Uint64              // clients that came back and were told what they missed
	Failed  atomic.Uint64              // readings that failed
	Pass    atomic.Int64               // nanoseconds that the last second's reading took
	Passes  atomic.Int64               // that all took
}

// Stats returns the counters.
func (h *Hub) Stats() *Stats { return &h.stats }

// Size is how many there are.
type Size struct{ Clients, Topics, Series int }

// Size returns how many clients there are, different questions, and series watched.
func (h *Hub) Size() Size {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Size{len(h.clients), len(h.topics), len(h.tails)}
}

// PassTime returns what the last second's reading took, and all of them.
func (s *Stats) PassTime() (last, all time.Duration) {
	return time.Duration(s.Pass.Load()), time.Duration(s.Passes.Load())
}
