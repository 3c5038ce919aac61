package daemon

import (
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/daemon/telemetry"
)

// openLive makes the live window. Its passes begin with the background's work.
func (d *Daemon) openLive() {
	d.live = live.New(live.Options{
		Lanes: d.lanes, Own: d.catalog.Own, Resolution: d.config.Aggregate.Resolution.Milliseconds(),
		Bytes: int64(d.config.Aggregate.WindowBytes), Now: d.now,
	})
	d.loop.Flusher.NameBusiest(live.MaxBusiest)
}

// shownBusiest is how many of the busiest series an overview shows.
const shownBusiest = 50

// busiest gives the series that a flush named busiest to the window, and the
// first of them to the overview.
func (d *Daemon) busiest(list []flush.Busy) {
	few := list[:min(len(list), shownBusiest):min(len(list), shownBusiest)]
	d.busy.Store(&few)
	offer := make([]live.Busy, len(list))
	for i, b := range list {
		offer[i] = live.Busy(b)
	}
	d.live.Offer(offer)
}

// window names what the live window holds.
func (d *Daemon) window() []telemetry.Measure {
	gauge := func(name, help string, read func(live.Stats) float64) telemetry.Measure {
		return telemetry.Gauge(name, help, func() float64 { return read(d.live.Stats()) })
	}
	counter := func(name, help string, read func(live.Stats) float64, labels ...telemetry.Label) telemetry.Measure {
		return telemetry.Counter(name, help, func() float64 { return read(d.live.Stats()) }, labels...)
	}
	list := []telemetry.Measure{
		gauge("nexus_live_bytes", "Memory of the live window.", func(s live.Stats) float64 { return float64(s.Bytes) }),
		gauge("nexus_live_series", "Series that are followed by the second.", func(s live.Stats) float64 { return float64(s.Series) }),
		gauge("nexus_live_watched_series", "Of them, and of those there is no room for, series that somebody looked at lately.", func(s live.Stats) float64 { return float64(s.Watched) }),
		gauge("nexus_live_points", "Points of the live window.", func(s live.Stats) float64 { return float64(s.Points) }),
		gauge("nexus_live_pass_seconds", "Time that the last pass over the followed series took, waiting for the lanes included.", func(s live.Stats) float64 { return s.Pass.Seconds() }),
		counter("nexus_live_pass_seconds_total", "Time that all passes took.", func(s live.Stats) float64 { return s.Passes.Seconds() }),
		counter("nexus_live_missed_total", "Seconds of which the lanes told nothing in time.", func(s live.Stats) float64 { return float64(s.Missed) }),
		counter("nexus_live_watches_refused_total", "Questions about more series than are followed for looking at them.", func(s live.Stats) float64 { return float64(s.Refused) }),
	}
	for _, why := range live.Evictions() {
		list = append(list, counter("nexus_live_evicted_points_total", "Points that left the live window, by reason.",
			func(s live.Stats) float64 { return float64(s.Evicted[why]) }, telemetry.Label{Name: "reason", Value: why.String()}))
	}
	return list
}
