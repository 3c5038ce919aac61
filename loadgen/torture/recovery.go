package torture

import (
	"context"
	"time"
)

// inARow is how many recoveries of one cycle are killed.
const inARow = 5

// runRecoveryKill leaves a log with work in it and kills the daemon that
// recovers from it, several times in a row, each at another moment.
func runRecoveryKill(ctx context.Context, r *rig) error {
	r.bucket = "10s" // so that most of the log is not in the store yet
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, usual)
	if err != nil {
		return err
	}
	defer l.abandon()
	early, all := 0, 0
	usually := 300 * time.Millisecond // of a recovery
	for range r.cycles(ctx) {
		l.connect(ctx)
		if err := r.loadFor(ctx, l, 500*time.Millisecond, 2500*time.Millisecond); err != nil {
			return err
		}
		if err := r.daemon.kill(); err != nil {
			return err
		}
		l.disconnect()
		open := l.unanswered()
		for range inARow {
			before, err := r.killRecovery(ctx, r.between(0, usually))
			if err != nil {
				return err
			}
			all++
			if before {
				early++
			}
		}
		open = max(open, l.unanswered()) * (inARow + 1) // each life may shed what is sent to it
		began := time.Now()
		if err := r.start(ctx); err != nil {
			return err
		}
		usually = time.Since(began)
		if _, err := l.aftermath(ctx, open); err != nil {
			return err
		}
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("%d of %d kills came before the daemon was ready; the last recovery took %s", early, all, usually.Round(time.Millisecond))
	return r.daemon.stop()
}

// killRecovery starts the daemon and kills it after a time. before says that
// it was not ready yet.
func (r *rig) killRecovery(ctx context.Context, after time.Duration) (before bool, err error) {
	if err := r.launch(); err != nil {
		return false, err
	}
	if err := sleep(ctx, after); err != nil {
		return false, err
	}
	before = !r.daemon.answers(ctx)
	return before, r.daemon.kill()
}
