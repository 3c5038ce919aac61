package daemon

import (
	"sync/atomic"

	"example.com/nexusctl/daemon/telemetry"
)

// questions names what the questions that take turns do, and those that take long.
func (d *Daemon) questions() []telemetry.Measure {
	s := d.turns.Stats()
	list := []telemetry.Measure{
		telemetry.Gauge("nexus_query_running", "Questions that are worked on now.", func() float64 { return float64(s.Running.Load()) }),
		telemetry.Gauge("nexus_query_waiting", "Questions that wait for their turn.", func() float64 { return float64(s.Waiting.Load()) }),
		telemetry.Gauge("nexus_query_answer_bytes", "Bytes of answers on their way to clients.", func() float64 { return float64(s.Held.Load()) }),
		telemetry.Counter("nexus_query_waited_total", "Questions that had to wait for their turn.", count(&s.Waited)),
	}
	p := d.pace.Stats()
	list = append(list,
		telemetry.Gauge("nexus_query_long_waiting", "Questions that take long, and wait for their share of the processors.", func() float64 { return float64(p.Waiting.Load()) }),
		telemetry.Counter("nexus_query_long_total", "Questions that took long, and were held to a share of the processors.", count(&p.Long)),
		telemetry.Counter("nexus_query_pauses_total", "How often such questions let others go first.", count(&p.Pauses)),
		telemetry.Counter("nexus_query_rests_total", "How often such questions left their share of the processors alone, because others had to wait for one.", count(&p.Rests)),
	)
	for reason, n := range map[string]*atomic.Uint64{"address": &s.Crowded, "full": &s.Full, "timeout": &s.Late, "client_gone": &s.Left} {
		list = append(list, telemetry.Counter("nexus_query_refused_total", "Questions that did not get a turn, by reason.", count(n), telemetry.Label{Name: "reason", Value: reason}))
	}
	return list
}
