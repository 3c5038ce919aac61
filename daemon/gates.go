package daemon

import (
	"sync/atomic"

	"example.com/nexusctl/daemon/gateway"
	"example.com/nexusctl/daemon/telemetry"
)

// gates names what came through the doors of other ecosystems.
func (d *Daemon) gates() (list []telemetry.Measure) {
	s := d.gateway.Stats()
	for _, door := range gateway.Doors() {
		label := telemetry.Label{Name: "door", Value: door.String()}
		list = append(list,
			telemetry.Counter("nexus_gateway_requests_total", "Requests to the doors of other ecosystems.", count(&s.Requests[door]), label),
			telemetry.Counter("nexus_gateway_refused_requests_total", "Of them, those that were refused whole.", count(&s.Refused[door]), label))
	}
	return append(list,
		telemetry.Counter("nexus_gateway_bytes_total", "Bytes of their bodies, decompressed.", count(&s.Bytes)),
		telemetry.Gauge("nexus_raw_recent_samples", "Raw samples that are recognised when they come again.", func() float64 {
			n, _ := d.lanes.Recent()
			return float64(n)
		}),
		telemetry.Counter("nexus_raw_forgotten_total", "Raw samples forgotten for want of room.", func() float64 {
			_, n := d.lanes.Recent()
			return float64(n)
		}))
}

func count(n *atomic.Uint64) func() float64 { return func() float64 { return float64(n.Load()) } }
