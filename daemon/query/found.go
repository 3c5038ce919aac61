package query

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/protocol/series"
)

const (
	// maxFound bounds the look-ups that are remembered, maxFoundSeries the series of
	// one, and maxFoundAll those of all.
	maxFound, maxFoundSeries, maxFoundAll = 4096, 1000, 100_000
)

// found is which series a look-up of one name found. It holds while none is deleted
// and none comes again; what is new since stands behind seen in the catalog's list of
// the name, for this process names every series of a store that it has alone. Where
// others name some too, it holds until the follower sees that series have changed.
type found struct {
	era       uint64 // of founds, before the store was asked
	changes   int64  // to the store's series, as the other daemons were followed then
	deletions uint64
	returned  int
	seen      int
	gone      []*admit.Series // of the name, left out because they were deleted
	list      []Series
}

// founds remembers look-ups. Where there are too many, all are forgotten: those that
// are asked again and again are soon back.
type founds struct {
	mu     sync.Mutex
	byText map[string]*found
	series int
	era    uint64 // grows when everything is forgotten
}

// forget voids everything that was found, and what is being looked for.
func (f *founds) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.byText, f.series = nil, 0
	f.era++
}

func (f *founds) now() (era uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.era
}

func (f *founds) get(text string) *found {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byText[text]
}

func (f *founds) put(text string, one *found) {
	if len(one.list) == 0 || len(one.list) > maxFoundSeries {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.era != f.era {
		return
	}
	if old := f.byText[text]; old != nil {
		f.series -= len(old.list)
	}
	if f.byText == nil || len(f.byText) >= maxFound || f.series+len(one.list) > maxFoundAll {
		f.byText, f.series = map[string]*found{}, 0
	}
	f.byText[text] = one
	f.series += len(one.list)
}

// lookUp writes matchers that name a metric as one text; ok is false for others.
func lookUp(ms []series.Matcher) (name, text string, ok bool) {
	var b strings.Builder
	size := 0
	for _, m := range ms {
		size += len(m.Tag) + len(m.Value) + 3
	}
	b.Grow(size)
	for _, m := range ms {
		if m.Tag == series.NameTag && m.Op == series.Equal {
			name, ok = m.Value, true
		}
		b.WriteString(m.Tag)
		b.WriteByte(0) // no tag or value holds one
		b.WriteByte('0' + byte(m.Op))
		b.WriteString(m.Value)
		b.WriteByte(0)
	}
	return name, b.String(), ok
}

// remembered answers a look-up from what is remembered, with what is new since; ok
// is false where it has to be asked.
func (r *Reader) remembered(ms []series.Matcher, name, text string, changes int64) (list []Series, ok bool) {
	deletions, returned := r.catalog.Returned()
	f := r.founds.get(text)
	if f == nil || f.changes != changes || f.deletions != deletions || f.returned != len(returned) || slices.ContainsFunc(f.gone, func(s *admit.Series) bool { return !s.Gone() }) {
		return nil, false
	}
	if all := r.catalog.ByName(name); len(all) > f.seen {
		next, err := f.with(all[f.seen:], ms)
		if err != nil {
			return nil, false
		}
		f = next
		r.founds.put(text, f)
	}
	list = slices.Clone(f.list)
	ids(list)
	if !slices.IsSortedFunc(list, byID) { // what got its id since
		slices.SortStableFunc(list, byID)
	}
	return list, true
}

// byID is the order in which Find lists: stored series by id, then the others.
func byID(a, b Series) int {
	return cmp.Compare(uint64(a.ID-1), uint64(b.ID-1)) // no id comes last
}

// with returns what was found with the matching ones of the series that have come
// since. One that the store alone knew so far is the same series still.
func (f *found) with(fresh []*admit.Series, ms []series.Matcher) (*found, error) {
	n := *f
	n.seen += len(fresh)
	n.list = slices.Clone(f.list)
	byKey := make(map[string]*Series, len(n.list))
	for i := range n.list {
		byKey[string(n.list[i].Key.Append(nil))] = &n.list[i]
	}
	var more []Series
	for _, s := range fresh {
		if known := byKey[s.Key]; known != nil {
			known.local = s
			continue
		}
		key, err := series.Parse([]byte(s.Key))
		if err != nil {
			return nil, err
		}
		switch {
		case !series.MatchAll(ms, key):
		case s.Gone() && s.ID() == 0:
			n.gone = append(slices.Clip(n.gone), s)
		default:
			more = append(more, Series{Key: key, local: s})
		}
	}
	n.list = append(n.list, more...)
	return &n, nil
}

// Forget voids what is remembered of which series there are. It has to be called
// once series were deleted from the store, whether this process knew them or not.
func (r *Reader) Forget() {
	r.founds.forget()
	r.names.forget()
}

// remember keeps what a look-up found. all is the catalog's list of the name, and f
// what held, before the store was asked.
func (r *Reader) remember(text string, f *found, all []*admit.Series, list []Series) {
	f.seen, f.list = len(all), slices.Clone(list)
	for _, s := range all {
		if s.Gone() {
			f.gone = append(f.gone, s)
		}
	}
	r.founds.put(text, f)
}
