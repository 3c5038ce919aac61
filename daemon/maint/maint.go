// Package maint does the store's periodic work beside the traffic: it
// compacts the blocks of past hours into chunks, makes these into points by the
// minute and by the hour, and gives up what is older than it is to be kept.
package maint

import (
	"context"
	"log/slog"
	"time"

	"example.com/nexusctl/storage"
)

// Store is what maintenance needs of the store.
type Store interface {
	Compact(ctx context.Context, before int64) (storage.CompactStats, error)
}

// Head is the memory of recent blocks, which compaction makes needless.
type Head interface{ DropBefore(hour int64) }

// Backlog tells which hours may still get blocks: lane.Collector.
type Backlog interface {
	OldestBucket() (bucket int64, any bool)
}

const (
	every = time.Minute
	// grace is how long an hour is left alone after its end, so that its last
	// flush is in.
	grace = 2 * time.Minute
)

// Maintainer runs the jobs.
type Maintainer struct {
	store   Store
	head    Head
	backlog Backlog
	logger  *slog.Logger
	now     func() time.Time
	tiers   *tierKeeper // nil: none of that
	lead    Lead
	won     <-chan struct{} // wakes it when it may work; nil: never
}

// Lead runs work where this daemon is the one to do it, and tells whether it
// is: leader.Elector. The work's context ends with the lead.
type Lead func(ctx context.Context, work func(ctx context.Context)) bool

// always is the Lead of a store with one daemon.
func always(ctx context.Context, work func(ctx context.Context)) bool {
	work(ctx)
	return true
}

// New returns a Maintainer that has done nothing yet.
func New(s Store, h Head, b Backlog, logger *slog.Logger, now func() time.Time) *Maintainer {
	return &Maintainer{store: s, head: h, backlog: b, logger: logger, now: now, lead: always}
}

// WithLead has the maintainer work only where lead lets it, and at once when won
// says that it does.
func (m *Maintainer) WithLead(lead Lead, won <-chan struct{}) *Maintainer {
	m.lead, m.won = lead, won
	return m
}

// Run works until ctx ends. A job that fails is logged and tried again.
func (m *Maintainer) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		m.lead(ctx, m.work)
		select {
		case <-ctx.Done():
			return
		case <-m.won:
		case <-tick.C:
		}
	}
}

func (m *Maintainer) work(ctx context.Context) {
	if err := m.Compact(ctx); err != nil && ctx.Err() == nil {
		m.logger.Warn("compaction failed; it will be tried again", "error", err)
	}
	m.keepTiers(ctx)
}

// Compact turns the blocks of every hour that is over into chunks.
func (m *Maintainer) Compact(ctx context.Context) error {
	before := Before(m.now(), m.backlog)
	stats, err := m.store.Compact(ctx, before)
	if err != nil {
		return err
	}
	m.head.DropBefore(before)
	if stats.Blocks > 0 {
		m.logger.Info("compacted", "blocks", stats.Blocks, "chunks", stats.Chunks, "bytes", stats.Bytes, "took", stats.Took.Round(time.Millisecond))
	}
	return nil
}

// Before returns the first hour that may still get blocks.
func Before(now time.Time, b Backlog) int64 {
	const hour = 3_600_000
	before := now.Add(-grace).UnixMilli() / hour
	if bucket, any := b.OldestBucket(); any {
		before = min(before, bucket/hour)
	}
	return before
}
