package lane

import (
	"context"
	"slices"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/storage/block"
)

// observeTries bounds the light marks for one answer. Generations move a few
// times in ten seconds, so the second try is rare already. Each later one waits
// a little longer: who moves the generation may be waiting for a processor.
const (
	observeTries = 100
	observePause = 20 * time.Microsecond
)

// observe asks all lanes by look, then runs with under the collector's lock;
// with may refuse what it finds by returning false. Both have seen the same
// moment: nothing moved between lanes, collector and store.
func (s *Set) observe(ctx context.Context, look func(w *worker), with func(c *Collector) bool) error {
	for try := range observeTries {
		time.Sleep(time.Duration(try) * observePause)
		version := s.collector.currentVersion()
		if err := s.ask(ctx, look); err != nil {
			return err
		}
		if s.collector.unchanged(version, with) {
			return nil
		}
	}
	return ErrUnsettled
}

func (c *Collector) currentVersion() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version
}

func (c *Collector) unchanged(version uint64, with func(c *Collector) bool) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.version == version && with(c)
}

// Terms are the ledger's terms that are not in the store, of one moment, with
// committed read at that same moment.
type Terms struct {
	Received uint64
	Pending  uint64
	Counts   ledger.Counts
}

// Terms counts what was received and what the lanes and the collector hold.
// committed runs at the very moment the terms are true.
func (s *Set) Terms(ctx context.Context, committed func()) (Terms, error) {
	shares := make([]share, len(s.workers))
	var t Terms
	err := s.observe(ctx,
		func(w *worker) { shares[w.number] = w.share() },
		func(c *Collector) bool {
			t = Terms{}
			for i := range shares {
				t.Received += shares[i].received
				t.Pending += shares[i].pending
				t.Counts.Add(&shares[i].counts)
			}
			for _, e := range c.gens {
				t.Pending += e.values
				t.Counts.Add(&e.counts)
			}
			committed()
			return true
		})
	return t, err
}

// Window is what a read finds before the store: points by series index, and
// the last generation that is in the store already.
type Window struct {
	Points  map[uint32][]block.Point
	Flushed uint64
}

// Window reads the series' points that are not in the store, distributions in the
// detail that is asked for.
func (s *Set) Window(ctx context.Context, list []*admit.Series, d aggregate.Detail) (Window, error) {
	refs := s.refsByLane(list)
	indexes := make([]uint32, len(list))
	for i, one := range list {
		indexes[i] = one.Index
	}
	views := make([]aggregate.View, len(s.workers))
	var win Window
	err := s.observe(ctx,
		func(w *worker) { views[w.number] = w.fold.View(refs[w.number], d) },
		func(c *Collector) bool {
			gens, ok := c.unflushed(views, s.open.Load())
			if !ok {
				return false
			}
			win.Flushed = c.flushed
			win.Points = aggregate.Read(gens, indexes, func(lane int) []uint32 { return refs[lane] }, c.state, d)
			return true
		})
	return win, err
}

func (s *Set) refsByLane(list []*admit.Series) [][]uint32 {
	refs := make([][]uint32, len(s.workers))
	for n, w := range s.workers {
		for _, one := range list {
			refs[n] = w.admit.Refs(refs[n], one)
		}
	}
	return refs
}

// unflushed puts views and parts together by generation, oldest first. It
// fails while a mark is on its way through the lanes.
func (c *Collector) unflushed(views []aggregate.View, open *opened) ([]aggregate.Unflushed, bool) {
	var gens []aggregate.Unflushed
	for _, e := range c.gens {
		if !e.closed {
			return nil, false
		}
		u := aggregate.Unflushed{Number: e.gen.Number, Bucket: e.gen.Bucket, Packed: e.gen.Packed, Ordered: e.gen.Ordered}
		for _, p := range e.gen.Parts {
			if p.Sealed() {
				u.Parts = append(u.Parts, p)
			}
		}
		gens = append(gens, u)
	}
	gens = append(gens, aggregate.Unflushed{Number: open.mark.Generation, Bucket: open.mark.Bucket, Ordered: open.ordered})
	for _, v := range views {
		i := slices.IndexFunc(gens, func(u aggregate.Unflushed) bool { return u.Number == v.Generation })
		if i < 0 {
			return nil, false
		}
		gens[i].Views = append(gens[i].Views, v)
	}
	return gens, true
}
