package aggregate

import (
	"cmp"
	"maps"
	"slices"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// Generation is everything logged between two marks, complete: one Part a lane
// and the ordered gauges. It covers the log's positions (From, To].
type Generation struct {
	Number   uint64
	Bucket   int64       // of its untimed samples, Unix milliseconds
	Next     record.Mark // the mark that closed it
	From, To uint64
	Parts    []Part // by lane
	Ordered  *Ordered
}

// Values returns the accepted units the generation holds.
func (g *Generation) Values() (n uint64) {
	for _, p := range g.Parts {
		n += p.Values()
	}
	return n
}

// Counts returns the units refused in the generation.
func (g *Generation) Counts() (c ledger.Counts) {
	for _, p := range g.Parts {
		counts := p.Counts()
		c.Add(&counts)
	}
	return c
}

// Release gives the generation's memory back. Nothing of it may be read after.
func (g *Generation) Release() {
	for _, p := range g.Parts {
		p.table.release()
	}
}

// Series calls f once for every reference that holds something, with its
// series' index: a series that several lanes touched comes several times.
func (g *Generation) Series(f func(series uint32)) {
	for _, p := range g.Parts {
		p.each(func(_ uint32, r *Ref) { f(r.Series) })
		p.eachLate(func(e entry) { f(e.series) })
		p.eachRaw(func(r rawRun) { f(r.series) })
	}
	for _, i := range g.Ordered.series() {
		f(i)
	}
}

// entry is one slot on its way into a point.
type entry struct {
	id     int64 // the store's, or any other number that orders series
	series uint32
	time   int64
	lane   int
	ref    uint32
	typ    protocol.Type
	slot   *slot
	table  *table               // holds the slot's histogram or set
	totals *histogram.Histogram // in the place of the histogram, where no more is wanted
}

// orderedLane sorts ordered gauges behind every lane.
const orderedLane = 1 << 20

// each calls f for every reference that something came for in the generation's own
// bucket.
func (p Part) each(f func(ref uint32, r *Ref)) {
	for i := range p.dict.n {
		if r := p.dict.at(uint32(i)); p.table.has(&r) {
			f(uint32(i), &r)
		}
	}
}

// eachLate calls f for every slot of another bucket, without id.
func (p Part) eachLate(f func(entry)) {
	for k, s := range p.table.late {
		f(p.entry(k.ref, k.bucket, s))
	}
}

// noBucket stands for the generation's own bucket.
const noBucket = -1 << 62

func (p Part) entry(ref uint32, bucket int64, s *slot) entry {
	r := p.dict.at(ref)
	return entry{series: r.Series, time: bucket, lane: p.Lane, ref: ref, typ: r.Type, slot: s, table: p.table}
}

// Points merges the lanes and calls emit with the points of each shard, by
// rising shard, series and time. id gives a series its place in the store;
// state is the gauges' as the generation found them. The slice is reused.
func (g *Generation) Points(id func(series uint32) int64, state *State, emit func(shard int64, points []block.Point)) {
	shards := g.shards(id)
	var entries []entry
	var slots []slot
	var points []block.Point
	for _, number := range slices.Sorted(maps.Keys(shards)) {
		s := shards[number]
		entries = append(entries[:0], s.others...)
		slots = slices.Grow(slots[:0], len(s.touched)) // so that none of them moves
		for _, t := range s.touched {
			p := &g.Parts[t.part]
			r := p.dict.at(t.ref)
			slots = append(slots, p.table.slot(&r))
			entries = append(entries, p.entry(t.ref, g.Bucket, &slots[len(slots)-1]))
		}
		for i := range entries {
			entries[i].id = id(entries[i].series)
		}
		points = addRaw(g.merge(points[:0], entries, state), s.raw)
		emit(number, points)
	}
}

// shard is what a generation holds of one of the store's shards.
type shard struct {
	touched []touch // slots of the generation's own bucket: most of all
	others  []entry // late slots and ordered gauges
	raw     []block.Point
}

// touch is where a slot stands, as short as a million of them should be.
type touch struct{ part, ref uint32 }

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
		s := of(id(e.series))
		s.others = append(s.others, e)
	}
	for i, p := range g.Parts {
		p.each(func(ref uint32, r *Ref) {
			s := of(id(r.Series))
			s.touched = append(s.touched, touch{uint32(i), ref})
		})
		p.eachLate(other)
	}
	for _, i := range g.Ordered.series() {
		other(entry{series: i, time: g.Bucket, lane: orderedLane, typ: protocol.Gauge})
	}
	for n, points := range g.raw(id) {
		of(n * block.ShardSize).raw = points
	}
	return shards
}

func (g *Generation) merge(dst []block.Point, entries []entry, state *State) []block.Point {
	slices.SortFunc(entries, compareEntries)
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[n].id == entries[0].id && entries[n].time == entries[0].time {
			n++
		}
		dst = append(dst, combine(entries[:n], g.Ordered, state))
		entries = entries[n:]
	}
	return dst
}

// compareEntries fixes the order in which lanes add up: floating-point sums
// depend on it, and replay must end in the same bytes.
func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.time, b.time), cmp.Compare(a.lane, b.lane), cmp.Compare(a.ref, b.ref))
}

// combine merges the slots of one series and bucket, in their order.
func combine(entries []entry, ordered *Ordered, state *State) block.Point {
	first := entries[0]
	kind := kindOf(first.typ)
	var sum slot
	var sketch merger
	for _, e := range entries {
		if e.lane == orderedLane {
			base := sum.last
			if sum.n == 0 {
				base = state.Last(e.series)
			}
			if c, ok := ordered.cell(e.series); ok {
				s := c.resolve(base)
				sum.absorb(&s, kind)
			}
			continue
		}
		sketch.add(e, kind)
		sum.absorb(e.slot, kind)
	}
	p := point(first.id, first.time, kind, &sum)
	sketch.finish(&p)
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

// Advance moves the state past the generation: every gauge's last value, and
// every producer's last batch.
func (g *Generation) Advance(state *State) {
	type last struct {
		pos uint64
		v   float64
	}
	gauges := map[uint32]last{}
	for _, p := range g.Parts {
		see := func(series uint32, s *slot) {
			if l, ok := gauges[series]; !ok || s.pos >= l.pos {
				gauges[series] = last{s.pos, s.last}
			}
		}
		p.each(func(_ uint32, r *Ref) {
			if r.Type == protocol.Gauge {
				see(r.Series, p.table.gauges.peek(r.cell))
			}
		})
		p.eachLate(func(e entry) {
			if e.typ == protocol.Gauge && e.time == g.Bucket {
				see(e.series, e.slot)
			}
		})
	}
	for _, i := range g.Ordered.series() {
		c, _ := g.Ordered.cell(i)
		base := state.Last(i)
		if l, ok := gauges[i]; ok {
			base = l.v
		}
		s := c.resolve(base)
		gauges[i] = last{s.pos, s.last}
	}
	for i, l := range gauges {
		state.Set(i, l.v)
	}
	for _, p := range g.Parts {
		senders := make([]record.Producer, 0, len(p.table.senders))
		for _, one := range p.table.senders {
			senders = append(senders, *one)
		}
		state.Deliver(senders, p.table.keys)
	}
}
