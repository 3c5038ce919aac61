package flush

import (
	"context"
	"errors"
	"log/slog"
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
	Logger *slog.Logger

	last *aggregate.Generation // the newest that was stored from memory
}

// Run flushes until ctx ends. It returns an error only where going on would
// lose or double something.
func (l *Loop) Run(ctx context.Context) error {
	for {
		g, spilled, upTo, err := l.Queue.Next(ctx)
		if err != nil {
			return nil
		}
		if spilled {
			err = l.refold(ctx, wal.Position(l.Flusher.Position()), wal.Position(upTo), l.settleSpilled)
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

// flush stores a generation from memory. A store found at an older position
// has failed over to a copy that lags: what it misses is read back from the
// log first.
func (l *Loop) flush(ctx context.Context, g *aggregate.Generation) error {
	if err := l.Source.Log.WaitSynced(ctx, wal.Position(g.To)); err != nil {
		return err // a store ahead of its log could never be brought together with it
	}
	for {
		c, err := l.Flusher.Flush(ctx, g, l.Queue.State())
		var at *storage.PositionError
		if errors.As(err, &at) && at.Have < at.From {
			l.Logger.Warn("the store is at an older position, as after a failover; what it misses is stored again from the log",
				"store", at.Have, "flushed", at.From)
			l.Flusher.position = at.Have
			if err := l.refold(ctx, wal.Position(at.Have), wal.Position(at.From), l.restore); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		l.settle(c, nil)
		l.last = g
		return l.Checkpoints.After(g, l.Queue.State())
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
func (l *Loop) refold(ctx context.Context, after, upTo wal.Position, settle func(Committed)) error {
	started := time.Now()
	if err := l.Source.Log.WaitSynced(ctx, upTo); err != nil {
		return err
	}
	_, err := l.Source.Generations(ctx, after, upTo, func(g *aggregate.Generation, state *aggregate.State) error {
		c, err := l.Flusher.Flush(ctx, g, state)
		if err != nil {
			return err
		}
		settle(c)
		return nil
	})
	if err == nil {
		l.Logger.Info("generations were read back from the log and stored", "from", after, "to", upTo, "took", time.Since(started))
	}
	return err
}

// settleSpilled settles a generation whose tables memory had given up.
func (l *Loop) settleSpilled(c Committed) { l.settle(c, c.Generation.Advance) }

// restore puts back what the ledger counts as stored already.
func (l *Loop) restore(c Committed) { l.store(c) }

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

// Settled returns the ledger terms of a flush.
func Settled(f storage.Flush) ledger.Statement {
	return ledger.Statement{
		Stored: f.Counts.Stored, Rejected: f.Counts.Rejected, Shed: f.Counts.Shed,
		Dead: f.Counts.Dead, Lost: f.Counts.Lost, Duplicates: f.Counts.Duplicates,
	}
}
