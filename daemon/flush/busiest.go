package flush

import (
	"cmp"
	"container/heap"
	"slices"

	"example.com/nexusctl/daemon/admit"
)

// maxBusiest bounds the series that a flush names as its busiest.
const maxBusiest = 50

// Busy is a series and the values that one generation took for it.
type Busy struct {
	Series *admit.Series
	Values uint64
}

// busiest keeps the series with most values of those it was offered: a heap
// with the least busy on top, so that most offers cost one comparison.
type busiest struct{ list []idValues }

type idValues struct {
	id     int64
	values uint64
}

func (b *busiest) Len() int           { return len(b.list) }
func (b *busiest) Less(i, j int) bool { return b.list[i].values < b.list[j].values }
func (b *busiest) Swap(i, j int)      { b.list[i], b.list[j] = b.list[j], b.list[i] }
func (b *busiest) Push(x any)         { b.list = append(b.list, x.(idValues)) }
func (b *busiest) Pop() any {
	last := b.list[len(b.list)-1]
	b.list = b.list[:len(b.list)-1]
	return last
}

func (b *busiest) offer(id int64, values uint64) {
	if len(b.list) < maxBusiest {
		heap.Push(b, idValues{id, values})
	} else if values > b.list[0].values {
		b.list[0] = idValues{id, values}
		heap.Fix(b, 0)
	}
}

// named returns the busiest first, with what the catalog knows of them.
func (b *busiest) named(all []*admit.Series) []Busy {
	values := make(map[int64]uint64, len(b.list))
	for _, x := range b.list {
		values[x.id] = x.values
	}
	named := make([]Busy, 0, len(b.list))
	for _, s := range all {
		if v, ok := values[s.ID()]; ok {
			named = append(named, Busy{s, v})
		}
	}
	slices.SortFunc(named, func(a, b Busy) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Series.Key, b.Series.Key))
	})
	return named
}
