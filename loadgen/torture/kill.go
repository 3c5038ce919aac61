package torture

import (
	"context"
	"time"
)

// runKill kills the daemon under load, again and again, and judges each kill
// when the daemon is back.
func runKill(ctx context.Context, r *rig) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, usual)
	if err != nil {
		return err
	}
	defer l.abandon()
	var slowest time.Duration
	for range r.cycles(ctx) {
		l.connect(ctx)
		took, err := r.killOnce(ctx, l)
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("slowest restart %s", slowest.Round(time.Millisecond))
	return r.daemon.stop()
}

// killOnce lets the load run, kills, starts again and judges. took is how long
// the daemon was away.
func (r *rig) killOnce(ctx context.Context, l *load) (took time.Duration, err error) {
	if err := r.loadFor(ctx, l, 100*time.Millisecond, 900*time.Millisecond); err != nil {
		return 0, err
	}
	if err := r.daemon.kill(); err != nil {
		return 0, err
	}
	l.disconnect()
	open, began := l.unanswered(), time.Now()
	if err := r.start(ctx); err != nil {
		return 0, err
	}
	took = time.Since(began)
	_, err = l.aftermath(ctx, open)
	return took, err
}

// loadFor lets the load run for a drawn time, and makes sure of something at a
// drawn moment of it.
func (r *rig) loadFor(ctx context.Context, l *load, from, to time.Duration) error {
	length := r.between(from, to)
	first := time.Duration(r.rand.Int64N(int64(length)))
	if err := sleep(ctx, first); err != nil {
		return err
	}
	if err := l.confirm(ctx); err != nil {
		return err
	}
	return sleep(ctx, length-first)
}
