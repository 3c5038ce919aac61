package maint

import (
	"context"
	"log/slog"
	"time"
)

// EventStore drops events: storage.Store.
type EventStore interface {
	DropEvents(ctx context.Context, before int64, limit int) (dropped int64, err error)
}

// EventKeeper drops events and service checks whose time is over.
type EventKeeper struct {
	Store  EventStore
	Keep   func() time.Duration
	Now    func() time.Time
	Logger *slog.Logger
	Lead   Lead // nil: always
}

const (
	dropEvery = 10 * time.Minute
	dropBatch = 5000 // events of one transaction
)

// Run works until ctx ends. What fails is logged and tried again.
func (k *EventKeeper) Run(ctx context.Context) {
	tick := time.NewTicker(dropEvery)
	defer tick.Stop()
	lead := k.Lead
	if lead == nil {
		lead = always
	}
	for {
		lead(ctx, func(ctx context.Context) {
			if err := k.Drop(ctx); err != nil && ctx.Err() == nil {
				k.Logger.Warn("old events were not dropped; it will be tried again", "error", err)
			}
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Drop drops what is too old, a bounded number at a time.
func (k *EventKeeper) Drop(ctx context.Context) error {
	before := k.Now().Add(-k.Keep()).UnixMilli()
	total := int64(0)
	for ctx.Err() == nil {
		n, err := k.Store.DropEvents(ctx, before, dropBatch)
		if err != nil {
			return err
		}
		if total += n; n < dropBatch {
			break
		}
	}
	if total > 0 {
		k.Logger.Info("old events were dropped", "events", total)
	}
	return ctx.Err()
}
