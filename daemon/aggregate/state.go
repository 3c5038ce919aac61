package aggregate

import (
	"math"
	"sync"
)

// State is what one generation leaves to the next: the last value of every
// gauge, from which deltas go on. It is part of every checkpoint.
type State struct {
	mu   sync.RWMutex
	last []float64 // by series index; NaN where the gauge is unknown
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

// Set records a gauge's value, which is never NaN.
func (s *State) Set(series uint32, v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for int(series) >= len(s.last) {
		s.last = append(s.last, math.NaN())
	}
	s.last[series] = v
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
