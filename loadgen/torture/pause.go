package torture

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// runPause stops the daemon's threads for seconds, as a suspended machine or a
// debugger does, and lets them go on. Nothing ends, so nothing may be missing.
func runPause(ctx context.Context, r *rig) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, usual)
	if err != nil {
		return err
	}
	defer l.abandon()
	var stood time.Duration
	for range r.cycles(ctx) {
		l.connect(ctx)
		if err := sleep(ctx, r.between(200*time.Millisecond, time.Second)); err != nil {
			return err
		}
		length := r.between(500*time.Millisecond, 4*time.Second)
		if err := r.pause(ctx, length); err != nil {
			return err
		}
		stood += length
		if err := sleep(ctx, r.between(100*time.Millisecond, 500*time.Millisecond)); err != nil {
			return err
		}
		if err := r.unbroken(ctx, l); err != nil {
			return err
		}
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("stood still for %s in all", stood.Round(time.Millisecond))
	return r.daemon.stop()
}

func (r *rig) pause(ctx context.Context, length time.Duration) error {
	if err := r.daemon.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return errors.Join(sleep(ctx, length), r.daemon.signal(syscall.SIGCONT))
}

// unbroken ends the plain connections; each must have come to its end.
func (r *rig) unbroken(ctx context.Context, l *load) error {
	l.disconnect()
	if _, err := l.whole(ctx); err != nil {
		return err
	}
	for _, s := range l.streams {
		if !s.finished {
			return broken("stream %d was cut off, and the daemon was not: %v", s.id, s.err)
		}
	}
	return nil
}
