package flush

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/storage"
)

// Queue is where complete generations wait: lane.Collector.
type Queue interface {
	Next(ctx context.Context) (g *aggregate.Generation, spilled bool, upTo uint64, err error)
	Done(generation uint64, commit func(state *aggregate.State))
	State() *aggregate.State
	Pack(g *aggregate.Generation)
}

// Loop keeps the store up with the log.
type Loop struct {
	Flusher     *Flusher
	Queue       Queue
	Source      *replay.Source
	Catalog     *admit.Catalog
	Book        *ledger.Book
	Checkpoints *Checkpointer
	// Stored is told of every flush before readers stop finding its
	// generation in memory.
	Stored func(Committed)
	// Moved is told of a store that was found in an earlier state, before
	// anything is stored there again: what is known of its blocks is void.
	Moved  func()
	Logger *slog.Logger

	last *aggregate.Generation // the newest that was stored from memory

	deleter *Deleter
	waiting sync.Mutex
	deletes []*pendingDelete
}

// Run flushes until ctx ends. It returns an error only where going on would
// lose or double something.
func (l *Loop) Run(ctx context.Context) error {
	l.Flusher.pack = l.Queue.Pack
	for {
		g, spilled, upTo, err := l.Queue.Next(ctx)
		if err != nil {
			return nil
		}
		if spilled {
			err = l.healing(ctx, func() error {
				return l.refold(ctx, wal.Position(l.Flusher.Position()), wal.Position(upTo), l.settleSpilled)
			})
		} else {
			err = l.flush(ctx, g)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// flush stores a generation from memory.
func (l *Loop) flush(ctx context.Context, g *aggregate.Generation) error {
	if err := l.Source.Log.WaitSynced(ctx, wal.Position(g.To)); err != nil {
		return err // a store ahead of its log could never be brought together with it
	}
	settled := l.Flusher.take(g.Number)
	var c Committed
	err := l.healing(ctx, func() (err error) {
		c, err = l.Flusher.Flush(ctx, g, l.Queue.State())
		return err
	})
	if err != nil {
		return err
	}
	l.settle(c, nil)
	settled(c)
	l.last = g
	l.checkpoint(g)
	l.between(ctx, g)
	return nil
}

// checkpoint writes one where it is due. One that cannot be written, as on a full
// disk, costs nothing but log that cannot be dropped yet: the next flush tries
// again.
func (l *Loop) checkpoint(g *aggregate.Generation) {
	if err := l.Checkpoints.After(g, l.Queue.State()); err != nil {
		l.Logger.Error("a checkpoint cannot be written; the log keeps what it would have freed, and the next flush tries again", "error", err)
	}
}

// healing runs op until it has met no store that failed over to a copy that
// lags. What such a store misses is read back from the log before op goes on.
func (l *Loop) healing(ctx context.Context, op func() error) error {
	for {
		err := op()
		var at *storage.PositionError
		switch {
		case errors.As(err, &at) && at.Have < at.From:
			l.Logger.Warn("the store is at an older position, as after a failover; what it misses is stored again from the log",
				"store", at.Have, "flushed", at.From)
			l.moved(at.Have)
			err = l.healing(ctx, func() error {
				return l.refold(ctx, wal.Position(l.Flusher.Position()), wal.Position(at.From), l.restore)
			})
		case errors.Is(err, storage.ErrRenamed):
			l.Logger.Warn("the store lacks names that it gave, as after a failover; every series is named again")
			l.moved(l.Flusher.Position())
			err = pause(ctx, firstPause)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
}

func (l *Loop) moved(to uint64) {
	l.Flusher.moved(to)
	if l.Moved != nil {
		l.Moved()
	}
}

// LastCheckpoint writes a checkpoint at the last stored generation. It may be
// called once Run has ended and nothing waits.
func (l *Loop) LastCheckpoint() error {
	if l.last == nil || l.last.To != l.Flusher.Position() {
		return nil
	}
	return l.Checkpoints.Write(l.last, l.Queue.State())
}

// refold reads generations back from the log and flushes each.
func (l *Loop) refold(ctx context.Context, after, upTo wal.Position, settle func(context.Context, Committed)) error {
	started := time.Now()
	if err := l.Source.Log.WaitSynced(ctx, upTo); err != nil {
		return err
	}
	_, err := l.Source.Generations(ctx, after, upTo, func(g *aggregate.Generation, state *aggregate.State) error {
		c, err := l.Flusher.Flush(ctx, g, state)
		if err != nil {
			return err
		}
		settle(ctx, c)
		return nil
	})
	if err == nil {
		l.Logger.Info("generations were read back from the log and stored", "from", after, "to", upTo, "took", time.Since(started))
	}
	return err
}

// settleSpilled settles a generation whose tables memory had given up.
func (l *Loop) settleSpilled(ctx context.Context, c Committed) {
	l.settle(c, c.Generation.Advance)
	l.between(ctx, c.Generation)
}

// restore puts back what the ledger counts as stored already.
func (l *Loop) restore(_ context.Context, c Committed) { l.store(c) }

func (l *Loop) settle(c Committed, advance func(*aggregate.State)) {
	l.store(c)
	l.Queue.Done(c.Generation.Number, func(state *aggregate.State) {
		l.Book.Settle(Settled(c.Flush))
		if advance != nil {
			advance(state)
		}
	})
}

func (l *Loop) store(c Committed) {
	if l.Stored != nil {
		l.Stored(c)
	}
}

// Settled returns the ledger terms of a flush. Units that leave the dead ones
// are subtracted: where a flush revives more than it adds, Dead is negative,
// modulo 2^64, and the sum over all flushes is not.
func Settled(f storage.Flush) ledger.Statement {
	return ledger.Statement{
		Stored: f.Counts.Stored, Rejected: f.Counts.Rejected, Shed: f.Counts.Shed,
		Dead: f.Counts.Dead - f.Counts.Revived, Lost: f.Counts.Lost, Duplicates: f.Counts.Duplicates,
	}
}
