package histogram

// buckets are the counts of one sign: counts[i] belongs to bucket first+i.
type buckets struct {
	first  int
	counts []float64
}

// add puts weight into bucket i and grows the stretch where it must.
func (b *buckets) add(i int, weight float64) {
	if len(b.counts) == 0 {
		b.first = i
	}
	switch {
	case i < b.first:
		b.growLeft(b.first - i)
	case i >= b.first+len(b.counts):
		b.growRight(i - b.first - len(b.counts) + 1)
	}
	b.counts[i-b.first] += weight
}

func (b *buckets) growRight(n int) {
	for range n {
		b.counts = append(b.counts, 0)
	}
}

func (b *buckets) growLeft(n int) {
	grown := make([]float64, n+len(b.counts), (n+len(b.counts))*5/4)
	copy(grown[n:], b.counts)
	b.counts = grown
	b.first -= n
}

// span returns how many buckets the stretch would have with bucket i in it.
func (b *buckets) span(i int) int {
	if len(b.counts) == 0 {
		return 1
	}
	return max(b.first+len(b.counts), i+1) - min(b.first, i)
}

// widen halves the resolution by steps: 2^steps neighbours become one bucket.
func (b *buckets) widen(steps int) {
	old := *b
	*b = buckets{}
	for i, c := range old.counts {
		if c != 0 {
			b.add((old.first+i)>>steps, c)
		}
	}
}

// trimmed returns the stretch without empty buckets at its ends.
func (b *buckets) trimmed() buckets {
	t := *b
	for len(t.counts) > 0 && t.counts[0] == 0 {
		t.counts = t.counts[1:]
		t.first++
	}
	for len(t.counts) > 0 && t.counts[len(t.counts)-1] == 0 {
		t.counts = t.counts[:len(t.counts)-1]
	}
	return t
}
