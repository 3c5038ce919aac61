package daemon

import (
	"context"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol/api"
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
		telemetry.NewStages(d.usage()),
		telemetry.NewStages(d.spool()),
		telemetry.NewStages(d.manners()),
		telemetry.NewStages(d.gates()),
		telemetry.NewStages(d.fleet()),
		telemetry.NewStages(d.window()),
		telemetry.NewStages(d.squeeze()),
		telemetry.NewStages(d.questions()),
		telemetry.NewStages(d.told()),
		d.requests, d.ingested,
	)
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}

// usage names how much of the machine the process takes.
func (d *Daemon) usage() []telemetry.Measure {
	memory := func(kind string, read func(telemetry.Process) uint64) telemetry.Measure {
		return telemetry.Gauge("nexus_memory_usage_bytes", "Memory of the process, by type.", func() float64 {
			return float64(read(telemetry.ReadProcess(d.config.Server.DataDir)))
		}, telemetry.Label{Name: "type", Value: kind})
	}
	saturation := func() api.Saturation { return d.pulse.Golden(d.now()).Saturation }
	return []telemetry.Measure{
		memory("resident", func(p telemetry.Process) uint64 { return p.Resident }),
		memory("heap", func(p telemetry.Process) uint64 { return p.Heap }),
		memory("stacks", func(p telemetry.Process) uint64 { return p.Stacks }),
		telemetry.Gauge("nexus_cpu_usage_ratio", "Processor time of the last seconds, of all cores.", func() float64 { return saturation().CPU }),
		telemetry.Gauge("nexus_disk_free_bytes", "Space left on the file system of the data directory.", func() float64 { return float64(saturation().DiskFree) }),
		telemetry.Gauge("nexus_lane_queue_ratio", "How full the fullest lane's queue is.", func() float64 { return d.lanes.Queue() }),
		telemetry.Counter("nexus_config_reloads_total", "Reloads of the settings, by result.", func() float64 { return float64(d.reloader.succeeded.Load()) }, telemetry.Label{Name: "result", Value: "success"}),
		telemetry.Counter("nexus_config_reloads_total", "Reloads of the settings, by result.", func() float64 { return float64(d.reloader.failed.Load()) }, telemetry.Label{Name: "result", Value: "failure"}),
		telemetry.Gauge("nexus_config_last_reload_success_timestamp_seconds", "When the settings were last read again with success; 0 before the first time.", func() float64 { return float64(d.reloader.lastSuccess.Load()) }),
		telemetry.Counter("nexus_log_lines_suppressed_total", "Lines of the daemon's own log left out because they repeated.", func() float64 { return float64(d.levels.Suppressed()) }),
	}
}

// measures names what each stage counts, in the order of the walk.
func (d *Daemon) measures() []telemetry.Measure {
	doors, flusher := d.doors.Stats(), d.loop.Flusher.Stats()
	return []telemetry.Measure{
		telemetry.Gauge("nexus_connections_active", "Connections open now.", func() float64 { return float64(doors.Active.Load()) }),
		telemetry.Gauge("nexus_sessions_active", "Acked sessions open now.", func() float64 { return float64(doors.Sessions.Load()) }),
		telemetry.Gauge("nexus_producers", "Producers of acked sessions that are remembered.", func() float64 { return float64(d.deliveries.Stats().Producers) }),
		telemetry.Gauge("nexus_idempotency_keys", "Idempotency keys that are remembered.", func() float64 { return float64(d.deliveries.Stats().Keys) }),
		telemetry.Counter("nexus_idempotency_keys_forgotten_total", "Idempotency keys that went before their time, because there were too many.", func() float64 { return float64(d.deliveries.Stats().Forgotten) }),
		telemetry.Counter("nexus_connections_total", "Connections accepted.", func() float64 { return float64(doors.Accepted.Load()) }),
		telemetry.Counter("nexus_connections_turned_away_total", "Connections closed at the limit server.max_connections.", func() float64 { return float64(doors.Turned.Load()) }),
		telemetry.Gauge("nexus_receive_buffer_bytes", "Receive buffer that the next connection gets, or up to twice that: less than ingest.receive_buffer where there are many.", func() float64 {
			return float64(d.doors.ReceiveBuffer())
		}),
		telemetry.Counter("nexus_ingest_bytes_total", "Bytes read from streams and datagrams, and of HTTP bodies that brought metrics.", func() float64 { return float64(doors.Bytes.Load() + d.api.Stats().Bytes.Load()) }),
		telemetry.Counter("nexus_packets_total", "Datagrams received.", func() float64 { return float64(doors.Packets.Load()) }),
		telemetry.Counter("nexus_panics_total", "Panics contained in connections, jobs and requests.", func() float64 { return float64(doors.Panics.Load() + d.lanes.Panics() + d.api.Stats().Panics.Load()) }),
		telemetry.Gauge("nexus_series_active", "Series known to this process.", func() float64 { return float64(d.catalog.Len()) }),
		telemetry.Counter("nexus_series_overflowed_total", "First sights that a budget of series turned into overflow series.", func() float64 { return float64(d.catalog.Overflowed()) }),
		telemetry.Counter("nexus_log_appended_bytes_total", "Bytes appended to the log.", func() float64 { return float64(d.log.Stats().AppendedBytes) }),
		telemetry.Counter("nexus_log_frames_total", "Frames appended to the log.", func() float64 { return float64(d.log.Stats().AppendedFrames) }),
		telemetry.Counter("nexus_log_syncs_total", "Syncs of the log to the disk.", func() float64 { return float64(d.log.Stats().Syncs) }),
		telemetry.Gauge("nexus_log_disk_bytes", "Size of the log on disk.", func() float64 { return float64(d.log.Stats().DiskBytes) }),
		telemetry.Gauge("nexus_generations_waiting", "Closed generations that are not in the store yet.", func() float64 { n, _ := d.lanes.Collector().Backlog(); return float64(n) }),
		telemetry.Counter("nexus_generations_packed_total", "Generations that were packed while they waited for the store.", func() float64 { n, _ := d.lanes.Collector().Packed(); return float64(n) }),
		telemetry.Gauge("nexus_generations_packed_bytes", "Memory of the waiting generations that are packed.", func() float64 { _, n := d.lanes.Collector().Packed(); return float64(n) }),
		telemetry.Gauge("nexus_tables_free_bytes", "Memory of pages that tables of stored generations gave back, and that no table uses.", func() float64 { return float64(aggregate.FreePages()) }),
		telemetry.Gauge("nexus_generations_spilled", "Waiting generations that will be read back from the log.", func() float64 { _, n := d.lanes.Collector().Backlog(); return float64(n) }),
		telemetry.Counter("nexus_flushes_total", "Generations stored.", func() float64 { return float64(flusher.Flushes.Load()) }),
		telemetry.Counter("nexus_flush_points_total", "Points stored.", func() float64 { return float64(flusher.Points.Load()) }),
		telemetry.Counter("nexus_flush_bytes_total", "Bytes of blocks stored.", func() float64 { return float64(flusher.Bytes.Load()) }),
		telemetry.Counter("nexus_flush_retries_total", "Flush operations tried again because the store was away.", func() float64 { return float64(flusher.Retries.Load()) }),
		telemetry.Gauge("nexus_flush_last_duration_seconds", "Duration of the last flush.", func() float64 { return float64(flusher.LastNanos.Load()) / 1e9 }),
		telemetry.Gauge("nexus_head_bytes", "Recent blocks held in memory.", func() float64 { return float64(d.head.Bytes()) }),
		telemetry.Gauge("nexus_tail_bytes", "Recent points of series that were asked for, held decoded.", func() float64 { return float64(d.reader.Tails().Bytes) }),
		telemetry.Gauge("nexus_tail_series", "Series of which recent points are held decoded.", func() float64 { return float64(d.reader.Tails().Series) }),
		telemetry.Counter("nexus_tail_hits_total", "Reads of a series that needed no store.", func() float64 { return float64(d.reader.Tails().Hits) }),
		telemetry.Counter("nexus_tail_misses_total", "Reads of a series' recent points that went to the store.", func() float64 { return float64(d.reader.Tails().Misses) }),
		telemetry.Counter("nexus_tail_evicted_total", "Series whose recent points were given up for those of others.", func() float64 { return float64(d.reader.Tails().Evicted) }),
		telemetry.Counter("nexus_store_unpacked_total", "Answers of SQLite that came row by row, for they were too long to come packed or too many at once.", func() float64 { return float64(d.store.Unpacked()) }),
		telemetry.Gauge("nexus_series_indexed", "Series in the index over the store's series; 0 while there is none.", func() float64 { n, _ := d.store.IndexSize(); return float64(n) }),
		telemetry.Gauge("nexus_series_index_bytes", "Memory of that index, reckoned from above.", func() float64 { _, n := d.store.IndexSize(); return float64(n) }),
		telemetry.Counter("nexus_series_index_builds_total", "How often that index was made.", func() float64 { return float64(d.store.IndexStats().Builds.Load()) }),
		telemetry.Counter("nexus_series_index_damaged_total", "How often that index was found not to be what the store holds, and made anew.", func() float64 { return float64(d.store.IndexStats().Damaged.Load()) }),
		telemetry.Counter("nexus_series_index_dropped_total", "New series that did not fit the index's queue and were read back from the store.", func() float64 { return float64(d.store.IndexStats().Dropped.Load()) }),
		telemetry.Counter("nexus_series_scans_total", "Look-ups of series that had to do without the index.", func() float64 { return float64(d.store.IndexStats().Scans.Load()) }),
		telemetry.Gauge("nexus_uptime_seconds", "Time since the start.", func() float64 { return d.now().Sub(d.started).Seconds() }),
	}
}
