package daemon

import (
	"context"
	"fmt"
	"time"

	"example.com/nexusctl/protocol/api"
)

// readyTimeout bounds what the readiness check waits for the store.
const readyTimeout = 2 * time.Second

// Ready returns why the daemon cannot take and keep data now; empty where it
// can.
func (d *Daemon) Ready(ctx context.Context) []api.Reason {
	reasons := []api.Reason{}
	if r, away := d.storeAway(ctx); away {
		reasons = append(reasons, r)
	}
	if err := d.log.Err(); err != nil {
		reasons = append(reasons, api.Reason{Code: "log_failed", Detail: "the log cannot be written"})
	} else if d.log.Stats().Stalled {
		reasons = append(reasons, api.Reason{Code: "log_stalled", Detail: "the log waits for disk space"})
	}
	reasons = append(reasons, d.pressed()...)
	reasons = append(reasons, d.clock.reasons(d.passed())...)
	if n := d.auditor.Difference(); n != 0 {
		reasons = append(reasons, api.Reason{
			Code: "ledger_breach", Detail: fmt.Sprintf("the ledger is broken: received less accounted for is %d", n),
		})
	}
	return reasons
}

// storeAway asks the store, unless the flushes know already that it is away.
func (d *Daemon) storeAway(ctx context.Context) (api.Reason, bool) {
	r := api.Reason{Code: "store_away", Detail: "the store does not answer; what arrives is kept in the log"}
	if since, away := d.loop.Flusher.Breaker().Away(); away {
		r.Detail = fmt.Sprintf("the store has not answered for %s; what arrives is kept in the log", time.Since(since).Round(time.Second))
		return r, true
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return r, d.store.Ping(ctx) != nil
}
