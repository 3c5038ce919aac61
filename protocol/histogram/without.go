package histogram

import "math"

// Without returns what h holds beyond o: what came into h since it was as o is.
// o must be an earlier state of h, or have been merged into it. Weights that are
// whole numbers, or sums of powers of two, are exact; of Min and Max only the
// buckets are known in which they lie.
func (h *Histogram) Without(o *Histogram) *Histogram {
	d := New(h.schema)
	if o.schema > h.schema { // h has widened since
		w := *o
		w.positive, w.negative = o.positive.clone(), o.negative.clone()
		w.widen(o.schema - h.schema)
		o = &w
	}
	d.positive.beyond(&h.positive, &o.positive)
	d.negative.beyond(&h.negative, &o.negative)
	d.zero = max(0, h.zero-o.zero)
	if d.positive.n == 0 && d.negative.n == 0 && d.zero == 0 {
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
	h.negative.become(&o.negative)
}

// Bytes returns how much memory the buckets take.
func (h *Histogram) Bytes() int { return h.positive.bytes() + h.negative.bytes() }

func (b *buckets) bytes() int { return 4*cap(b.small) + 8*cap(b.wide) }

// beyond fills b with what a holds and o does not. Both have one schema.
func (b *buckets) beyond(a, o *buckets) {
	if a.wide == nil && o.wide == nil {
		b.beyondSmall(a, o)
		return
	}
	a.each(func(i int, c float64) {
		if k := i - o.first; k >= 0 && k < o.n {
			c -= o.at(k)
		}
		if c > 0 {
			b.add(i, c)
		}
	})
}

// beyondSmall is beyond for whole weights, as almost all are: the live window asks
// for thousands a second.
func (b *buckets) beyondSmall(a, o *buckets) {
	if a.n == 0 {
		return
	}
	cells := a.small[a.first-a.base:][:a.n]
	shift := a.first - o.first // of a cell's place among o's
	less := func(i int) uint32 {
		if k := i + shift; k >= 0 && k < o.n {
			return min(o.small[o.first-o.base+k], cells[i])
		}
		return 0
	}
	low, high := len(cells), 0
	for i, c := range cells {
		if c != less(i) {
			low, high = min(low, i), i+1
		}
	}
	if low >= high {
		return
	}
	b.first, b.n, b.base = a.first+low, high-low, a.first+low
	b.small = make([]uint32, high-low)
	for i := range b.small {
		b.small[i] = cells[low+i] - less(low+i)
	}
}

func (b *buckets) become(o *buckets) {
	small, wide := append(b.small[:0], o.small...), append(b.wide[:0], o.wide...)
	*b = *o
	b.small, b.wide = small, wide
	if o.small == nil {
		b.small = nil
	}
	if o.wide == nil { // which of the two there is says how a cell is read
		b.wide = nil
	}
}

func (b *buckets) clone() buckets {
	var c buckets
	c.become(b)
	return c
}
