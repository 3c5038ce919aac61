package aggregate

import (
	"math"
	"sync"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/storage/block"
)

// Ordered holds the gauges that have seen a delta, for one generation. Their
// changes depend on each other, so they are applied in the log's order over
// all lanes: Apply runs under the log's lock, live, and in reading order on
// replay. The own lock is for readers beside it.
type Ordered struct {
	mu    sync.Mutex
	cells map[uint32]*orderedCell // by series index
}

// NewOrdered returns an empty set of ordered gauges.
func NewOrdered() *Ordered { return &Ordered{cells: map[uint32]*orderedCell{}} }

// Apply takes the ordered changes of one batch; series maps the lane's
// references to series.
func (o *Ordered) Apply(b *record.Batch, series func(ref uint32) uint32) {
	if len(b.Ordered) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range b.Ordered {
		i := series(op.Ref)
		c := o.cells[i]
		if c == nil {
			c = new(orderedCell)
			o.cells[i] = c
		}
		c.apply(op, b.At)
	}
}

func (o *Ordered) cell(series uint32) (c orderedCell, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if p := o.cells[series]; p != nil {
		return *p, true
	}
	return orderedCell{}, false
}

func (o *Ordered) series() []uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]uint32, 0, len(o.cells))
	for i := range o.cells {
		list = append(list, i)
	}
	return list
}

// orderedCell is one gauge's generation. What precedes the first absolute
// value is kept relative to the value the gauge had before, which is not known
// until all lanes' tables are at hand.
type orderedCell struct {
	relative slot // sum, low, high, last: of the running offset
	absolute slot
	known    bool // an absolute value was seen
}

func (c *orderedCell) apply(op record.Ordered, at int64) {
	switch {
	case !op.Delta:
		c.known = true
		c.absolute.gauge(op.Value, at, 0)
	case c.known:
		c.absolute.gauge(c.absolute.last+op.Value, at, 0)
	default:
		c.relative.gauge(c.relative.last+op.Value, at, 0)
	}
}

// resolve turns the cell into a slot, given the gauge's value before it.
func (c *orderedCell) resolve(base float64) slot {
	s := c.relative
	if s.n > 0 {
		s.add(base * float64(s.n))
		s.low += base
		s.high += base
		s.last += base
	}
	if c.known {
		s.absorb(&c.absolute, block.Gauge)
	}
	// Whatever a lane's table holds was logged before the first ordered
	// change, so these come last.
	s.pos = math.MaxUint64
	return s
}
