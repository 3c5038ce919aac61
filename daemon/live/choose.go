package live

import (
	"cmp"
	"slices"

	"example.com/nexusctl/daemon/admit"
)

// Busy is a series and how many values one generation took for it.
type Busy struct {
	Series *admit.Series
	Values uint64
}

// stillFor is how many buckets in a row a busy series may be silent before its
// place is free.
const stillFor = 6

// busiest are the series that are followed because they are busy. Whoever is in
// stays until another is twice as busy: where many are about equally busy, series
// that come and go would fill the window with scraps.
type busiest struct {
	list    []Busy                // the busiest first
	changed bool                  // since the passes looked
	still   map[*admit.Series]int // buckets in which nothing came
}

// rank returns the most series that are to be followed now: a pure decision.
// fresh are the last generation's busiest; of a series that is not among them it
// is only known that it had no more values than bound.
func rank(now, fresh []Busy, bound uint64, most int) []Busy {
	in := make(map[*admit.Series]bool, len(now))
	for _, b := range now {
		in[b.Series] = true
	}
	all := slices.Clone(fresh)
	named := make(map[*admit.Series]bool, len(fresh))
	for _, b := range fresh {
		named[b.Series] = true
	}
	for _, b := range now {
		if !named[b.Series] {
			all = append(all, Busy{b.Series, min(b.Values, bound)})
		}
	}
	score := func(b Busy) uint64 {
		if in[b.Series] {
			return 2 * b.Values
		}
		return b.Values
	}
	slices.SortStableFunc(all, func(a, b Busy) int {
		return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.Series.Index, b.Series.Index))
	})
	return all[:min(len(all), most)]
}

// settle looks at a bucket that is over: who was silent in too many gives its
// place up.
func (b *busiest) settle(f *frame) {
	b.list = slices.DeleteFunc(b.list, func(x Busy) bool {
		if !f.still(x.Series.Index) {
			delete(b.still, x.Series)
			return false
		}
		b.still[x.Series]++
		if b.still[x.Series] < stillFor {
			return false
		}
		delete(b.still, x.Series)
		return true
	})
}

// watched are series that somebody looks at, and until when that is believed.
type watched map[*admit.Series]int64

// look notes that somebody looks at the series until then; full says that there
// was no room for all.
func (w watched) look(list []*admit.Series, now, until int64) (full bool) {
	for _, s := range list {
		if _, known := w[s]; !known && len(w) >= MaxWatched {
			w.expire(now)
			if len(w) >= MaxWatched {
				return true
			}
		}
		w[s] = until
	}
	return false
}

func (w watched) expire(now int64) {
	for s, until := range w {
		if until <= now {
			delete(w, s)
		}
	}
}
