package ledger

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// AuditEvery is how often a daemon holds its own ledger to the law.
const AuditEvery = time.Minute

// Auditor holds the ledger to the law and remembers whether it held.
type Auditor struct {
	// Read answers with the whole ledger, as of one moment.
	Read   func(ctx context.Context) (Statement, error)
	Logger *slog.Logger

	breaches   atomic.Uint64
	difference atomic.Int64
}

// Check reads the ledger once. A ledger that cannot be read now is no breach
// of it, and leaves what the last answer said.
func (a *Auditor) Check(ctx context.Context) {
	s, err := a.Read(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.Logger.Debug("the ledger was not audited", "error", err)
		}
		return
	}
	difference := int64(s.Received - s.Accounted())
	before := a.difference.Swap(difference)
	switch {
	case difference != 0:
		a.breaches.Add(1)
		a.Logger.Error("the ledger is broken: this is a fault of the daemon", "received", s.Received, "accounted_for", s.Accounted(),
			"difference", difference, "stored", s.Stored, "pending", s.Pending, "dead", s.Dead, "lost", s.Lost, "rejected", s.Rejected, "shed", s.Shed)
	case before != 0:
		a.Logger.Info("the ledger holds again")
	}
}

// Breaches returns how many audits found the law broken.
func (a *Auditor) Breaches() uint64 { return a.breaches.Load() }

// Difference returns by how much the law was broken at the last audit:
// received less accounted for, 0 where it held.
func (a *Auditor) Difference() int64 { return a.difference.Load() }

// Run audits until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	tick := time.NewTicker(AuditEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.Check(ctx)
		}
	}
}
