package objective

import (
	"math/big"
	"time"

	"example.com/nexusctl/slo"
)

// cell is a stretch of time that is counted as one: a whole hour of the clock,
// or what a slot has beside whole hours. Cells of a question are in order and
// leave nothing out between its first and its last bound.
type cell struct {
	from, to int64 // Unix milliseconds, [from, to)
	slot     int   // of the question
	known    bool  // its counts are final and were remembered
	tally    tally
}

// tally is what a cell holds.
type tally struct{ good, bad, total, up exact }

const hourMillis = 60 * 60 * 1000

// cut divides the slots between bounds into cells.
func cut(bounds []time.Time) (cells []cell) {
	for i := range len(bounds) - 1 {
		from, to := bounds[i].UnixMilli(), bounds[i+1].UnixMilli()
		for from < to {
			next := min((from/hourMillis+1)*hourMillis, to)
			cells = append(cells, cell{from: from, to: next, slot: i})
			from = next
		}
	}
	return cells
}

func (c *cell) wholeHour() bool { return c.to-c.from == hourMillis }

// slots adds the cells up. bad says that the indicator counts what is bad.
func slots(cells []cell, n int, bad bool) []slo.Slot {
	out := make([]slo.Slot, n)
	for i := range out {
		out[i].Events = slo.Events{Good: new(big.Rat), Total: new(big.Rat)}
	}
	for i := range cells {
		c := &cells[i]
		good := c.tally.good.rat()
		if bad {
			good.Sub(c.tally.total.rat(), c.tally.bad.rat())
		}
		s := &out[c.slot]
		s.Events.Good.Add(s.Events.Good, good)
		s.Events.Total.Add(s.Events.Total, c.tally.total.rat())
		covered, _ := c.tally.up.rat().Float64()
		s.Covered += min(time.Duration(covered*float64(time.Second)), time.Duration(c.to-c.from)*time.Millisecond)
	}
	return out
}
