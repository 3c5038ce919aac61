package aggregate

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"

	"example.com/nexusctl/daemon/record"
)

// State is what one generation leaves to the next: the last value of every
// gauge, from which deltas go on, and who sent what can be sent again. It is
// part of every checkpoint.
type State struct {
	mu   sync.RWMutex
	last []float64 // by series index; NaN where the gauge is unknown

	producers map[string]record.Producer
	keys      []record.Key // by age, oldest first
}

// KeyLife is how long an idempotency key is remembered, milliseconds; MaxKeys
// bounds how many are, the newest.
const (
	KeyLife = 24 * 60 * 60 * 1000
	MaxKeys = 1_000_000
)

// Producers returns what is known of every producer, by rising ID.
func (s *State) Producers() []record.Producer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]record.Producer, 0, len(s.producers))
	for _, id := range slices.Sorted(maps.Keys(s.producers)) {
		list = append(list, s.producers[id])
	}
	return list
}

// Keys returns the idempotency keys, oldest first.
func (s *State) Keys() []record.Key {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.keys)
}

// Deliver takes over what a checkpoint knows, or what a generation adds: of a
// producer that is known the later batch counts, and units add up.
func (s *State) Deliver(producers []record.Producer, keys []record.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range producers {
		known := s.producers[p.ID]
		p.Accepted += known.Accepted
		p.Rejected += known.Rejected
		p.Epoch, p.Seq, p.Seen = max(p.Epoch, known.Epoch), max(p.Seq, known.Seq), max(p.Seen, known.Seen)
		if s.producers == nil {
			s.producers = map[string]record.Producer{}
		}
		s.producers[p.ID] = p
	}
	if len(keys) == 0 {
		return
	}
	s.keys = append(s.keys, keys...)
	slices.SortStableFunc(s.keys, func(a, b record.Key) int { return cmp.Compare(a.At, b.At) })
	newest := s.keys[len(s.keys)-1].At
	young := slices.IndexFunc(s.keys, func(k record.Key) bool { return newest-k.At <= KeyLife })
	s.keys = slices.Clone(s.keys[max(young, len(s.keys)-MaxKeys):])
}

// NewState returns a state without gauges.
func NewState() *State { return new(State) }

// Last returns a gauge's value before the generations not yet advanced over;
// an unknown gauge stands at 0.
func (s *State) Last(series uint32) float64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if int(series) >= len(s.last) || math.IsNaN(s.last[series]) {
		return 0
	}
	return s.last[series]
}

// bases are what gauges stood at before a generation: State's of all, or lasts of
// the few that a reader asks for, whose cost must not be that of all.
type bases interface{ Last(series uint32) float64 }

type lasts map[uint32]float64

// Last returns a gauge's value; an unknown gauge stands at 0.
func (l lasts) Last(series uint32) float64 { return l[series] }

// Set records a gauge's value, which is never NaN.
func (s *State) Set(series uint32, v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(series, v)
}

func (s *State) set(series uint32, v float64) {
	if n := int(series) + 1; n > cap(s.last) {
		s.last = slices.Grow(s.last, n-len(s.last)+n/8) // append would leave a quarter of it free
	}
	for int(series) >= len(s.last) {
		s.last = append(s.last, math.NaN())
	}
	s.last[series] = v
}

// advance gathers the gauges' last values of a generation. They go into the state
// many at a time: a lock for each would take longer than the rest, and one for all
// would have readers wait.
type advance struct {
	state *State
	pages []*[posPage]uint64 // by series index, where the log has what is set
	list  []seen
}

const posPage = 1 << 10

type seen struct {
	series uint32
	pos    uint64
	v      float64
}

// see takes a lane's slot of a gauge. Of several lanes' the latest counts.
func (a *advance) see(series uint32, s *slot) {
	if a.list = append(a.list, seen{series, s.pos, s.last}); len(a.list) == advanceAtOnce {
		a.settle()
	}
}

const advanceAtOnce = 256

func (a *advance) settle() {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	for _, g := range a.list {
		if pos := a.pos(g.series); g.pos >= *pos {
			*pos = g.pos
			a.state.set(g.series, g.v)
		}
	}
	a.list = a.list[:0]
}

func (a *advance) pos(series uint32) *uint64 {
	n := int(series / posPage)
	for n >= len(a.pages) {
		a.pages = append(a.pages, nil)
	}
	if a.pages[n] == nil {
		a.pages[n] = new([posPage]uint64)
	}
	return &a.pages[n][series%posPage]
}

// Forget makes gauges unknown: their next delta starts at 0. It returns how many
// were known.
func (s *State) Forget(series []uint32) (known int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range series {
		if int(i) < len(s.last) && !math.IsNaN(s.last[i]) {
			s.last[i] = math.NaN()
			known++
		}
	}
	return known
}

// Each calls f for every known gauge, by rising index.
func (s *State) Each(f func(series uint32, v float64)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, v := range s.last {
		if !math.IsNaN(v) {
			f(uint32(i), v)
		}
	}
}
