package torture

import (
	"context"
	"time"
)

// runTerm stops the daemon as an operator does, under load. Nothing may be
// missing that was acknowledged, or written on a connection whose end the
// daemon has confirmed.
func runTerm(ctx context.Context, r *rig) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, usual)
	if err != nil {
		return err
	}
	defer l.abandon()
	confirmed, all := 0, 0
	var slowest time.Duration
	for range r.cycles(ctx) {
		l.connect(ctx)
		if err := r.loadFor(ctx, l, 100*time.Millisecond, 1500*time.Millisecond); err != nil {
			return err
		}
		took, err := r.term(ctx, l)
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
		if err := r.start(ctx); err != nil {
			return err
		}
		n, err := l.whole(ctx)
		if err != nil {
			return err
		}
		confirmed, all = confirmed+n, all+len(l.streams)
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("every stop exited 0, the slowest after %s; %d of %d plain connections read to their end", slowest.Round(time.Millisecond), confirmed, all)
	return r.daemon.stop()
}

// term signals, and has the plain senders end at about that time.
func (r *rig) term(ctx context.Context, l *load) (took time.Duration, err error) {
	began, lag := time.Now(), r.between(0, 20*time.Millisecond)
	if err := r.daemon.term(); err != nil {
		return 0, err
	}
	if err := sleep(ctx, lag); err != nil {
		return 0, err
	}
	l.disconnect()
	err = r.daemon.ended()
	return time.Since(began), err
}
