package daemon

import (
	"context"
	"math"
	"time"

	"example.com/nexusctl/daemon/admit"
	daemonapi "example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage/block"
)

// sparkBuckets is how many buckets a busy series is drawn over.
const sparkBuckets = 30

// shownOffenders is how many names beyond a budget an overview names.
const shownOffenders = 5

// Overview returns the daemon at one glance.
func (d *Daemon) Overview(ctx context.Context) (api.Overview, error) {
	now := d.now()
	terms, err := d.Ledger(ctx)
	if err != nil {
		return api.Overview{}, err
	}
	busy, err := d.busySeries(ctx, now)
	if err != nil {
		return api.Overview{}, err
	}
	golden := d.pulse.Golden(now)
	golden.Saturation.FDs, golden.Saturation.FDLimit = telemetry.FDs()
	return api.Overview{
		At: float64(now.UnixMilli()) / 1000,
		Server: api.Server{
			Version: d.version, UptimeS: now.Sub(d.started).Seconds(), Store: d.store.Backend(), Lanes: d.lanes.Lanes(), Series: d.catalog.Len(),
		},
		Golden: golden,
		SLOs:   d.objectives.Statuses(), Alerts: []api.Alert{}, Series: busy, Ledger: daemonapi.LedgerBody(terms), Reasons: d.Ready(ctx),
		Offenders: daemonapi.OffenderBodies(d.catalog.Offenders(shownOffenders)),
	}, nil
}

// stored runs for every flush, before readers stop finding its generation in
// memory.
func (d *Daemon) stored(c flush.Committed) {
	if len(c.Flush.Blocks) > 0 {
		d.head.Add(c.Flush)
	}
	d.busiest(c.Busiest)
	d.tracer.Flushed(c)
}

// busySeries draws the series that the last stored generation named busiest.
func (d *Daemon) busySeries(ctx context.Context, now time.Time) ([]api.BusySeries, error) {
	list := d.busy.Load()
	if list == nil {
		return []api.BusySeries{}, nil
	}
	step := d.config.Aggregate.Resolution.Milliseconds()
	local := make([]*admit.Series, len(*list))
	for i, b := range *list {
		local[i] = b.Series
	}
	to := now.UnixMilli()
	found, err := d.reader.Local(ctx, local, to-sparkBuckets*step, to)
	if err != nil {
		return nil, err
	}
	out := make([]api.BusySeries, len(found))
	for i := range found {
		out[i] = busyBody(&found[i], float64((*list)[i].Values)*1000/float64(step), to, step)
	}
	return out, nil
}

func busyBody(s *query.Series, rate float64, now, step int64) api.BusySeries {
	b := api.BusySeries{Name: s.Key.Name, Type: s.Key.Type.String(), Tags: map[string]string{}, Rate: rate, Spark: []float64{}}
	for _, t := range s.Key.Tags {
		b.Tags[t.Key] = t.Value
	}
	if v, _, ok := s.Last(); ok {
		b.Last = &v
	}
	b.Spark = spark(s.Points, s.Key.Type, now, step)
	return b
}

// spark lays points out as one value a bucket: a gauge's last value, which
// holds until the next; for others the values taken, which are none where
// nothing came. The open bucket is left out: it is not whole.
func spark(points []block.Point, t protocol.Type, now, step int64) []float64 {
	open := now / step * step
	out := make([]float64, 0, sparkBuckets)
	i, last := 0, 0.0
	for at := open - sparkBuckets*step; at < open; at += step {
		v := 0.0
		for ; i < len(points) && points[i].Time < at+step; i++ {
			v = float64(points[i].N)
			if l := points[i].Last; !math.IsInf(l, 0) { // deltas can pass what a float holds
				last = l
			}
		}
		if t == protocol.Gauge {
			v = last
		}
		out = append(out, v)
	}
	return out
}
