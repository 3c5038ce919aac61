package lane

import (
	"context"
	"sync"
	"sync/atomic"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
)

// keepUnflushed bounds the complete generations that stay in memory while the
// store is away: later ones are given up here and folded again from the log.
const keepUnflushed = 12

// Collector gathers the lanes' parts into generations and keeps them, oldest
// first, until they are in the store. Readers find here what is not there yet.
type Collector struct {
	lanes  int
	keep   bool          // the log does not hold what a generation has: keep them all
	ready  chan struct{} // holds one token while the oldest may be complete
	behind chan struct{} // and while one behind it may be

	mu      sync.RWMutex
	version uint64 // grows with every change, so that readers can tell
	state   *aggregate.State
	gens    []*pending
	flushed uint64 // number of the last generation in the store
	packed  uint64 // how many generations were packed

	due atomic.Bool // a complete generation waits for the store, or is on its way there
}

// pending is a closed generation on its way to the store.
type pending struct {
	gen     *aggregate.Generation
	parts   int
	closed  bool // its mark is in the log and To is known
	values  uint64
	counts  ledger.Counts
	spilled bool // its tables were given up
	pack    packState
}

// packState is how far a generation is with being packed. Nobody gets it meanwhile.
type packState uint8

const (
	loose packState = iota
	packing
	packed // or found too large
)

func newCollector(lanes int, flushed uint64, state *aggregate.State, keep bool) *Collector {
	return &Collector{lanes: lanes, keep: keep, ready: make(chan struct{}, 1), behind: make(chan struct{}, 1), flushed: flushed, state: state}
}

// Put adds a lane's part of a generation.
func (c *Collector) Put(generation uint64, p aggregate.Part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(generation)
	e.gen.Parts[p.Lane] = p
	e.parts++
	e.values += p.Values()
	counts := p.Counts()
	e.counts.Add(&counts)
	c.settle(e)
}

// Close records that next, the mark that closes generation m, is logged and
// ends at to.
func (c *Collector) Close(m, next record.Mark, from, to uint64, ordered *aggregate.Ordered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(m.Generation)
	e.gen.Bucket, e.gen.Next, e.gen.From, e.gen.To, e.gen.Ordered = m.Bucket, next, from, to, ordered
	e.closed = true
	c.settle(e)
}

// entry finds or adds a generation. Lanes and sequencer may come in any order,
// but none is two generations ahead of a lane that has not sealed.
func (c *Collector) entry(generation uint64) *pending {
	for _, e := range c.gens {
		if e.gen.Number == generation {
			return e
		}
	}
	e := &pending{gen: &aggregate.Generation{Number: generation, Parts: make([]aggregate.Part, c.lanes), Ordered: aggregate.NewOrdered()}}
	i := len(c.gens)
	for i > 0 && c.gens[i-1].gen.Number > generation {
		i--
	}
	c.gens = append(c.gens, nil)
	copy(c.gens[i+1:], c.gens[i:])
	c.gens[i] = e
	return e
}

func (e *pending) complete(lanes int) bool { return e.closed && e.parts == lanes }

// settle runs after every change of an entry.
func (c *Collector) settle(e *pending) {
	c.version++
	if !e.complete(c.lanes) {
		return
	}
	c.due.Store(true)
	if len(c.gens) > keepUnflushed && !c.keep {
		e.spill()
	}
	c.wake()
	if e != c.gens[0] {
		signal(c.behind)
	}
}

// wake has the flusher look.
func (c *Collector) wake() { signal(c.ready) }

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

func (e *pending) spill() {
	e.spilled = true
	e.gen.Release()
	e.gen.Parts, e.gen.Ordered = nil, aggregate.NewOrdered()
}

// Next waits for the oldest complete generation. Where its tables were given
// up, spilled is true, and upTo is the end of the last one in a row of which
// that holds.
func (c *Collector) Next(ctx context.Context) (g *aggregate.Generation, spilled bool, upTo uint64, err error) {
	for {
		if g, spilled, upTo = c.oldest(); g != nil {
			return g, spilled, upTo, nil
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			return nil, false, 0, ctx.Err()
		}
	}
}

func (c *Collector) oldest() (g *aggregate.Generation, spilled bool, upTo uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.gens) == 0 || !c.gens[0].complete(c.lanes) || c.gens[0].pack == packing {
		return nil, false, 0
	}
	first := c.gens[0]
	upTo = first.gen.To
	for _, e := range c.gens[1:] {
		if !first.spilled || !e.spilled {
			break
		}
		upTo = e.gen.To
	}
	return first.gen, first.spilled, upTo
}

// State returns the gauges as the last stored generation left them.
func (c *Collector) State() *aggregate.State { return c.state }

// Done forgets a generation that is in the store. commit runs under the same
// lock: what it changes changes for readers together with the generation.
// Where the tables were given up it must advance the state itself.
func (c *Collector) Done(generation uint64, commit func(state *aggregate.State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	commit(c.state)
	c.flushed = generation
	e := c.gens[0]
	c.gens = c.gens[1:]
	if !e.spilled {
		e.gen.Advance(c.state)
		e.gen.Release()
	}
	c.due.Store(len(c.gens) > 0 && c.gens[0].complete(c.lanes))
}

// Change runs f on the gauges as the last stored generation left them, at one
// moment for every reader.
func (c *Collector) Change(f func(state *aggregate.State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	f(c.state)
}

// Empty reports that nothing waits for the store.
func (c *Collector) Empty() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.gens) == 0
}

// full says that as many generations wait as may be kept in memory.
func (c *Collector) full() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.gens) >= keepUnflushed
}

// Backlog returns the generations that wait for the store, and how many of
// them are to be read back from the log.
func (c *Collector) Backlog() (waiting, spilled int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, e := range c.gens {
		if e.spilled {
			spilled++
		}
	}
	return len(c.gens), spilled
}

// OldestBucket returns the bucket of the oldest generation that is not in the
// store.
func (c *Collector) OldestBucket() (bucket int64, any bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.gens) == 0 || !c.gens[0].closed {
		return 0, false
	}
	return c.gens[0].gen.Bucket, true
}
