package aggregate

import (
	"math"

	"example.com/nexusctl/storage/block"
)

// slot is what one reference gathered in one bucket: 64 bytes, no pointers, so
// that a page of slots is one stretch of memory the collector never walks.
// Which fields mean what depends on the kind:
//
//	counter    n, sum+comp (Σ of increments), low (Σ of negative ones)
//	gauge      n, sum+comp, low and high (minimum and maximum), last, at, pos
//	histogram  n; aux-1 is its place in the table's histograms
//	set        n; aux-1 is its place in the table's sets
type slot struct {
	n         uint64
	sum, comp float64
	low, high float64
	last      float64
	at        int64
	pos       uint64 // log position of last (gauge), or aux
}

// add sums with Neumaier's compensation: counters stay exact far past the
// point at which naive sums of mixed magnitudes drift.
func (s *slot) add(v float64) {
	t := s.sum + v
	if math.Abs(s.sum) >= math.Abs(v) {
		s.comp += (s.sum - t) + v
	} else {
		s.comp += (v - t) + s.sum
	}
	s.sum = t
}

func (s *slot) count(v float64) {
	s.n++
	s.add(v)
	if v < 0 {
		s.low += v
	}
}

func (s *slot) gauge(v float64, at int64, pos uint64) {
	if s.n == 0 || v < s.low {
		s.low = v
	}
	if s.n == 0 || v > s.high {
		s.high = v
	}
	s.n++
	s.add(v)
	if pos >= s.pos {
		s.last, s.at, s.pos = v, at, pos
	}
}

// total returns the compensated sum. An infinite sum has no compensation:
// inf - inf would make it NaN.
func (s *slot) total() float64 {
	if math.IsInf(s.sum, 0) {
		return s.sum
	}
	return s.sum + s.comp
}

// absorb adds o, gathered elsewhere for the same series and bucket.
func (s *slot) absorb(o *slot, kind block.Kind) {
	switch kind {
	case block.Counter:
		s.low += o.low
	case block.Gauge:
		if s.n == 0 || o.low < s.low {
			s.low = o.low
		}
		if s.n == 0 || o.high > s.high {
			s.high = o.high
		}
		if s.n == 0 || o.pos >= s.pos {
			s.last, s.at, s.pos = o.last, o.at, o.pos
		}
	}
	s.n += o.n
	s.add(o.sum)
	s.comp += o.comp
}
