package aggregate

import (
	"slices"

	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// View is a copy of what one lane, or one Part, holds of a few references in
// one generation. Live lanes go on changing their slots, so a view never
// points into them.
type View struct {
	Generation uint64
	Bucket     int64
	entries    []entry
	raw        []rawRun
}

// Detail says what of distributions is copied: to copy one takes a hundred times
// what its totals take.
type Detail bool

// Whole copies a distribution with its buckets; Totals leaves points without a
// sketch, which have their count, sum, lowest and highest value.
const (
	Whole  Detail = false
	Totals Detail = true
)

// View copies the references' slots of the open generation. Only the lane's
// own goroutine may call it.
func (l *Lane) View(refs []uint32, d Detail) View {
	return View{Generation: l.generation, Bucket: l.bucket, entries: l.table.view(l.number, &l.dict, refs, d), raw: l.table.rawRuns(&l.dict, refs)}
}

// View copies the references' slots of a sealed part.
func (p Part) View(refs []uint32, d Detail) []entry { return p.table.view(p.Lane, &p.dict, refs, d) }

func (t *table) view(lane int, dict *dict, refs []uint32, d Detail) []entry {
	var entries []entry
	for _, ref := range refs {
		if int(ref) >= dict.n {
			continue // younger than the part
		}
		r := dict.at(ref)
		if s := t.slot(&r); s.n > 0 {
			entries = append(entries, t.copyEntry(lane, dict, ref, noBucket, &s, d))
		}
	}
	for k, s := range t.late {
		if slices.Contains(refs, k.ref) {
			entries = append(entries, t.copyEntry(lane, dict, k.ref, k.bucket, s, d))
		}
	}
	return entries
}

func (t *table) copyEntry(lane int, dict *dict, ref uint32, bucket int64, s *slot, d Detail) entry {
	r := dict.at(ref)
	c := *s
	e := entry{series: r.Series, time: bucket, lane: lane, ref: ref, kind: kindOf(r.Type), slot: &c}
	switch {
	case e.kind == block.Histogram && d == Totals:
		totals := t.distribution(s.pos, s.n, histogram.New(t.schema)).Totals()
		e.totals = &totals
	case e.kind == block.Histogram:
		e.table = new(table)
		h := t.distribution(s.pos, s.n, histogram.New(t.schema))
		c.pos = e.table.hists.add(h.Schema())
		e.table.hists.at(c.pos).Merge(h)
	case e.kind == block.Set:
		e.table = new(table)
		set := histogram.NewSet()
		set.Merge(t.sets[s.pos-1])
		e.table.sets = []*histogram.Set{set}
		c.pos = 1
	}
	return e
}

// Unflushed is one generation as a reader sees it before it is in the store:
// views of the lanes that are still open in it, parts of those that sealed.
type Unflushed struct {
	Number  uint64
	Bucket  int64
	Views   []View
	Parts   []Part
	Packed  *Packed // what the parts held, where they were packed
	Ordered *Ordered
}

// Read merges generations, oldest first, into the points of the wanted series.
// refs gives the references of a series by lane; bases start from state. Of parts d is
// read, as the views were.
func Read(gens []Unflushed, series []uint32, refs func(lane int) []uint32, state *State, d Detail) map[uint32][]block.Point {
	points := map[uint32][]block.Point{}
	gauges := make(lasts, len(series))
	for _, i := range series {
		gauges[i] = state.Last(i)
	}
	for _, g := range gens {
		for _, p := range g.points(series, refs, gauges, d) {
			i := uint32(p.Series)
			points[i] = append(points[i], p)
			if p.Kind == block.Gauge && p.Time == g.Bucket {
				gauges[i] = p.Last
			}
		}
	}
	return points
}

// points returns the generation's points with the series' index in the place
// of an id.
func (g Unflushed) points(series []uint32, refs func(lane int) []uint32, state bases, d Detail) []block.Point {
	var entries []entry
	for _, v := range g.Views {
		entries = append(entries, v.entries...)
	}
	for _, p := range g.Parts {
		entries = append(entries, p.View(refs(p.Lane), d)...)
	}
	if g.Packed != nil {
		g.Packed.slots(slices.Sorted(slices.Values(series)), func(e entry, s slot) {
			e.slot, e.bare = &s, bool(d)
			entries = append(entries, e)
		})
	}
	for _, i := range series {
		if _, ok := g.Ordered.cell(i); ok {
			entries = append(entries, entry{series: i, time: noBucket, lane: orderedLane, kind: block.Gauge})
		}
	}
	for i := range entries {
		entries[i].id = int64(entries[i].series)
		if entries[i].time == noBucket {
			entries[i].time = g.Bucket
		}
	}
	slices.SortFunc(entries, compareEntries)
	m := merger{ordered: g.Ordered, bases: state}
	return append(m.merge(nil, entries), g.rawPoints(refs)...)
}
