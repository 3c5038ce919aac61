package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/nexusctl/storage/postings"
)

const (
	// indexPart is how many ids one statement of a build covers.
	indexPart = 20_000
	// maxBuilders is how many of these run side by side: a build is not to take
	// all processors from what comes in.
	maxBuilders = 2
)

// BuildIndex makes the index, as KeepIndex does where there is none. It reads
// every series, a few parts side by side. What is added meanwhile counts as later
// than the index and is read by the next look-up.
func (s *Store) BuildIndex(ctx context.Context) error {
	x := s.index
	x.refresh.Lock()
	defer x.refresh.Unlock()
	begin := time.Now()
	changes, err := s.seriesChanges(ctx) // first: what is read below is of then, or later
	if err != nil {
		return err
	}
	var next int64
	if err := s.queryRow(ctx, "read the next id", &next, "SELECT next FROM series_next"); err != nil {
		return err
	}
	b := indexBuild{store: s, found: postings.New(), told: begin}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(maxBuilders, runtime.GOMAXPROCS(0)))
	for from := int64(1); from < next && ctx.Err() == nil; from += indexPart {
		g.Go(func() error { return b.part(ctx, from, min(from+indexPart, next)) })
	}
	err = g.Wait()
	switch {
	case errors.Is(err, errIndexOver):
		x.giveUp(err)
		return nil
	case err != nil:
		return err
	}
	n, bytes := b.found.Len(), b.found.Size()
	x.mu.Lock()
	x.found, x.changes, x.queue, x.queued = b.found, changes, nil, 0
	x.mu.Unlock()
	x.stats.Builds.Add(1)
	if n > 0 {
		x.log.Info("series were indexed", "series", n, "bytes", bytes, "took", time.Since(begin).Round(time.Millisecond))
	}
	return nil
}

// indexBuild is an index in the making.
type indexBuild struct {
	store *Store
	found *postings.Index

	mu   sync.Mutex
	told time.Time
}

// tellEvery is how often a long build says how far it is.
const tellEvery = 2 * time.Second

func (b *indexBuild) part(ctx context.Context, from, to int64) error {
	var list []postings.Entry
	err := b.store.read(ctx, "index series", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return b.store.each(ctx, tx, scanEntries(&list), "SELECT id, key FROM series WHERE id >= $1 AND id < $2", from, to)
	})
	if err != nil {
		return err
	}
	b.tell()
	if err := b.found.Add(list...); err != nil {
		return fmt.Errorf("%w: %w", errIndexOver, err)
	}
	if b.found.Size() > b.store.index.limit {
		return errIndexOver
	}
	return nil
}

func (b *indexBuild) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Since(b.told) > tellEvery {
		b.told = time.Now()
		b.store.index.log.Info("indexing series", "series", b.found.Len())
	}
}
