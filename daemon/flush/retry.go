package flush

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

const (
	firstPause = 100 * time.Millisecond
	// maxPause bounds, but for the jitter, how late the return of a store is
	// noticed.
	maxPause = 5 * time.Second
)

// pauses returns ever longer pauses, each with jitter of half its length, so
// that daemons that lost one store together do not come back together.
func pauses() *backoff.ExponentialBackOff {
	p := backoff.NewExponentialBackOff()
	p.InitialInterval, p.MaxInterval = firstPause, maxPause
	return p
}

// maxUnknown is how often in a row a failure that nobody foresaw is tried again, with
// pauses of some half a minute in all. Drivers and servers that go down find ever new words for it;
// a fault of ours stays one, and the log keeps what is not stored.
const maxUnknown = 14

// retry repeats op while the store is away, through the breaker. Every
// operation may have been done though it failed: its answer may be what was
// lost. It ends at once when ctx does.
func (f *Flusher) retry(ctx context.Context, what string, op func() error) error {
	wait, unknown := pauses(), 0
	for {
		err := f.breaker.do(op)
		if unknown++; transient(err) {
			unknown = 0
		}
		if err == nil || final(err) || unknown > maxUnknown || ctx.Err() != nil && !transient(err) {
			f.stats.Away.Store(false)
			if err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
			return nil
		}
		delay := wait.NextBackOff()
		if !kept(err) {
			f.stats.Away.Store(true)
			f.stats.Retries.Add(1)
			f.failed(what, err, unknown, delay)
		}
		if err := pause(ctx, delay); err != nil {
			return fmt.Errorf("%s: %w (last: %w)", what, err, *f.breaker.last.Load())
		}
	}
}

func (f *Flusher) failed(what string, err error, unknown int, delay time.Duration) {
	if transient(err) {
		f.log.Debug("the store did not take it", "operation", what, "error", err, "next_try_in", delay)
		return
	}
	f.log.Error("the store failed in a way that is not known; the daemon ends if it goes on", "operation", what, "error", err,
		"try", unknown, "of", maxUnknown+1, "next_try_in", delay)
}

// final reports what the store says of what it holds, or of what it was given:
// another try finds the same.
func final(err error) bool {
	var at *storage.PositionError
	if errors.As(err, &at) {
		return true
	}
	for _, one := range []error{storage.ErrRefused, storage.ErrRenamed, storage.ErrReplacing, storage.ErrSchemaOld, storage.ErrSchemaNew, block.ErrMalformed} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keep writes a generation's dead letters, before the commit that counts them.
// On a full disk it waits: the log is on that disk too, and stalls.
func (f *Flusher) keep(ctx context.Context, d *draft) error {
	wait := pauses()
	for {
		err := f.letters.Keep(d.g.Number, d.letters())
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
			return err
		}
		f.log.Error("the disk is full: dead letters cannot be written, and nothing is flushed until space returns", "error", err)
		if err := pause(ctx, wait.NextBackOff()); err != nil {
			return err
		}
	}
}
