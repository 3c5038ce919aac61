package daemon

import (
	"sync/atomic"

	"example.com/nexusctl/daemon/ingest"
	"example.com/nexusctl/daemon/telemetry"
)

// manners names what peers did that costs the daemon and is no unit: blank lines,
// what their lines held that means nothing, and connections that had to be closed.
func (d *Daemon) manners() []telemetry.Measure {
	doors := d.doors.Stats()
	const ignored = "Parts of lines that mean nothing and were ignored, by kind."
	what := func(kind string) telemetry.Label { return telemetry.Label{Name: "kind", Value: kind} }
	list := []telemetry.Measure{
		telemetry.Counter("nexus_imprecise_values_total", "Values beyond 2^53, of which the nearest that a float64 holds is kept.", func() float64 { return float64(d.lanes.Stats().Imprecise.Load()) }),
		telemetry.Counter("nexus_mixed_script_names_total", "Series first seen whose name mixes scripts, so that it can look like another.", func() float64 { return float64(d.lanes.Stats().Mixed.Load()) }),
		telemetry.Counter("nexus_shared_jobs_total", "Chunks, datagrams and requests that went into the log record of the one before them.", func() float64 { return float64(d.lanes.Stats().Shared.Load()) }),
		telemetry.Counter("nexus_ignored_total", ignored, func() float64 { return float64(d.lanes.Stats().Sections.Load()) }, what("section")),
		telemetry.Counter("nexus_ignored_total", ignored, func() float64 { return float64(d.lanes.Stats().Rates.Load()) }, what("rate")),
		telemetry.Counter("nexus_blank_lines_total", "Blank lines of streams and datagrams, which are no units.", func() float64 { return float64(doors.Blank.Load()) }),
		telemetry.Counter("nexus_datagrams_dropped_total", "Datagrams of ingest.udp that the system dropped before the daemon could read them: they are in no account.", func() float64 { return float64(d.doors.Dropped()) }),
		telemetry.Gauge("nexus_connections_parked", "Connections that are silent and wait without a goroutine of their own.", func() float64 { return float64(doors.Parked.Load()) }),
		telemetry.Counter("nexus_connections_buffer_waits_total", "Reads that waited for a buffer, because their lane was behind.", func() float64 { return float64(doors.Waited.Load()) }),
		telemetry.Counter("nexus_connections_crowded_total", "Connections closed at the limit server.max_per_address.", func() float64 { return float64(doors.Crowded.Load()) }),
	}
	list = append(list, telemetry.Counter("nexus_http_misdirected_total", "Requests for a host that is not this server.", func() float64 { return float64(d.api.Stats().Misdirected.Load()) }))
	list = append(list, telemetry.Counter("nexus_clock_steps_total", "Steps of the clock by more than five seconds, and starts with a clock behind the log.", func() float64 { return float64(d.clock.count()) }))
	list = append(list, telemetry.Counter("nexus_http2_errors_total", "Faults of HTTP/2's clients that ended a stream or a connection.", func() float64 { return float64(d.h2.n.Load()) }))
	for _, why := range ingest.Closings() {
		list = append(list, telemetry.Counter("nexus_connections_closed_total", "Connections and sessions that the daemon ended, by reason.",
			func() float64 { return float64(doors.Closed[why].Load() + d.slowHTTP(why)) }, telemetry.Label{Name: "reason", Value: why.String()}))
	}
	return list
}

// slowHTTP counts the HTTP requests that were ended for a reason.
func (d *Daemon) slowHTTP(why ingest.Closing) uint64 {
	switch why {
	case ingest.SlowSender:
		return d.api.Stats().SlowBodies.Load()
	case ingest.SlowReader:
		return d.api.Stats().SlowReaders.Load()
	}
	return 0
}

// h2Errors counts what HTTP/2's server ends clients for. It has some fifty names
// for that, none of which tells a user what to do.
type h2Errors struct{ n atomic.Uint64 }

func (e *h2Errors) count(string) { e.n.Add(1) }
