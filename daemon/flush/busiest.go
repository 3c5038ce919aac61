package flush

import (
	"cmp"
	"container/heap"
	"slices"

	"example.com/nexusctl/daemon/admit"
)

// fewBusiest is how many series a flush names as its busiest, where nobody asks
// for more.
const fewBusiest = 50

// Busy is a series and the values that one generation took for it.
type Busy struct {
	Series *admit.Series
	Values uint64
}

// busiest keeps the series with most values of those it was offered: a heap
// with the least busy on top, so that most offers cost one comparison.
type busiest struct {
	most int
	list []idValues
}

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
	if len(b.list) < b.most {
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
	var marks sieve
	for id := range values {
		marks.add(id)
	}
	for _, s := range all {
		if id := s.ID(); marks.has(id) {
			if v, ok := values[id]; ok {
				named = append(named, Busy{s, v})
			}
		}
	}
	slices.SortFunc(named, func(a, b Busy) int {
		return cmp.Or(cmp.Compare(b.Values, a.Values), cmp.Compare(a.Series.Key, b.Series.Key))
	})
	return named
}

// sieve lets all of its ids through, and few others: it spares most of a catalog's
// series the look into a map.
type sieve [1 << 17 / 64]uint64

func (s *sieve) add(id int64)      { s[id>>6%int64(len(s))] |= 1 << (id & 63) }
func (s *sieve) has(id int64) bool { return s[id>>6%int64(len(s))]&(1<<(id&63)) != 0 }
