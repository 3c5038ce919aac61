package maint

import (
	"context"
	"time"

	"example.com/nexusctl/storage"
)

// Tiers is what maintenance needs of the store to keep its resolutions.
type Tiers interface {
	RollMinutes(ctx context.Context, from int64, c storage.Chosen) (rows int, err error)
	RollDays(ctx context.Context, before int64) (storage.DayStats, error)
	Retain(ctx context.Context, now time.Time, r storage.Retention) (storage.RetainStats, error)
}

// Policy says how long each resolution is kept.
type Policy struct {
	Retention storage.Retention
	Chosen    storage.Chosen
	Past      time.Duration // how late data may come
}

// settle is how much longer than late data may come a day is left alone: what
// came last has to be stored and compacted first.
const settle = 2 * time.Hour

// DaysBefore returns the first day that is not to be made by the minute yet,
// counted from 1970. A day is made once its late data are in, or where its
// ten-second points are about to go.
func (p Policy) DaysBefore(now time.Time) int64 {
	late := now.Add(-p.Past - settle)
	due := now.Add(-min(p.Retention.Points, p.Retention.Sketches))
	if due.After(late) {
		late = due
	}
	return late.UnixMilli() / dayMillis
}

const (
	hourMillis   = 60 * 60 * 1000
	dayMillis    = 24 * hourMillis
	minuteMillis = 60 * 1000
	// again is how far the rows by the minute are computed again behind the
	// last that were: a minute's last flush comes after its end.
	again = 3 * minuteMillis
)

// tierKeeper does the work on the tiers.
type tierKeeper struct {
	store    Tiers
	policy   func() Policy
	minutes  int64 // up to when rows by the minute were computed
	retained int64 // hour in which retention was last applied
}

// WithTiers has the maintainer keep the store's resolutions too.
func (m *Maintainer) WithTiers(s Tiers, policy func() Policy) *Maintainer {
	m.tiers = &tierKeeper{store: s, policy: policy}
	return m
}

// keepTiers does what is due. What fails is logged and tried again, and keeps
// nothing else from being done.
func (m *Maintainer) keepTiers(ctx context.Context) {
	k := m.tiers
	if k == nil {
		return
	}
	now, p := m.now(), k.policy()
	for _, job := range []struct {
		name string
		run  func(context.Context, time.Time, Policy) error
	}{
		{"computing rows by the minute", k.rollMinutes},
		{"computing points by the minute", m.rollDays},
		{"giving up what is old", m.retain},
	} {
		if err := job.run(ctx, now, p); err != nil && ctx.Err() == nil {
			m.logger.Warn(job.name+" failed; it will be tried again", "error", err)
		}
	}
}

// rollMinutes goes on where it was; after a start, an hour before now.
func (k *tierKeeper) rollMinutes(ctx context.Context, now time.Time, p Policy) error {
	at := now.UnixMilli()
	from := max(k.minutes-again, at-2*hourMillis)
	if k.minutes == 0 {
		from = at - hourMillis
	}
	_, err := k.store.RollMinutes(ctx, from, p.Chosen)
	if err == nil {
		k.minutes = at
	}
	return err
}

func (m *Maintainer) rollDays(ctx context.Context, now time.Time, p Policy) error {
	stats, err := m.tiers.store.RollDays(ctx, p.DaysBefore(now))
	if stats.Days > 0 {
		m.logger.Info("made points by the minute", "shard_days", stats.Days, "chunks", stats.Chunks, "bytes", stats.Bytes, "took", stats.Took.Round(time.Millisecond))
	}
	return err
}

// retain applies the retention once an hour: what is old goes by days.
func (m *Maintainer) retain(ctx context.Context, now time.Time, p Policy) error {
	k := m.tiers
	hour := now.UnixMilli() / hourMillis
	if hour == k.retained {
		return nil
	}
	stats, err := k.store.Retain(ctx, now, p.Retention)
	if err == nil {
		k.retained = hour
	}
	if stats.Dropped > 0 || stats.Deleted > 0 {
		m.logger.Info("gave up old data", "partitions_or_files", stats.Dropped, "rows", stats.Deleted)
	}
	return err
}
