package aggregate

import (
	"math"

	"example.com/nexusctl/storage/block"
)

// slot is what one reference gathered in one bucket. Which fields mean what depends
// on the kind:
//
//	counter    n, sum+comp (Σ of increments), low (Σ of negative ones)
//	gauge      n, sum+comp, low and high (minimum and maximum), last, at, pos
//	histogram  n; pos is its place in the table's histograms, from 1
//	set        n; pos is its place in the table's sets, from 1
//
// In a table's pages only gauges take a whole slot: at a million series every byte
// of it is a megabyte, and a line of the cache more or less for each sample.
type slot struct {
	n         uint64
	sum, comp float64
	low, high float64
	last      float64
	at        int64
	pos       uint64 // log position of last (gauge), or aux
}

// counter is a counter's slot: most count whole things upwards, whose sums lose
// nothing. What others need stands apart, so that a million of them take half.
type counter struct {
	sum float64
	n   uint32 // a bucket is a minute at most: no lane folds 2^32 values in one
	odd uint32 // place of the rest among the table's odds, 0 for none
}

// odd is the rest of a counter that lost digits or counted downwards.
type odd struct{ comp, low float64 }

// count adds v where that leaves nothing for the odd part; false says that it did
// nothing.
func (c *counter) count(v float64) bool {
	sum, lost := sumUp(c.sum, 0, v)
	if lost != 0 || v < 0 {
		return false
	}
	c.n++
	c.sum = sum
	return true
}

// countOdd adds any v.
func (t *table) countOdd(c *counter, v float64) {
	if c.odd == 0 {
		c.odd = uint32(t.odds.next(&oddPages))
	}
	o := t.odds.at(uint64(c.odd))
	c.n++
	c.sum, o.comp = sumUp(c.sum, o.comp, v)
	if v < 0 {
		o.low += v
	}
}

func (t *table) counterSlot(c *counter) slot {
	s := slot{n: uint64(c.n), sum: c.sum}
	if c.odd != 0 {
		o := t.odds.at(uint64(c.odd))
		s.comp, s.low = o.comp, o.low
	}
	return s
}

// sketched is a histogram's or a set's slot.
type sketched struct{ n, place uint64 }

func (s *sketched) slot() slot { return slot{n: s.n, pos: s.place} }

// sumUp adds v with Neumaier's compensation: counters stay exact far past the
// point at which naive sums of mixed magnitudes drift.
func sumUp(sum, comp, v float64) (newSum, newComp float64) {
	t := sum + v
	if math.Abs(sum) >= math.Abs(v) {
		return t, comp + ((sum - t) + v)
	}
	return t, comp + ((v - t) + sum)
}

func (s *slot) add(v float64) { s.sum, s.comp = sumUp(s.sum, s.comp, v) }

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
