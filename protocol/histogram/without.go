package histogram

import (
	"math"
	"unsafe"
)

// Without returns what h holds beyond o: what came into h since it was as o is.
// o must be an earlier state of h, or have been merged into it. Weights that are
// whole numbers, or sums of powers of two, are exact; of Min and Max only the
// buckets are known in which they lie.
func (h *Histogram) Without(o *Histogram) *Histogram {
	d := New(h.schema)
	if o.schema > h.schema { // h has widened since
		w := *o
		w.positive = o.positive.clone()
		if o.negative != nil {
			below := o.negative.clone()
			w.negative = &below
		}
		w.widen(o.schema - h.schema)
		o = &w
	}
	d.positive.beyond(&h.positive, &o.positive)
	if h.negative != nil {
		d.makeBelow().beyond(h.negative, o.below())
	}
	d.zero = max(0, h.zero-o.zero)
	if d.positive.n == 0 && d.below().n == 0 && d.zero == 0 {
		return d
	}
	d.Count = h.Count - o.Count
	if d.sum = h.Sum() - o.Sum(); math.IsNaN(d.sum) {
		d.sum = h.Sum() // both are infinite
	}
	d.Min, d.Max = math.Inf(1), math.Inf(-1)
	d.Buckets(func(low, high, _ float64) bool {
		d.Min, d.Max = min(d.Min, low), max(d.Max, high)
		return true
	})
	d.Min, d.Max = max(d.Min, h.Min), min(d.Max, h.Max)
	return d
}

// Become makes h equal to o, in h's own memory.
func (h *Histogram) Become(o *Histogram) {
	positive, negative := h.positive, h.negative
	*h = *o
	h.positive, h.negative = positive, negative
	h.positive.become(&o.positive)
	switch {
	case o.negative != nil:
		h.makeBelow().become(o.negative)
	case h.negative != nil:
		h.negative.become(&noBuckets)
	}
}

// Bytes returns how much memory the buckets take.
func (h *Histogram) Bytes() int {
	n := h.positive.bytes()
	if h.negative != nil {
		n += int(unsafe.Sizeof(buckets{})) + h.negative.bytes()
	}
	return n
}

func (b *buckets) bytes() int {
	n := pairBytes * cap(b.pairs)
	if c := b.cells; c != nil {
		n += cap(c.tiny) + 4*cap(c.small) + 8*cap(c.wide)
	}
	return n
}

const pairBytes = 8

// beyond fills b with what a holds and o does not. Both have one schema.
func (b *buckets) beyond(a, o *buckets) {
	switch {
	case o.n == 0 && !a.spread(), a.n == 0:
	case a.tiny() && o.n == 0:
		beyondCells(b, a, a.cells.tiny, o, []uint8(nil))
		return
	case a.tiny() && o.tiny():
		beyondCells(b, a, a.cells.tiny, o, o.cells.tiny)
		return
	case a.small() && o.n == 0:
		beyondCells(b, a, a.cells.small, o, []uint32(nil))
		return
	case a.small() && o.tiny():
		beyondCells(b, a, a.cells.small, o, o.cells.tiny)
		return
	case a.small() && o.small():
		beyondCells(b, a, a.cells.small, o, o.cells.small)
		return
	}
	a.each(func(i int, w float64) bool {
		if w -= o.weight(i); w > 0 {
			b.add(i, w)
		}
		return true
	})
}

// weight returns a bucket's weight, 0 outside of the stretch too.
func (b *buckets) weight(i int) float64 {
	if i < b.first || i >= b.first+b.n {
		return 0
	}
	if b.spread() {
		return b.cells.at(i)
	}
	for _, p := range b.pairs {
		if int(p.index) == i {
			return float64(p.weight)
		}
	}
	return 0
}

// beyondCells is beyond without a call for each bucket: the live window asks for
// thousands of distributions a second.
func beyondCells[A, O uint8 | uint32](b, a *buckets, cells []A, o *buckets, known []O) {
	if cells = part(a, cells); o.n > 0 {
		known = part(o, known)
	}
	shift := a.first - o.first // of a cell's place among o's
	more := func(i int) A {
		if k := i + shift; k >= 0 && k < len(known) {
			return cells[i] - min(A(known[k]), cells[i])
		}
		return cells[i]
	}
	low, high := len(cells), 0
	for i := range cells {
		if more(i) != 0 {
			low, high = min(low, i), i+1
		}
	}
	if low >= high {
		return
	}
	b.first, b.n = a.first+low, high-low
	b.cells = &stretch{base: b.first}
	list := make([]A, b.n)
	for i := range list {
		list[i] = more(low + i)
	}
	switch list := any(list).(type) {
	case []uint8:
		b.cells.tiny = list
	case []uint32:
		b.cells.small = list
	}
}

func (b *buckets) become(o *buckets) {
	pairs, mine := append(b.pairs[:0], o.pairs...), b.cells
	*b = *o
	b.pairs, b.cells = pairs, mine
	if mine != nil { // kept for when there are many
		mine.keep()
	}
	if !o.spread() {
		return
	}
	if mine == nil {
		mine = new(stretch)
	}
	mine.base = o.cells.base
	switch { // which of them there is says how a cell is read
	case o.tiny():
		mine.tiny = append(mine.tiny, o.cells.tiny...)
	case o.small():
		mine.tiny, mine.small = nil, append(mine.small, o.cells.small...)
	default:
		mine.tiny, mine.wide = nil, append(mine.wide, o.cells.wide...)
	}
	b.cells = mine
}

// keep leaves no cells, and the memory of those of one byte.
func (c *stretch) keep() { c.tiny, c.small, c.wide = c.tiny[:0], nil, nil }

func (b *buckets) clone() buckets {
	var c buckets
	c.become(b)
	return c
}
