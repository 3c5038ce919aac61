package histogram

import (
	"math"
	"slices"
)

// buckets are the counts of one sign: the stretch from bucket first on, n of them,
// of which the first and the last hold something.
//
// While few buckets hold something they are kept as pairs, by index: most series of
// many send a handful of values in ten seconds, and over three decades cells for
// them would be a hundred times what they hold. From then on there is a cell for
// each bucket of the stretch.
type buckets struct {
	first, n int
	pairs    []pair
	cells    *stretch // instead of pairs, once there were more than fewPairs; one without cells is none
}

// pair is a bucket that holds something.
type pair struct {
	index  int32
	weight uint32
}

// fewPairs is how many buckets are kept as pairs: they are searched one by one.
const fewPairs = 16

// stretch has a cell for each bucket, and a few more than are needed, so that one
// that grows does not move each time. A cell takes one byte while every weight is a
// whole number below 2^8, which they are in most of many series' ten seconds; four
// below 2^32; and eight from the first other one on, which takes samples that were
// sent at a rate.
type stretch struct {
	base  int       // the bucket of the first cell
	tiny  []uint8   // the cells,
	small []uint32  // or these,
	wide  []float64 // or these
}

// count is what a cell can be.
type count interface{ uint8 | uint32 | float64 }

// cellStep is by how many cells a stretch grows at least: an octave of schema 5.
const cellStep = 32

// bump adds weight 1 to a bucket inside the stretch; false says that it could not.
func (b *buckets) bump(i int) bool {
	c := b.cells
	if c == nil {
		return b.bumpPair(i)
	}
	cell := uint(i - c.base)
	switch {
	case uint(i-b.first) >= uint(b.n):
		return false
	case cell < uint(len(c.tiny)) && c.tiny[cell] < math.MaxUint8:
		c.tiny[cell]++
	case cell < uint(len(c.small)) && c.small[cell] < math.MaxUint32:
		c.small[cell]++
	default:
		return false
	}
	return true
}

func (b *buckets) bumpPair(i int) bool {
	for k := range b.pairs {
		if p := &b.pairs[k]; int(p.index) == i && p.weight < math.MaxUint32 {
			p.weight++
			return true
		}
	}
	return false
}

// add puts weight, above 0, into bucket i and grows the stretch where it must.
func (b *buckets) add(i int, weight float64) {
	first, end := b.reach(i)
	if !b.spread() && !b.addPair(i, weight) {
		b.allot(first, end)
	}
	if b.spread() {
		b.cells.add(b, i, weight, first, end)
	}
	b.first, b.n = first, end-first
}

// addPair is add while there are few; false says that there are too many, or that
// the weight does not fit.
func (b *buckets) addPair(i int, weight float64) bool {
	k, known := slices.BinarySearchFunc(b.pairs, i, func(p pair, i int) int { return int(p.index) - i })
	old := uint32(0)
	if known {
		old = b.pairs[k].weight
	}
	sum, whole := wholeSum(old, weight)
	switch {
	case !whole:
		return false
	case known:
		b.pairs[k].weight = sum
	case len(b.pairs) == fewPairs:
		return false
	default:
		b.pairs = slices.Insert(b.pairs, k, pair{int32(i), sum})
	}
	return true
}

// wholeSum adds up in four bytes; false says that the sum does not fit them.
func wholeSum(old uint32, weight float64) (uint32, bool) {
	sum := float64(old) + weight
	return uint32(sum), sum == math.Trunc(sum) && sum <= math.MaxUint32
}

// spread says that there is a cell for each bucket.
func (b *buckets) spread() bool { return b.cells != nil && b.cells.len() > 0 }

// allot goes over from pairs to cells for the buckets [first, end).
func (b *buckets) allot(first, end int) {
	pairs := b.pairs
	if b.pairs = b.pairs[:0]; b.cells == nil { // else it is one that is used again and again
		b.pairs, b.cells = nil, &stretch{}
	}
	b.cells.allot(b, first, end)
	for _, p := range pairs {
		b.cells.put(int(p.index), float64(p.weight))
	}
}

// add puts weight into bucket i; [first, end) is b's stretch as it will be.
func (c *stretch) add(b *buckets, i int, weight float64, first, end int) {
	if i < c.base || i >= c.base+c.len() {
		c.allot(b, first, end)
	}
	c.put(i, c.at(i)+weight)
}

// put sets bucket i, for which there is a cell.
func (c *stretch) put(i int, weight float64) {
	if c.tiny != nil && float64(uint8(weight)) != weight {
		c.small, c.tiny = enlarged[uint32](c.tiny), nil
	}
	if c.small != nil && float64(uint32(weight)) != weight {
		c.wide, c.small = enlarged[float64](c.small), nil
	}
	switch i -= c.base; {
	case c.tiny != nil:
		c.tiny[i] = uint8(weight)
	case c.small != nil:
		c.small[i] = uint32(weight)
	default:
		c.wide[i] = weight
	}
}

// enlarged returns the same cells in more bytes each.
func enlarged[To, From count](cells []From) []To {
	list := make([]To, len(cells))
	for i, n := range cells {
		list[i] = To(n)
	}
	return list
}

func (c *stretch) len() int { return len(c.tiny) + len(c.small) + len(c.wide) }

func (c *stretch) at(i int) float64 {
	switch i -= c.base; {
	case c.tiny != nil:
		return float64(c.tiny[i])
	case c.small != nil:
		return float64(c.small[i])
	}
	return c.wide[i]
}

// allot makes cells for the buckets [first, end), among which b's stretch is.
func (c *stretch) allot(b *buckets, first, end int) {
	base := first &^ (cellStep - 1)
	n := (end - base + cellStep - 1) &^ (cellStep - 1)
	from, to := b.first-c.base, b.first-base
	switch {
	case c.wide != nil:
		c.wide = moved(c.wide, from, b.n, to, n)
	case c.small != nil:
		c.small = moved(c.small, from, b.n, to, n)
	default:
		c.tiny = moved(c.tiny, from, b.n, to, n)
	}
	c.base = base
}

// moved returns size cells, with n of the old ones, from place from on, at to. Memory
// without cells is used again.
func moved[T count](old []T, from, n, to, size int) []T {
	if len(old) == 0 && cap(old) >= size {
		old = old[:size]
		clear(old)
		return old
	}
	moved := make([]T, size)
	if len(old) > 0 {
		copy(moved[to:], old[from:][:n])
	}
	return moved
}

// reach returns the stretch as it would be with bucket i in it.
func (b *buckets) reach(i int) (first, end int) {
	if b.n == 0 {
		return i, i + 1
	}
	return min(b.first, i), max(b.first+b.n, i+1)
}

// span returns how many buckets the stretch would have with bucket i in it.
func (b *buckets) span(i int) int {
	first, end := b.reach(i)
	return end - first
}

// each calls f for every bucket that holds something, by rising index, until f
// returns false.
func (b *buckets) each(f func(i int, weight float64) bool) bool {
	for _, p := range b.pairs {
		if !f(int(p.index), float64(p.weight)) {
			return false
		}
	}
	if !b.spread() {
		return true
	}
	for i := b.first; i < b.first+b.n; i++ {
		if w := b.cells.at(i); w != 0 && !f(i, w) {
			return false
		}
	}
	return true
}

// eachDown is each by falling index.
func (b *buckets) eachDown(f func(i int, weight float64) bool) bool {
	for _, p := range slices.Backward(b.pairs) {
		if !f(int(p.index), float64(p.weight)) {
			return false
		}
	}
	if !b.spread() {
		return true
	}
	for i := b.first + b.n - 1; i >= b.first; i-- {
		if w := b.cells.at(i); w != 0 && !f(i, w) {
			return false
		}
	}
	return true
}

// runsOf calls f for every run of cells that hold something, from the first's place.
func runsOf[T count](cells []T) func(f func(at, n int) bool) {
	return func(f func(at, n int) bool) {
		for i := 0; i < len(cells); {
			n := 0
			for i+n < len(cells) && cells[i+n] != 0 {
				n++
			}
			if n > 0 && !f(i, n) {
				return
			}
			i += n + 1
		}
	}
}

// part returns the cells of the stretch, without those beyond it.
func part[T count](b *buckets, cells []T) []T { return cells[b.first-b.cells.base:][:b.n] }

// addTiny adds the cells of o, of one byte each as b's are; false says that a weight
// would not fit any more, and that nothing was done.
func (b *buckets) addTiny(o *buckets) bool {
	mine, cells := part(b, b.cells.tiny), part(o, o.cells.tiny)
	for i, w := range cells {
		if k := uint(o.first + i - b.first); k < uint(len(mine)) && mine[k] > math.MaxUint8-w {
			return false
		}
	}
	first, end := min(b.first, o.first), max(b.first+b.n, o.first+o.n)
	if first < b.cells.base || end > b.cells.base+b.cells.len() {
		b.cells.allot(b, first, end)
	}
	b.first, b.n = first, end-first
	mine = part(b, b.cells.tiny)[o.first-first:]
	for i, w := range cells {
		mine[i] += w
	}
	return true
}

// tiny says that there is a cell of one byte for each bucket, small that there is one
// of four.
func (b *buckets) tiny() bool  { return b.cells != nil && len(b.cells.tiny) > 0 }
func (b *buckets) small() bool { return b.cells != nil && len(b.cells.small) > 0 }

// weights returns the stretch's weights in memory of their own.
func (b *buckets) weights() []float64 {
	list := make([]float64, b.n)
	b.each(func(i int, w float64) bool {
		list[i-b.first] = w
		return true
	})
	return list
}

// widen halves the resolution by steps: 2^steps neighbours become one bucket.
func (b *buckets) widen(steps int) {
	old := *b
	*b = buckets{}
	old.each(func(i int, w float64) bool {
		b.add(i>>steps, w)
		return true
	})
}
