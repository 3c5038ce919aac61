// Package flush moves complete generations into the store: it gives their
// series ids, encodes their points as blocks, and commits blocks and log
// position in one transaction.
//
// A commit whose answer was lost is harmless: the store knows the position it
// is at, so the same flush applied again is seen and counted once.
package flush

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Store is what a flush needs of the store; see storage.Store.
type Store interface {
	Resolve(ctx context.Context, keys [][]byte) ([]int64, error)
	Commit(ctx context.Context, f storage.Flush) (applied bool, err error)
}

// resolveBatch bounds the keys of one call to the store.
const resolveBatch = 20_000

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
	writer   string
	log      *slog.Logger
	position uint64 // where the store is

	stats Stats
}

// Stats are the flusher's counters, safe to read at any time.
type Stats struct {
	Flushes, Points, Bytes, Retries atomic.Uint64
	LastNanos                       atomic.Int64 // duration of the last flush
	Away                            atomic.Bool  // the store did not answer the last try
}

// New returns a flusher for the log named writer, whose position in the store
// is position.
func New(store Store, catalog *admit.Catalog, writer string, position uint64, log *slog.Logger) *Flusher {
	return &Flusher{store: store, catalog: catalog, writer: writer, position: position, log: log}
}

// Stats returns the counters.
func (f *Flusher) Stats() *Stats { return &f.stats }

// Position returns where the store is: the end of the last flush.
func (f *Flusher) Position() uint64 { return f.position }

// Flush stores one generation and returns what was committed. It tries again,
// ever more slowly, while the store is away, and gives up when ctx ends or the
// store refuses. A generation in which nothing happened moves the position
// all the same: the log before it can then be dropped.
func (f *Flusher) Flush(ctx context.Context, g *aggregate.Generation, state *aggregate.State) (Committed, error) {
	start := time.Now()
	counts := g.Counts()
	if err := f.retry(ctx, "name new series", func() error { return f.resolve(ctx, g) }); err != nil {
		return Committed{}, err
	}
	named := time.Now()
	out, busiest := f.encode(g, state)
	encoded := time.Now()
	out.Counts.Rejected, out.Counts.Shed = counts.RejectedByName(), counts.ShedByName()
	out.Counts.Duplicates = counts.Duplicates
	if out.Counts.Stored != g.Values() {
		f.log.Error("a flush holds another number of values than its generation took: this is a fault of the daemon",
			"generation", g.Number, "taken", g.Values(), "flushed", out.Counts.Stored)
	}
	err := f.retry(ctx, "store", func() error {
		_, err := f.store.Commit(ctx, out)
		return err
	})
	if err != nil {
		return Committed{}, err
	}
	f.position = out.To
	f.stats.Flushes.Add(1)
	f.stats.LastNanos.Store(int64(time.Since(start)))
	return Committed{Generation: g, Flush: out, Busiest: busiest, Began: start, Named: named, Encoded: encoded, Done: time.Now()}, nil
}

// resolve gives an id to every series of the generation that has none. Keys go
// to the store sorted, so that ids do not depend on the order of arrival.
func (f *Flusher) resolve(ctx context.Context, g *aggregate.Generation) error {
	var missing []*admit.Series
	seen := map[uint32]struct{}{}
	all := f.catalog.Snapshot()
	g.Series(func(i uint32) {
		if _, ok := seen[i]; ok || all[i].ID() != 0 {
			return
		}
		seen[i] = struct{}{}
		missing = append(missing, all[i])
	})
	slices.SortFunc(missing, func(a, b *admit.Series) int { return compareKeys(a.Key, b.Key) })
	for part := range slices.Chunk(missing, resolveBatch) {
		keys := make([][]byte, len(part))
		for i, s := range part {
			keys[i] = []byte(s.Key)
		}
		ids, err := f.store.Resolve(ctx, keys)
		if err != nil {
			return err
		}
		for i, s := range part {
			s.SetID(ids[i])
		}
	}
	return nil
}

func compareKeys(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// encode turns the generation into blocks. Every series has its id.
func (f *Flusher) encode(g *aggregate.Generation, state *aggregate.State) (storage.Flush, []Busy) {
	const hour = 3_600_000
	out := storage.Flush{Writer: f.writer, From: f.position, To: g.To, Seq: g.Number, Hour: g.Bucket / hour}
	all := f.catalog.Snapshot()
	own := f.ownIDs()
	var top busiest
	g.Points(func(i uint32) int64 { return all[i].ID() }, state, func(shard int64, points []block.Point) {
		b := storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, g.Bucket, points)}
		for i := range points {
			p := &points[i]
			if own[p.Series] {
				continue
			}
			out.Counts.Stored += p.N
			if p.Time == g.Bucket {
				top.offer(p.Series, p.N)
			}
		}
		f.stats.Points.Add(uint64(len(points)))
		f.stats.Bytes.Add(uint64(len(b.Data)))
		out.Blocks = append(out.Blocks, b)
	})
	return out, top.named(all)
}

// ownIDs returns the ids of the daemon's own signals, which the ledger does not
// count.
func (f *Flusher) ownIDs() map[int64]bool {
	ids := map[int64]bool{}
	for _, s := range f.catalog.Own() {
		ids[s.ID()] = true
	}
	return ids
}

// retry repeats op while the store is away.
func (f *Flusher) retry(ctx context.Context, what string, op func() error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 100 * time.Millisecond
	wait.MaxInterval = 10 * time.Second
	for {
		err := op()
		if !errors.Is(err, storage.ErrUnavailable) && !errors.Is(err, storage.ErrBusy) {
			f.stats.Away.Store(false)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		}
		f.stats.Away.Store(true)
		f.stats.Retries.Add(1)
		delay := wait.NextBackOff()
		f.log.Warn("the store is away; the log keeps what arrives", "operation", what, "error", err, "next_try_in", delay)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last: %w)", what, ctx.Err(), err)
		}
	}
}
