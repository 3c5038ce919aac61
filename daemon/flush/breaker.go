package flush

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"example.com/nexusctl/storage"
)

const (
	// tripAfter is how many tries in a row fail before the store counts as
	// away, and openFor how long nobody asks it then before one try may.
	tripAfter = 5
	openFor   = 3 * time.Second
)

// Breaker keeps a store that is away from being asked all the time. It is
// closed while the store answers, opens when tries fail in a row, and lets one
// try through every few seconds then: half-open. What it keeps from the store
// is not refused, it waits in the log.
type Breaker struct {
	circuit  *gobreaker.CircuitBreaker[struct{}]
	openings atomic.Uint64
	since    atomic.Int64 // when the store went away, Unix nanoseconds; 0 while closed
	last     atomic.Pointer[error]
	log      *slog.Logger
}

// BreakerStates names every state, for metrics.
func BreakerStates() []string {
	return []string{gobreaker.StateClosed.String(), gobreaker.StateHalfOpen.String(), gobreaker.StateOpen.String()}
}

func newBreaker(log *slog.Logger) *Breaker {
	b := &Breaker{log: log}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name: "store", MaxRequests: 1, Timeout: openFor,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= tripAfter },
		IsSuccessful:  func(err error) bool { return !transient(err) },
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) { b.changed(from, to) },
	})
	return b
}

// State returns closed, half-open or open.
func (b *Breaker) State() string { return b.circuit.State().String() }

// Openings returns how often the store went away.
func (b *Breaker) Openings() uint64 { return b.openings.Load() }

// Away returns since when the store has been away, and whether it is.
func (b *Breaker) Away() (since time.Time, away bool) {
	at := b.since.Load()
	return time.Unix(0, at), at != 0
}

func (b *Breaker) do(op func() error) error {
	_, err := b.circuit.Execute(func() (struct{}, error) {
		err := op()
		if err != nil {
			b.last.Store(&err)
		}
		return struct{}{}, err
	})
	return err
}

// changed tells of every change that an operator sees, once. A half-open
// breaker that opens again is none: the store was away and is.
func (b *Breaker) changed(from, to gobreaker.State) {
	switch {
	case from == gobreaker.StateClosed:
		b.openings.Add(1)
		b.since.Store(time.Now().UnixNano())
		b.log.Warn("the store is away; the log keeps what arrives", "failed_tries", tripAfter, "error", *b.last.Load())
	case to == gobreaker.StateClosed:
		since := time.Unix(0, b.since.Swap(0))
		b.log.Info("the store is back", "away", time.Since(since).Round(time.Millisecond))
	default:
		b.log.Debug("store breaker", "from", from.String(), "to", to.String())
	}
}

// transient reports what another try may mend, the breaker's own refusals
// among it.
func transient(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrBusy) || kept(err)
}

// kept reports a try that the breaker did not let through.
func kept(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}
