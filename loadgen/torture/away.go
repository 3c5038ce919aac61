package torture

import (
	"context"
	"errors"
	"time"
)

const (
	// ackWait bounds the wait for acknowledgements while the store is away.
	ackWait = 10 * time.Second
	// drainWait bounds the time until a store that is back has everything.
	drainWait = 60 * time.Second
)

func storeAwayFits(o *Options) string {
	if o.Storage == "" {
		return "needs --storage postgres://…: an SQLite file cannot be away"
	}
	if _, _, _, err := through(o.Storage, "127.0.0.1:1"); err != nil {
		return err.Error()
	}
	return ""
}

// runStoreAway cuts the store off for seconds, and in every second cycle kills
// the daemon meanwhile. What is sent is acknowledged all the same, for the log
// keeps it, and the store has it all once it is back.
func runStoreAway(ctx context.Context, r *rig) (err error) {
	p, err := r.behindProxy()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := r.begin(ctx); err != nil {
		return err
	}
	l, err := r.open(ctx, usual)
	if err != nil {
		return err
	}
	defer l.abandon()
	var slowest time.Duration
	for cycle := range r.cycles(ctx) {
		l.connect(ctx)
		if err := r.loadFor(ctx, l, 300*time.Millisecond, 1500*time.Millisecond); err != nil {
			return err
		}
		p.cut(true)
		if err := r.whileAway(ctx, l, p, cycle%2 == 1); err != nil {
			return err
		}
		took, err := r.drained(ctx)
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
	}
	if err := l.finish(ctx); err != nil {
		return err
	}
	r.row.note("%d store connections cut or refused; the store had what had waited within %s", p.cuts, slowest.Round(time.Millisecond))
	return r.daemon.stop()
}

func (r *rig) behindProxy() (*proxy, error) {
	_, network, target, err := through(r.opts.Storage, "127.0.0.1:1")
	if err != nil {
		return nil, err
	}
	p, err := startProxy(network, target)
	if err != nil {
		return nil, err
	}
	r.storage, _, _, err = through(r.opts.Storage, p.listener.Addr().String())
	return p, err
}

// whileAway waits out the time without a store. The store is back when it
// returns.
func (r *rig) whileAway(ctx context.Context, l *load, p *proxy, kill bool) error {
	length := r.between(time.Second, 6*time.Second)
	if err := sleep(ctx, length); err != nil {
		return err
	}
	if err := l.progress(ctx, ackWait); err != nil {
		return err
	}
	if !kill {
		p.cut(false)
		return r.unbroken(ctx, l)
	}
	if err := r.daemon.kill(); err != nil {
		return err
	}
	l.disconnect()
	open := l.unanswered()
	p.cut(false)
	if err := r.start(ctx); err != nil {
		return err
	}
	_, err := l.aftermath(ctx, open)
	return err
}

// progress waits until every producer has a further batch acknowledged.
func (l *load) progress(ctx context.Context, wait time.Duration) error {
	began, before := time.Now(), l.ackedBatches()
	for {
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		moved := true
		for i, n := range l.ackedBatches() {
			moved = moved && n > before[i]
		}
		switch {
		case moved:
			return nil
		case time.Since(began) > wait:
			return errors.Join(broken("nothing was acknowledged for %s: %s", wait, l.rig.daemon.said()), l.rig.daemon.alive())
		}
	}
}

func (l *load) ackedBatches() (n []uint64) {
	for _, p := range l.producers {
		n = append(n, p.session.Stats().Acked)
	}
	return n
}

// drained waits until what is pending is no more than the seconds at hand: two
// buckets of one second, and the one that is open.
func (r *rig) drained(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	target, err := r.ledger(ctx)
	if err != nil {
		return 0, err
	}
	goal := keptBy(target)
	for {
		l, err := r.ledger(ctx)
		switch {
		case err != nil:
			return 0, err
		case l.Stored >= goal:
			return time.Since(began), nil
		case time.Since(began) > drainWait:
			return 0, broken("the store is back for %s and lacks %d of the %d units that had waited: %s", drainWait, goal-l.Stored, goal, r.daemon.said())
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
