package daemon

import (
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/daemon/telemetry"
)

// openStream makes what tells clients of the API what changes.
func (d *Daemon) openStream() {
	d.stream = stream.New(stream.Options{
		Source: d.reader, Ledger: d.Ledger, Ready: d.Ready, Resolution: d.config.Aggregate.Resolution.Milliseconds(),
		Clients: d.config.Server.StreamClients, Now: d.now, Logger: d.component("stream"),
	})
}

// told names what the streams tell, and whom.
func (d *Daemon) told() []telemetry.Measure {
	s := d.stream.Stats()
	gauge := func(name, help string, read func(stream.Size) int) telemetry.Measure {
		return telemetry.Gauge(name, help, func() float64 { return float64(read(d.stream.Size())) })
	}
	list := []telemetry.Measure{
		gauge("nexus_stream_clients", "Clients of the stream.", func(n stream.Size) int { return n.Clients }),
		gauge("nexus_stream_topics", "Different questions of theirs.", func(n stream.Size) int { return n.Topics }),
		gauge("nexus_stream_series", "Series that they watch.", func(n stream.Size) int { return n.Series }),
		telemetry.Counter("nexus_stream_dropped_total", "Clients let go because they did not read.", count(&s.Dropped)),
		telemetry.Counter("nexus_stream_replays_total", "Clients that came back and were told what they had missed.", count(&s.Replays)),
		telemetry.Counter("nexus_stream_failed_reads_total", "Readings for clients that failed.", count(&s.Failed)),
		telemetry.Gauge("nexus_stream_pass_seconds", "Time that the last second's reading took.", func() float64 { last, _ := s.PassTime(); return last.Seconds() }),
		telemetry.Counter("nexus_stream_pass_seconds_total", "Time that all of them took.", func() float64 { _, all := s.PassTime(); return all.Seconds() }),
	}
	for _, k := range stream.Kinds() {
		list = append(list, telemetry.Counter("nexus_stream_events_total", "Events given to clients, by kind.", count(&s.Events[k]), telemetry.Label{Name: "event", Value: k.String()}))
	}
	for _, why := range stream.Refusals() {
		list = append(list, telemetry.Counter("nexus_stream_refused_total", "Clients that were not taken, by reason.", count(&s.Refused[why]), telemetry.Label{Name: "reason", Value: why.String()}))
	}
	for _, why := range stream.Gaps() {
		list = append(list, telemetry.Counter("nexus_stream_gaps_total", "Gaps that clients were told of, by reason.", count(&s.Gaps[why]), telemetry.Label{Name: "reason", Value: why.String()}))
	}
	return list
}
