package aggregate

import (
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/storage/block"
)

// Generation is everything logged between two marks, complete: one Part a lane
// and the ordered gauges. It covers the log's positions (From, To].
type Generation struct {
	Number   uint64
	Bucket   int64       // of its untimed samples, Unix milliseconds
	Next     record.Mark // the mark that closed it
	From, To uint64
	Parts    []Part  // by lane
	Packed   *Packed // what the parts held, where they were packed
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

// Replace puts what Pack made of the generation in the place of the parts' slots,
// and gives their memory back. Nobody may be reading them.
func (g *Generation) Replace(p *Packed) {
	for i := range g.Parts {
		g.Parts[i].table = g.Parts[i].table.withoutSlots()
	}
	g.Packed = p
	trimPools()
}

// Release gives the generation's memory back. Nothing of it may be read after.
func (g *Generation) Release() {
	for _, p := range g.Parts {
		p.table.release()
	}
	g.Packed = nil
	trimPools()
}

// Series calls f once for every reference that holds something, with its
// series' index: a series that several lanes touched comes several times.
func (g *Generation) Series(f func(series uint32)) {
	for _, p := range g.Parts {
		p.each(func(r Ref) { f(r.Series) })
		p.eachLate(func(e entry) { f(e.series) })
		p.eachRaw(func(r rawRun) { f(r.series) })
	}
	g.Packed.each(func(_, series uint32, _ block.Kind, _ int64) { f(series) })
	for _, i := range g.Ordered.series() {
		f(i)
	}
}

// each calls f for every reference that something came for in the generation's own
// bucket.
func (p Part) each(f func(r Ref)) {
	for r := range p.dict.each {
		if p.table.has(&r) {
			f(r)
		}
	}
}

// eachLate calls f for every slot of another bucket, without id.
func (p Part) eachLate(f func(entry)) {
	for k, s := range p.table.late {
		r := p.dict.at(k.ref)
		f(entry{series: r.Series, time: k.bucket, lane: p.Lane, ref: k.ref, kind: kindOf(r.Type), slot: s, table: p.table})
	}
}

// Advance moves the state past the generation: every gauge's last value, and
// every producer's last batch.
func (g *Generation) Advance(state *State) {
	a := advance{state: state}
	for _, p := range g.Parts {
		for r := range p.dict.each {
			if kindOf(r.Type) == block.Gauge && p.table.has(&r) {
				a.see(r.Series, p.table.gauges.peek(r.cell))
			}
		}
		p.eachLate(func(e entry) {
			if e.kind == block.Gauge && e.time == g.Bucket {
				a.see(e.series, e.slot)
			}
		})
	}
	g.Packed.each(func(at, series uint32, kind block.Kind, bucket int64) {
		if kind == block.Gauge && bucket == g.Bucket {
			_, s := g.Packed.entry(at)
			a.see(series, &s)
		}
	})
	a.settle()
	for _, i := range g.Ordered.series() {
		c, _ := g.Ordered.cell(i)
		s := c.resolve(state.Last(i))
		state.Set(i, s.last)
	}
	for _, p := range g.Parts {
		senders := make([]record.Producer, 0, len(p.table.senders))
		for _, one := range p.table.senders {
			senders = append(senders, *one)
		}
		state.Deliver(senders, p.table.keys)
	}
}
