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

// settleWait bounds how long Verify waits for the daemon to have read all.
const settleWait = 30 * time.Second

// Verify compares what was sent with what the ledger has gained since before.
// It assumes that nobody else sends. The ledger must keep its own law too.
func Verify(ctx context.Context, r LedgerReader, before api.Ledger, sent int64) (Verdict, api.Ledger, error) {
	deadline := time.Now().Add(settleWait)
	after, err := r.Ledger(ctx)
	for err == nil && int64(after.Received-before.Received) < sent && time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return Verdict{}, after, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		after, err = r.Ledger(ctx)
	}
	if err != nil {
		return Verdict{}, after, fmt.Errorf("verify: %w", err)
	}
	if err := after.Check(); err != nil {
		return Verdict{}, after, err
	}
	return Compare(before, after, sent), after, nil
}

// Compare is Verify's decision.
func Compare(before, after api.Ledger, sent int64) Verdict {
	kept := int64(after.Stored+after.Pending+after.Dead) - int64(before.Stored+before.Pending+before.Dead)
	v := Verdict{Expected: sent, Stored: kept, Lost: max(sent-kept, 0), Duplicated: max(kept-sent, 0)}
	v.OK = v.Lost == 0 && v.Duplicated == 0
	return v
}
