package daemon

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/nexusctl/daemon/telemetry"
)

// telemetry exposes every stage's own counters.
func (d *Daemon) telemetry() http.Handler {
	reg := prometheus.NewRegistry()
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		telemetry.NewLedger(func() (telemetry.Terms, error) {
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			s, err := d.Ledger(ctx)
			return telemetry.Terms(s), err
		}),
		telemetry.NewStages(d.measures()),
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}

// measures names what each stage counts, in the order of the walk.
func (d *Daemon) measures() []telemetry.Measure {
	doors, flusher := d.doors.Stats(), d.loop.Flusher.Stats()
	return []telemetry.Measure{
		telemetry.Gauge("nexus_connections_active", "Connections open now.", func() float64 { return float64(doors.Active.Load()) }),
		telemetry.Counter("nexus_connections_total", "Connections accepted.", func() float64 { return float64(doors.Accepted.Load()) }),
		telemetry.Counter("nexus_connections_turned_away_total", "Connections closed at the limit server.max_connections.", func() float64 { return float64(doors.Turned.Load()) }),
		telemetry.Counter("nexus_packets_total", "Datagrams received.", func() float64 { return float64(doors.Packets.Load()) }),
		telemetry.Counter("nexus_panics_total", "Panics contained in connections and jobs.", func() float64 { return float64(doors.Panics.Load() + d.lanes.Panics()) }),
		telemetry.Gauge("nexus_series_active", "Series known to this process.", func() float64 { return float64(d.catalog.Len()) }),
		telemetry.Counter("nexus_series_overflowed_total", "First sights that the budget ingest.max_series turned into overflow series.", func() float64 { return float64(d.catalog.Overflowed()) }),
		telemetry.Counter("nexus_log_appended_bytes_total", "Bytes appended to the log.", func() float64 { return float64(d.log.Stats().AppendedBytes) }),
		telemetry.Counter("nexus_log_frames_total", "Frames appended to the log.", func() float64 { return float64(d.log.Stats().AppendedFrames) }),
		telemetry.Counter("nexus_log_syncs_total", "Syncs of the log to the disk.", func() float64 { return float64(d.log.Stats().Syncs) }),
		telemetry.Gauge("nexus_log_disk_bytes", "Size of the log on disk.", func() float64 { return float64(d.log.Stats().DiskBytes) }),
		telemetry.Gauge("nexus_generations_waiting", "Closed generations that are not in the store yet.", func() float64 { n, _ := d.lanes.Collector().Backlog(); return float64(n) }),
		telemetry.Gauge("nexus_generations_spilled", "Waiting generations that will be read back from the log.", func() float64 { _, n := d.lanes.Collector().Backlog(); return float64(n) }),
		telemetry.Counter("nexus_flushes_total", "Generations stored.", func() float64 { return float64(flusher.Flushes.Load()) }),
		telemetry.Counter("nexus_flush_points_total", "Points stored.", func() float64 { return float64(flusher.Points.Load()) }),
		telemetry.Counter("nexus_flush_bytes_total", "Bytes of blocks stored.", func() float64 { return float64(flusher.Bytes.Load()) }),
		telemetry.Counter("nexus_flush_retries_total", "Flush operations tried again because the store was away.", func() float64 { return float64(flusher.Retries.Load()) }),
		telemetry.Gauge("nexus_flush_last_duration_seconds", "Duration of the last flush.", func() float64 { return float64(flusher.LastNanos.Load()) / 1e9 }),
		telemetry.Gauge("nexus_head_bytes", "Recent blocks held in memory.", func() float64 { return float64(d.head.Bytes()) }),
		telemetry.Gauge("nexus_uptime_seconds", "Time since the start.", func() float64 { return d.now().Sub(d.started).Seconds() }),
	}
}
