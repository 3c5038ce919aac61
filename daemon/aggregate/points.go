package aggregate

import (
	"cmp"
	"maps"
	"slices"

	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// entry is one slot on its way into a point.
type entry struct {
	id     int64 // the store's, or any other number that orders series
	series uint32
	time   int64
	lane   int
	ref    uint32
	kind   block.Kind
	slot   *slot
	table  *table               // holds the slot's histogram or set
	totals *histogram.Histogram // in the place of the histogram, where no more is wanted
}

// orderedLane sorts ordered gauges behind every lane.
const orderedLane = 1 << 20

// noBucket stands for the generation's own bucket.
const noBucket = -1 << 62

// Points merges the lanes and calls emit with the points of each shard, by
// rising shard, series and time. id gives a series its place in the store;
// state is the gauges' as the generation found them. The points, and what their
// sketches stand in, are used again for the next shard.
func (g *Generation) Points(id func(series uint32) int64, state *State, emit func(shard int64, points []block.Point)) {
	shards := g.shards(id)
	sorter := sorter{g: g}
	merger := merger{ordered: g.Ordered, bases: state}
	var points []block.Point
	for _, number := range slices.Sorted(maps.Keys(shards)) {
		s := shards[number]
		points = addRaw(merger.merge(points[:0], sorter.entries(number, s)), s.raw)
		emit(number, points)
		merger.room = merger.room[:0]
		delete(shards, number) // so that its touches are garbage before the last is merged
	}
}

// shard is what a generation holds of one of the store's shards.
type shard struct {
	touched []touch // slots of the generation's own bucket, by lane and reference: most of all
	others  []entry // late slots and ordered gauges
	raw     []block.Point
}

// touch is where a slot of the generation's own bucket stands, in eight bytes: a
// million series in two lanes are two million of them.
type touch struct {
	cell  uint32
	local uint16 // the series' place in its shard, below block.ShardSize
	part  uint8  // below ledger.MaxLanes
	kind  block.Kind
}

func (g *Generation) shards(id func(series uint32) int64) map[int64]*shard {
	shards := map[int64]*shard{}
	of := func(id int64) *shard {
		n := id / block.ShardSize
		s := shards[n]
		if s == nil {
			s = new(shard)
			shards[n] = s
		}
		return s
	}
	other := func(e entry) {
		e.id = id(e.series)
		s := of(e.id)
		s.others = append(s.others, e)
	}
	for i, p := range g.Parts {
		p.each(func(r Ref) {
			id := id(r.Series)
			s := of(id)
			s.touched = append(s.touched, touch{r.cell, uint16(id % block.ShardSize), uint8(i), kindOf(r.Type)})
		})
		p.eachLate(other)
	}
	for _, i := range g.Ordered.series() {
		other(entry{series: i, time: g.Bucket, lane: orderedLane, kind: block.Gauge})
	}
	for n, points := range g.raw(id) {
		of(n * block.ShardSize).raw = points
	}
	return shards
}

// sorter brings shards' entries into order.
type sorter struct {
	g      *Generation
	sorted []touch
	list   []entry
	slots  []slot
	starts [block.ShardSize + 1]uint32
}

// entries returns a shard's, in the order in which they are merged. They are used
// again for the next one.
func (c *sorter) entries(number int64, s *shard) []entry {
	c.sort(s.touched)
	c.list = slices.Grow(c.list[:0], len(c.sorted)+len(s.others))
	c.slots = slices.Grow(c.slots[:0], len(c.sorted)) // so that none of them moves
	for _, t := range c.sorted {
		p := &c.g.Parts[t.part]
		c.slots = append(c.slots, p.table.slotOf(t.kind, t.cell))
		c.list = append(c.list, entry{
			id: number*block.ShardSize + int64(t.local), time: c.g.Bucket, lane: p.Lane, kind: t.kind, slot: &c.slots[len(c.slots)-1], table: p.table,
		})
	}
	if len(s.others) > 0 {
		slices.SortFunc(s.others, compareEntries)
		c.list = append(c.list, s.others...)
		slices.SortStableFunc(c.list, compareLanes)
	}
	return c.list
}

// sort puts touches by series, and leaves those of one series as they stand. There
// are as many series as places, so that counting them is enough.
func (c *sorter) sort(touched []touch) {
	clear(c.starts[:])
	for _, t := range touched {
		c.starts[t.local+1]++
	}
	for i := range block.ShardSize {
		c.starts[i+1] += c.starts[i]
	}
	c.sorted = slices.Grow(c.sorted[:0], len(touched))[:len(touched)]
	for _, t := range touched {
		c.sorted[c.starts[t.local]] = t
		c.starts[t.local]++
	}
}

// compareLanes fixes the order in which lanes add up: floating-point sums
// depend on it, and replay must end in the same bytes.
func compareLanes(a, b entry) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.time, b.time), cmp.Compare(a.lane, b.lane))
}

// compareEntries does so where a lane has several references of a series.
func compareEntries(a, b entry) int { return cmp.Or(compareLanes(a, b), cmp.Compare(a.ref, b.ref)) }

// merger makes points of entries.
type merger struct {
	ordered *Ordered
	bases   bases
	sketch  sketch
	room    []byte // of the points' sketches
}

// merge appends the points of entries, which are in order.
func (m *merger) merge(dst []block.Point, entries []entry) []block.Point {
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].id == entries[0].id && entries[n].time == entries[0].time {
			n++
		}
		dst = append(dst, m.combine(entries[:n]))
		entries = entries[n:]
	}
	return dst
}

// combine merges the slots of one series and bucket, in their order.
func (m *merger) combine(entries []entry) block.Point {
	first := &entries[0]
	var sum slot
	m.sketch.clear()
	for i := range entries {
		e := &entries[i]
		if e.lane == orderedLane {
			base := sum.last
			if sum.n == 0 {
				base = m.bases.Last(e.series)
			}
			if c, ok := m.ordered.cell(e.series); ok {
				s := c.resolve(base)
				sum.absorb(&s, first.kind)
			}
			continue
		}
		m.sketch.add(e, first.kind)
		sum.absorb(e.slot, first.kind)
	}
	p := point(first.id, first.time, first.kind, &sum)
	m.room = m.sketch.finish(&p, m.room)
	return p
}

func point(id, time int64, kind block.Kind, s *slot) block.Point {
	p := block.Point{Series: id, Time: time, Kind: kind, N: s.n}
	switch kind {
	case block.Counter:
		p.Sum, p.Neg = s.total(), s.low
	case block.Gauge:
		p.Sum, p.Min, p.Max, p.Last, p.LastAt = s.total(), s.low, s.high, s.last, s.at
	}
	return p
}
