package aggregate

import (
	"cmp"
	"maps"
	"slices"

	"example.com/nexusctl/daemon/ledger"
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
	coded  []byte               // in the place of all three: a packed sketch, behind its totals
	bare   bool                 // of coded only the totals are wanted
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
	for _, number := range shards.numbers() {
		s := shards[number]
		points = addRaw(merger.merge(points[:0], sorter.entries(number, s)), s.raw)
		emit(number, points)
		merger.room = merger.room[:0]
		delete(shards, number) // so that its touches are garbage before the last is merged
	}
}

// shard is what a generation holds of one of the store's shards.
type shard struct {
	touched touches // slots of the generation's own bucket, by lane and reference: most of all
	others  []entry // late slots and ordered gauges
	raw     []block.Point
}

// touch is where a slot of the generation's own bucket stands, in eight bytes: a
// million series in two lanes are two million of them.
type touch struct {
	cell  uint32
	local uint16 // the series' place in its shard, below block.ShardSize
	part  uint8  // below ledger.MaxLanes, or packedPart
	kind  block.Kind
}

// touches are kept in pieces: a list that is copied each time it grows would leave
// twice its size behind, in each of a thousand shards.
type touches struct {
	pieces []*[touchPiece]touch
	n      int
}

const touchPiece = 128

func (l *touches) add(t touch) {
	if l.n%touchPiece == 0 {
		l.pieces = append(l.pieces, new([touchPiece]touch))
	}
	l.pieces[l.n/touchPiece][l.n%touchPiece] = t
	l.n++
}

// all goes through the touches in the order in which they were added.
func (l *touches) all(yield func(touch) bool) {
	for i, piece := range l.pieces {
		for _, t := range piece[:min(touchPiece, l.n-i*touchPiece)] {
			if !yield(t) {
				return
			}
		}
	}
}

// packedPart stands for no lane's part: cell is the place of a packed record.
const packedPart = ledger.MaxLanes

// shards are what a generation holds, by the store's shards.
type shards map[int64]*shard

func (s shards) numbers() []int64 { return slices.Sorted(maps.Keys(s)) }

// of returns the shard of an id.
func (s shards) of(id int64) *shard {
	n := id / block.ShardSize
	one := s[n]
	if one == nil {
		one = new(shard)
		s[n] = one
	}
	return one
}

func (s shards) touch(id int64, t touch) {
	one := s.of(id)
	t.local = uint16(id % block.ShardSize)
	one.touched.add(t)
}

func (s shards) other(id int64, e entry) {
	one := s.of(id)
	e.id = id
	one.others = append(one.others, e)
}

func (g *Generation) shards(id func(series uint32) int64) shards {
	s := g.slots(id)
	for _, i := range g.Ordered.series() {
		s.other(id(i), entry{series: i, time: g.Bucket, lane: orderedLane, kind: block.Gauge})
	}
	for n, points := range g.raw(id) {
		s.of(n * block.ShardSize).raw = points
	}
	return s
}

// slots are what lanes hold, and what was packed of it.
func (g *Generation) slots(id func(series uint32) int64) shards {
	s := shards{}
	for i, p := range g.Parts {
		p.each(func(r Ref) { s.touch(id(r.Series), touch{cell: r.cell, part: uint8(i), kind: kindOf(r.Type)}) })
		p.eachLate(func(e entry) { s.other(id(e.series), e) })
	}
	g.Packed.each(func(at, series uint32, kind block.Kind, bucket int64) {
		if bucket == g.Bucket {
			s.touch(id(series), touch{cell: at, part: packedPart, kind: kind})
			return
		}
		e, slot := g.Packed.entry(at)
		e.slot = &slot
		s.other(id(series), e)
	})
	return s
}

// sorter brings shards' entries into order.
type sorter struct {
	g      *Generation
	sorted []touch
	list   []entry
	slots  []slot
	starts [block.ShardSize + 1]uint32
	memory [foldGroup]address
}

// entries returns a shard's, in the order in which they are merged. They are used
// again for the next one.
func (c *sorter) entries(number int64, s *shard) []entry {
	c.sort(&s.touched)
	c.list = slices.Grow(c.list[:0], len(c.sorted)+len(s.others))
	c.slots = slices.Grow(c.slots[:0], len(c.sorted)) // so that none of them moves
	for group := range slices.Chunk(c.sorted, foldGroup) {
		c.fetchCells(group)
		for _, t := range group {
			e, slot := c.unfold(t)
			c.slots = append(c.slots, slot)
			e.id, e.slot = number*block.ShardSize+int64(t.local), &c.slots[len(c.slots)-1]
			c.list = append(c.list, e)
		}
		c.fetchSketches(c.list[len(c.list)-len(group):])
	}
	if len(s.others) > 0 {
		slices.SortFunc(s.others, compareEntries)
		c.list = append(c.list, s.others...)
		slices.SortStableFunc(c.list, compareLanes)
	}
	return c.list
}

// fetchCells has the processor read the cells of touches, which lie all over the
// tables: it would wait for each of them else.
func (c *sorter) fetchCells(group []touch) {
	n := 0
	for _, t := range group {
		if t.part != packedPart {
			c.memory[n%foldGroup] = c.g.Parts[t.part].table.cell(t.kind, t.cell)
			n++
		}
	}
	fetch(c.memory[:n], 2*line)
}

// fetchSketches does the same to the distributions of entries.
func (c *sorter) fetchSketches(group []entry) {
	n := 0
	for i := range group {
		if e := &group[i]; e.kind == block.Histogram && e.table != nil {
			c.memory[n%foldGroup] = e.table.memory(e.slot.pos)
			n++
		}
	}
	fetch(c.memory[:n], 2*line)
}

// unfold returns what a touch stands for, without its id.
func (c *sorter) unfold(t touch) (entry, slot) {
	if t.part == packedPart {
		return c.g.Packed.entry(t.cell)
	}
	p := &c.g.Parts[t.part]
	return entry{time: c.g.Bucket, lane: p.Lane, kind: t.kind, table: p.table}, p.table.slotOf(t.kind, t.cell)
}

// sort puts touches by series, and leaves those of one series as they stand. There
// are as many series as places, so that counting them is enough.
func (c *sorter) sort(touched *touches) {
	clear(c.starts[:])
	for t := range touched.all {
		c.starts[t.local+1]++
	}
	for i := range block.ShardSize {
		c.starts[i+1] += c.starts[i]
	}
	c.sorted = slices.Grow(c.sorted[:0], touched.n)[:touched.n]
	for t := range touched.all {
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
	for same := range together(entries) {
		dst = append(dst, m.combine(same))
	}
	return dst
}

// together goes through the entries of each series and bucket.
func together(entries []entry) func(yield func(same []entry) bool) {
	return func(yield func([]entry) bool) {
		for len(entries) > 0 {
			n := 1
			for n < len(entries) && entries[n].id == entries[0].id && entries[n].time == entries[0].time {
				n++
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// combine merges the slots of one series and bucket, in their order.
func (m *merger) combine(entries []entry) block.Point {
	first := &entries[0]
	sum := m.sum(entries)
	p := point(first.id, first.time, first.kind, &sum)
	m.room = m.sketch.finish(&p, m.room)
	return p
}

// sum adds up the slots; the merger's sketch is theirs then.
func (m *merger) sum(entries []entry) (sum slot) {
	first := &entries[0]
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
	return sum
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
