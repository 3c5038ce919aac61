package live

import "time"

// Eviction is why a point left the window.
type Eviction int

// Evictions.
const (
	byAge Eviction = iota
	byBytes
	numEvictions
)

var evictionNames = [numEvictions]string{"age", "bytes"}

func (e Eviction) String() string { return evictionNames[e] }

// Evictions lists all reasons.
func Evictions() []Eviction { return []Eviction{byAge, byBytes} }

// evict drops what is too old, and then what is too much: distributions while they
// have more than half of the bytes, else the oldest bucket. The open bucket goes
// last.
func (w *Window) evict(bucket int64) {
	for len(w.kept) > 0 && w.kept[0].bucket+w.opts.Resolution <= bucket-Keep {
		w.dropOldest(byAge)
	}
	budget := int(w.budget.Load())
	for {
		scalars, sketches := w.bytes()
		switch {
		case scalars+sketches <= budget:
			return
		case sketches > budget/2 && w.dropSketches():
		case len(w.kept) > 0:
			w.dropOldest(byBytes)
		default: // the lanes' share alone is what is left to give up
			w.evicted[byBytes] += uint64(w.frame.dropSketches())
			return
		}
	}
}

// bytes returns what distributions take, and what all else does, the lanes' share
// included.
func (w *Window) bytes() (scalars, sketches int) {
	scalars = w.held + w.spare
	if w.frame != nil {
		scalars, sketches = scalars+w.frame.scalarBytes(), w.frame.sketchBytes()
	}
	for _, p := range w.kept {
		a, b := p.bytes()
		scalars, sketches = scalars+a, sketches+b
	}
	return scalars, sketches
}

func (w *Window) dropOldest(why Eviction) {
	w.evicted[why] += uint64(w.kept[0].points)
	w.kept[0] = nil
	w.kept = w.kept[1:]
}

// dropSketches gives up the oldest distributions; false where there are none.
func (w *Window) dropSketches() bool {
	for i, p := range w.kept {
		if p.sketches > 0 {
			w.evicted[byBytes] += uint64(p.sketches)
			w.kept[i] = p.withoutSketches()
			return true
		}
	}
	points := w.frame.dropSketches()
	w.evicted[byBytes] += uint64(points)
	return points > 0
}

// Stats is how much the window holds, and what it has given up.
type Stats struct {
	Bytes   int // with what the lanes keep for it
	Series  int // followed in the newest bucket
	Watched int // of them or not, those that are looked at
	Points  int
	Evicted [numEvictions]uint64 // points, by why
	Missed  uint64               // seconds of which the lanes told nothing in time
	Refused uint64               // questions about too many series to follow them
	Pass    time.Duration        // that the last pass took
	Passes  time.Duration        // that all passes took
}

// Stats returns the figures.
func (w *Window) Stats() Stats {
	w.mu.RLock()
	s := Stats{Missed: w.missed.Load(), Refused: w.refused.Load(), Evicted: w.evicted, Pass: time.Duration(w.pass.Load()), Passes: time.Duration(w.passes.Load())}
	scalars, sketches := w.bytes()
	s.Bytes = scalars + sketches
	for _, p := range w.kept {
		s.Points += p.points
	}
	if w.frame != nil {
		s.Points, s.Series = s.Points+w.frame.points, len(w.members)
	}
	w.mu.RUnlock()
	w.choosing.Lock()
	defer w.choosing.Unlock()
	s.Watched = len(w.watched)
	return s
}
