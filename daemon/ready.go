package daemon

import (
	"context"
	"time"

	"example.com/nexusctl/protocol/api"
)

// readyTimeout bounds what the readiness check waits for the store.
const readyTimeout = 2 * time.Second

// Ready returns why the daemon cannot take and keep data now; empty where it
// can.
func (d *Daemon) Ready(ctx context.Context) []api.Reason {
	reasons := []api.Reason{}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := d.store.Ping(ctx); err != nil {
		reasons = append(reasons, api.Reason{Code: "store_away", Detail: "the store does not answer; what arrives is kept in the log"})
	}
	if err := d.log.Err(); err != nil {
		reasons = append(reasons, api.Reason{Code: "log_failed", Detail: "the log cannot be written"})
	} else if d.log.Stats().Stalled {
		reasons = append(reasons, api.Reason{Code: "log_stalled", Detail: "the log waits for disk space"})
	}
	return reasons
}
