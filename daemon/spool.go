package daemon

import (
	"time"

	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/daemon/wal"
)

// spool names how far the store is behind the log, and why.
func (d *Daemon) spool() []telemetry.Measure {
	breaker := d.loop.Flusher.Breaker()
	list := []telemetry.Measure{
		telemetry.Gauge("nexus_log_spool_bytes", "Log that is not in the store yet.", func() float64 { return float64(d.spoolBytes()) }),
		telemetry.Gauge("nexus_log_spool_age_seconds", "Age of the oldest closed generation that is not in the store yet; 0 where there is none.", func() float64 { return d.spoolAge().Seconds() }),
		telemetry.Counter("nexus_store_breaker_openings_total", "Times the store went away, as the breaker before it saw.", func() float64 { return float64(breaker.Openings()) }),
		telemetry.Counter("nexus_ledger_breaches_total", "Audits that found the accounting law broken.", func() float64 { return float64(d.auditor.Breaches()) }),
	}
	for _, state := range flush.BreakerStates() {
		list = append(list, telemetry.Gauge("nexus_store_breaker_state", "State of the breaker before the store: 1 for the one it is in.", func() float64 {
			if breaker.State() == state {
				return 1
			}
			return 0
		}, telemetry.Label{Name: "state", Value: state}))
	}
	return list
}

func (d *Daemon) spoolBytes() wal.Position {
	end, stored := d.log.End(), wal.Position(d.loop.Flusher.Position())
	return max(end, stored) - stored
}

func (d *Daemon) spoolAge() time.Duration {
	bucket, any := d.lanes.Collector().OldestBucket()
	if !any {
		return 0
	}
	return max(0, d.now().Sub(time.UnixMilli(bucket)))
}
