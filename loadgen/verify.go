package loadgen

import (
	"context"
	"fmt"
	"time"

	"example.com/nexusctl/protocol/api"
)

// LedgerReader reads the daemon's ledger: client.HTTP.
type LedgerReader interface {
	Ledger(ctx context.Context) (api.Ledger, error)
}

const (
	// verifyPoll is how often the ledger is read.
	verifyPoll = 50 * time.Millisecond
	// settledFor is how long the ledger must have stood still, once it has
	// what was sent: units that come twice would come then.
	settledFor = 150 * time.Millisecond
	// stuckFor is how long it may stand still before that.
	stuckFor = 5 * time.Second
)

// Verify waits until the ledger has settled and compares what was sent with
// what it has gained since before. It assumes that nobody else sends. The
// ledger must keep its own law too.
func Verify(ctx context.Context, r LedgerReader, before api.Ledger, sent int64) (Verdict, api.Ledger, error) {
	after, err := r.Ledger(ctx)
	moved := time.Now()
	for err == nil && !settled(before, after, sent, time.Since(moved)) {
		select {
		case <-ctx.Done():
			return Verdict{}, after, ctx.Err()
		case <-time.After(verifyPoll):
		}
		last := after.Received
		if after, err = r.Ledger(ctx); after.Received != last {
			moved = time.Now()
		}
	}
	if err != nil {
		return Verdict{}, after, fmt.Errorf("verify: %w", err)
	}
	return Compare(before, after, sent), after, nil
}

func settled(before, after api.Ledger, sent int64, still time.Duration) bool {
	if int64(after.Received-before.Received) < sent {
		return still >= stuckFor
	}
	return still >= settledFor
}

// Compare is Verify's decision.
func Compare(before, after api.Ledger, sent int64) Verdict {
	kept := int64(after.Stored+after.Pending+after.Dead) - int64(before.Stored+before.Pending+before.Dead)
	v := Verdict{
		Expected: sent, Stored: kept, Lost: max(sent-kept, 0), Duplicated: max(kept-sent, 0),
		Rejected: int64(api.Sum(after.Rejected)) - int64(api.Sum(before.Rejected)),
		Shed:     int64(api.Sum(after.Shed)) - int64(api.Sum(before.Shed)),
	}
	if err := after.Check(); err != nil {
		v.Fault = err.Error()
	}
	v.OK = v.Lost == 0 && v.Duplicated == 0 && v.Rejected == 0 && v.Shed == 0 && v.Fault == ""
	return v
}

// String says what differs.
func (v Verdict) String() string {
	s := fmt.Sprintf("expected %d, stored %d, lost %d, duplicated %d", v.Expected, v.Stored, v.Lost, v.Duplicated)
	if v.Rejected != 0 || v.Shed != 0 {
		s += fmt.Sprintf(" (rejected %d, shed %d)", v.Rejected, v.Shed)
	}
	if v.Fault != "" {
		s += "; " + v.Fault
	}
	return s
}
