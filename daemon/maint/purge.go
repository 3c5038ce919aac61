package maint

import (
	"context"
	"log/slog"
	"time"

	"example.com/nexusctl/storage"
)

// PurgeStore removes the points of deleted series: storage.Store.
type PurgeStore interface {
	Purge(ctx context.Context, now time.Time) (storage.PurgeStats, error)
}

const (
	purgeEvery = time.Minute
	// purgePause lets other work at the store between two parts of a long purge.
	purgePause = 100 * time.Millisecond
)

// Purger removes the points of deleted series, a bounded number of series at a
// time.
type Purger struct {
	store  PurgeStore
	now    func() time.Time
	logger *slog.Logger
	wanted chan struct{} // holds one token
}

// NewPurger returns a Purger that has done nothing yet.
func NewPurger(s PurgeStore, logger *slog.Logger, now func() time.Time) *Purger {
	return &Purger{store: s, logger: logger, now: now, wanted: make(chan struct{}, 1)}
}

// Wake has the purger look now.
func (p *Purger) Wake() {
	select {
	case p.wanted <- struct{}{}:
	default:
	}
}

// Run works until ctx ends. What fails is logged and tried again.
func (p *Purger) Run(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := p.Purge(ctx); err != nil && ctx.Err() == nil {
			p.logger.Warn("the points of deleted series were not removed; it will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wanted:
		case <-tick.C:
		}
	}
}

// Purge removes what is to be removed now.
func (p *Purger) Purge(ctx context.Context) error {
	total, began := storage.PurgeStats{}, time.Now()
	for {
		stats, err := p.store.Purge(ctx, p.now())
		total.Series += stats.Series
		total.Rows += stats.Rows
		if err != nil {
			return err
		}
		if stats.Series == 0 {
			break
		}
		select {
		case <-time.After(purgePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if total.Series > 0 {
		p.logger.Info("removed the points of deleted series", "series", total.Series, "rows", total.Rows, "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}
