package histogram

import "math"

// buckets are the counts of one sign: the stretch from bucket first on, n of them,
// of which the first and the last hold something.
//
// Cells are allotted a few more than are needed, so that a stretch that grows does
// not move each time. A cell takes four bytes while every weight is a whole number
// below 2^32, which they are unless samples were sent at a rate; from the first
// other one on it takes eight.
type buckets struct {
	first, n int
	base     int       // the bucket of the first cell
	small    []uint32  // the cells,
	wide     []float64 // or these
}

// cellStep is by how many cells a stretch grows at least: an octave of schema 5.
const cellStep = 32

// bump adds weight 1 to a bucket inside the stretch; false says that it could not.
func (b *buckets) bump(i int) bool {
	if uint(i-b.first) >= uint(b.n) {
		return false
	}
	cell := uint(i - b.base)
	if cell >= uint(len(b.small)) || b.small[cell] == math.MaxUint32 {
		return false
	}
	b.small[cell]++
	return true
}

// add puts weight, above 0, into bucket i and grows the stretch where it must.
func (b *buckets) add(i int, weight float64) {
	if i < b.base || i >= b.base+b.cells() {
		b.allot(i)
	}
	first, end := b.reach(i)
	b.first, b.n = first, end-first
	cell := i - b.base
	if b.wide == nil {
		if sum := float64(b.small[cell]) + weight; sum == math.Trunc(sum) && sum <= math.MaxUint32 {
			b.small[cell] = uint32(sum)
			return
		}
		b.widenCells()
	}
	b.wide[cell] += weight
}

func (b *buckets) cells() int { return len(b.small) + len(b.wide) }

// at returns the weight of bucket first+i.
func (b *buckets) at(i int) float64 {
	if b.wide != nil {
		return b.wide[b.first+i-b.base]
	}
	return float64(b.small[b.first+i-b.base])
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

// allot makes cells for the stretch and bucket i.
func (b *buckets) allot(i int) {
	first, end := b.reach(i)
	base := first &^ (cellStep - 1)
	cells := (end - base + cellStep - 1) &^ (cellStep - 1)
	if b.wide != nil {
		b.wide = moved(b.wide, b, base, cells)
	} else {
		b.small = moved(b.small, b, base, cells)
	}
	b.base = base
}

// moved returns the stretch's cells in new memory that begins at bucket base.
func moved[T uint32 | float64](cells []T, b *buckets, base, n int) []T {
	to := make([]T, n)
	if b.n > 0 {
		copy(to[b.first-base:], cells[b.first-b.base:][:b.n])
	}
	return to
}

// widenCells goes over to cells that hold any weight.
func (b *buckets) widenCells() {
	b.wide = make([]float64, len(b.small))
	for i, c := range b.small {
		b.wide[i] = float64(c)
	}
	b.small = nil
}

// each calls f for every bucket that holds something, by rising index.
func (b *buckets) each(f func(i int, weight float64)) {
	for i := range b.n {
		if c := b.at(i); c != 0 {
			f(b.first+i, c)
		}
	}
}

// weights returns the stretch's weights in memory of their own.
func (b *buckets) weights() []float64 {
	w := make([]float64, b.n)
	for i := range w {
		w[i] = b.at(i)
	}
	return w
}

// widen halves the resolution by steps: 2^steps neighbours become one bucket.
func (b *buckets) widen(steps int) {
	old := *b
	*b = buckets{}
	old.each(func(i int, c float64) { b.add(i>>steps, c) })
}
