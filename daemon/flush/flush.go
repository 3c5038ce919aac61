// Package flush moves complete generations into the store: it gives their
// series ids, encodes their points as blocks, and commits blocks and log
// position in one transaction.
//
// A commit whose answer was lost is harmless: the store knows the position it
// is at, so the same flush applied again is seen and counted once. What a
// healthy store refuses is taken out, kept as dead letters, and counted as dead
// in that same transaction.
package flush

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/storage"
)

// Store is what a flush needs of the store; see storage.Store.
type Store interface {
	Resolve(ctx context.Context, keys [][]byte) ([]int64, error)
	Commit(ctx context.Context, f storage.Flush) (applied bool, err error)
	Probe(ctx context.Context, f storage.Flush) error
	GoneSince(ctx context.Context, since int64) (storage.Goings, error)
}

// Committed is one flush that is in the store.
type Committed struct {
	Generation *aggregate.Generation
	Flush      storage.Flush
	Busiest    []Busy // the series with most values in the generation's bucket, busiest first

	Began, Named, Encoded, Done time.Time // when each stage was reached
}

// Flusher flushes generations, one at a time and in order.
type Flusher struct {
	store    Store
	catalog  *admit.Catalog
	letters  *deadletter.Directory
	writer   string
	log      *slog.Logger
	breaker  *Breaker
	position atomic.Uint64                 // where the store is
	refused  map[uint32]*refusal           // series without an id, by index
	named    []*admit.Series               // since the last commit
	busiest  int                           // series that a flush names as such
	pack     func(g *aggregate.Generation) // has less memory taken by one whose names will take long; may be nil
	deletion deletions

	asked    sync.Mutex
	requests []*Request

	stats Stats
}

// Stats are the flusher's counters, safe to read at any time.
type Stats struct {
	Flushes, Points, Bytes, Retries atomic.Uint64
	LastNanos                       atomic.Int64 // duration of the last flush
	Away                            atomic.Bool  // the store did not answer the last try
}

// New returns a flusher for the log named writer, whose position in the store
// is position, and whose dead letters go to letters.
func New(store Store, catalog *admit.Catalog, writer string, position uint64, letters *deadletter.Directory, log *slog.Logger) *Flusher {
	f := &Flusher{
		store: store, catalog: catalog, letters: letters, writer: writer, log: log, breaker: newBreaker(log), refused: map[uint32]*refusal{}, busiest: fewBusiest,
	}
	f.position.Store(position)
	f.deletion.since = -1
	return f
}

// NameBusiest has each flush name up to n series as its busiest. It comes before
// the first one.
func (f *Flusher) NameBusiest(n int) { f.busiest = n }

// Stats returns the counters.
func (f *Flusher) Stats() *Stats { return &f.stats }

// Breaker returns the breaker before the store.
func (f *Flusher) Breaker() *Breaker { return f.breaker }

// Position returns where the store is: the end of the last flush.
func (f *Flusher) Position() uint64 { return f.position.Load() }

// Flush stores one generation and returns what was committed. It tries again,
// ever more slowly, while the store is away, and gives up when ctx ends. A
// generation in which nothing happened moves the position all the same: the
// log before it can then be dropped.
func (f *Flusher) Flush(ctx context.Context, g *aggregate.Generation, state *aggregate.State) (Committed, error) {
	c := Committed{Generation: g, Began: time.Now()}
	d, err := f.begin(g)
	if err != nil {
		return c, err
	}
	if err := f.learn(ctx, g); err != nil {
		return c, err
	}
	if err := f.name(ctx, d); err != nil {
		return c, err
	}
	c.Named = time.Now()
	if err := f.encode(d, state); err != nil {
		return c, err
	}
	c.Encoded = time.Now()
	if err := f.commit(ctx, d); err != nil {
		return c, err
	}
	c.Flush, c.Busiest, c.Done = d.flush(), d.top.named(d.all), time.Now()
	f.position.Store(g.To)
	f.named = nil
	f.deletion.opened = g.Next.At
	f.count(d, c.Done.Sub(c.Began))
	return c, nil
}

func (f *Flusher) count(d *draft, took time.Duration) {
	if units, want := d.units(), d.g.Values()+d.revived-d.dropped; units != want {
		f.log.Error("a flush holds another number of values than its generation took: this is a fault of the daemon",
			"generation", d.g.Number, "taken", want, "flushed", units)
	}
	f.stats.Flushes.Add(1)
	f.stats.LastNanos.Store(int64(took))
	for _, s := range d.shards {
		if s.data != nil {
			f.stats.Points.Add(s.points)
			f.stats.Bytes.Add(uint64(len(s.data)))
		}
	}
}

// moved takes the flusher to another position of the store, as after a
// failover to a copy that lags. The copy may lack series too, and give their
// ids to others: every series is named again.
func (f *Flusher) moved(to uint64) {
	f.position.Store(to)
	clear(f.refused)
	f.named = nil
	for _, s := range f.catalog.Snapshot() {
		s.SetID(0)
	}
}
