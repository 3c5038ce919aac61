package measure

import (
	"context"
	"fmt"
	"time"

	"example.com/nexusctl/storage"
)

// pause is how long nothing is flushed between two flushes that are timed beside
// work on the store. A daemon flushes every ten seconds.
const pause = 50 * time.Millisecond

// whileFlushing runs work and times flushes meanwhile, one at least.
func (r *run) whileFlushing(ctx context.Context, work func() error) (flushes []float64, took time.Duration, err error) {
	type ended struct {
		took time.Duration
		err  error
	}
	done := make(chan ended, 1)
	began := time.Now()
	go func() {
		err := work()
		done <- ended{time.Since(began), err}
	}()
	for {
		d, err := r.flush(ctx)
		if err != nil {
			e := <-done
			return nil, 0, fmt.Errorf("beside the work, which ended with %v: %w", e.err, err)
		}
		flushes = append(flushes, d.Seconds()*1000)
		select {
		case e := <-done:
			return flushes, e.took, e.err
		case <-time.After(pause):
		}
	}
}

// besideCompaction fills an hour, and times the flushes of the next one while the
// first is compacted.
func (r *run) besideCompaction(ctx context.Context) ([]Result, error) {
	for end := r.now + hour; r.now < end; {
		if _, err := r.flush(ctx); err != nil {
			return nil, err
		}
	}
	before := r.now / hour
	flushes, took, err := r.whileFlushing(ctx, func() error {
		_, err := r.store.Compact(ctx, before)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []Result{
		{Name: fmt.Sprintf("compact an hour of %d series beside flushes", r.Series), Ops: 1, P50: took.Seconds() * 1000},
		summary(fmt.Sprintf("flush of %d series while an hour is compacted", r.Series), flushes),
	}, nil
}

// retain gives up the first day of points of ten seconds, and times that and the
// flushes beside it. Readers leave a tier at one pass of retention and it goes at
// the next, so the first pass is not timed.
func (r *run) retain(ctx context.Context, first int64) ([]Result, error) {
	keep := storage.Retention{Points: day * time.Millisecond, Sketches: day * time.Millisecond, Minutes: 90 * day * time.Millisecond, Hours: 900 * day * time.Millisecond, SQL: day * time.Millisecond}
	now := time.UnixMilli(first + 2*day)
	if _, err := r.store.Retain(ctx, now, keep); err != nil {
		return nil, err
	}
	var stats storage.RetainStats
	flushes, took, err := r.whileFlushing(ctx, func() (err error) {
		stats, err = r.store.Retain(ctx, now, keep)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []Result{
		{Name: fmt.Sprintf("give up a day (%d partitions or files)", stats.Dropped), Ops: 1, P50: took.Seconds() * 1000},
		summary("flush beside that", flushes),
	}, nil
}
