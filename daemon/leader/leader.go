// Package leader decides which of the daemons that share a store does the
// periodic work. Postgres decides: who holds a lock of a session of its own
// leads, and the lock goes with the session, whatever ends it.
//
// Leading is a saving and no safety: compaction, tiers and retention lock what
// they work on, so two leaders for a moment would do nothing twice. A leader
// that cannot ask the database stops leading at once all the same.
package leader

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Seat is a session of the database: storage.Seat.
type Seat interface {
	Lead(ctx context.Context) (bool, error)
	Close() error
}

const (
	every = 2 * time.Second
	// trust is how long an answer holds: a process that stood still for longer
	// asks again before it believes itself.
	trust = 3 * every
)

// Elector knows whether this daemon leads.
type Elector struct {
	take   func(ctx context.Context) (Seat, error)
	logger *slog.Logger
	now    func() time.Time
	alone  bool

	mu    sync.Mutex
	seat  Seat
	term  context.Context // nil: another one leads
	end   context.CancelFunc
	asked time.Time

	changes atomic.Uint64
	won     chan struct{} // one token
}

// New returns an Elector that does not lead yet.
func New(take func(ctx context.Context) (Seat, error), logger *slog.Logger, now func() time.Time) *Elector {
	return &Elector{take: take, logger: logger, now: now, won: make(chan struct{}, 1)}
}

// Alone returns the Elector of a store that has one daemon: it always leads.
func Alone() *Elector { return &Elector{alone: true, now: time.Now} }

// Sit gives the Elector a seat that was taken already.
func (e *Elector) Sit(s Seat) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seat = s
}

// Close leaves the seat, and with it the lead.
func (e *Elector) Close() error {
	e.lose()
	return nil
}

// Changes returns how often the lead was won or lost.
func (e *Elector) Changes() uint64 { return e.changes.Load() }

// Won wakes whoever waits for the lead; nil, which never does, where this daemon
// is alone.
func (e *Elector) Won() <-chan struct{} { return e.won }

// Leading tells whether this daemon leads now.
func (e *Elector) Leading() bool {
	return e.alone || e.current() != nil
}

// current returns the term, nil where another daemon leads.
func (e *Elector) current() context.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now().Sub(e.asked) > trust {
		return nil
	}
	return e.term
}

// Lead runs work where this daemon leads, and tells whether it does. The
// context of the work ends with ctx and with the lead.
func (e *Elector) Lead(ctx context.Context, work func(ctx context.Context)) bool {
	if e.alone {
		work(ctx)
		return true
	}
	term := e.current()
	if term == nil {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(term, cancel)()
	work(ctx)
	return true
}

// Run stands for election until ctx ends, and leaves the seat then.
func (e *Elector) Run(ctx context.Context) {
	if e.alone {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	defer e.lose()
	for {
		e.Ask(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ask asks the database once.
func (e *Elector) Ask(ctx context.Context) {
	asked := e.now()
	leads, err := e.lead(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.logger.Warn("the database cannot be asked who leads; this daemon does not, until it can", "error", err)
		}
		e.lose()
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = asked
	if leads && e.term == nil {
		e.term, e.end = context.WithCancel(context.Background())
		e.changes.Add(1)
		e.logger.Info("this daemon leads: it does the periodic work")
		select {
		case e.won <- struct{}{}:
		default:
		}
	}
}

func (e *Elector) lead(ctx context.Context) (bool, error) {
	e.mu.Lock()
	seat := e.seat
	e.mu.Unlock()
	if seat == nil {
		var err error
		if seat, err = e.take(ctx); err != nil {
			return false, err
		}
		e.mu.Lock()
		e.seat = seat
		e.mu.Unlock()
	}
	return seat.Lead(ctx)
}

// lose gives up seat and lead. The term ends before the lock goes.
func (e *Elector) lose() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.term != nil {
		e.end()
		e.term = nil
		e.changes.Add(1)
		e.logger.Info("this daemon leads no longer")
	}
	if e.seat != nil {
		if err := e.seat.Close(); err != nil {
			e.logger.Debug("the seat at the store was lost", "error", err)
		}
		e.seat = nil
	}
}
