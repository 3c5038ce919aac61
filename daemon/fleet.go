package daemon

import (
	"context"
	"errors"

	"example.com/nexusctl/daemon/follow"
	"example.com/nexusctl/daemon/leader"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/telemetry"
	"example.com/nexusctl/storage"
)

// takeSeat takes this daemon's place among those of a store, before it writes
// anything: a store that is being restored is not to be written. An SQLite store
// has one daemon, by the lock of its data directory.
func (d *Daemon) takeSeat(ctx context.Context) error {
	d.elector = leader.Alone()
	if d.store.Backend() == "sqlite" {
		return nil
	}
	take := func(ctx context.Context) (leader.Seat, error) { return d.store.TakeSeat(ctx) }
	d.elector = leader.New(take, d.component("leader"), d.now)
	seat, err := take(ctx)
	if errors.Is(err, storage.ErrReplacing) {
		return err
	}
	if err == nil { // else it is tried again
		d.elector.Sit(seat)
	}
	d.closers.add("seat at the store", d.elector.Close)
	return nil
}

func (d *Daemon) openFollower() {
	if d.store.Backend() != "sqlite" {
		d.follower = follow.New(d.store, d.head, d.log.ID(), d.component("follow"), d.now)
	}
}

// followed is what reads go by; nil where there are no others.
func (d *Daemon) followed() query.Others {
	if d.follower == nil {
		return nil
	}
	return d.follower
}

func (d *Daemon) runFleet(ctx context.Context) {
	d.background.Go(func() { d.elector.Run(ctx) })
	if d.follower != nil {
		d.background.Go(func() { d.follower.Run(ctx) })
	}
}

// leave tells the others that nobody need miss this daemon. A store that is
// away learns it by silence.
func (d *Daemon) leave(ctx context.Context) error {
	if d.follower == nil || !d.lanes.Collector().Empty() {
		return nil
	}
	if err := d.store.Leave(ctx, d.log.ID()); err != nil {
		d.logger.Warn("the other daemons were not told that this one ends", "error", err)
	}
	return nil
}

// maxSilent bounds the silent daemons that are named.
const maxSilent = 16

func (d *Daemon) roleAndSilent() (role string, silent []string) {
	role = "follower"
	if d.elector.Leading() {
		role = "leader"
	}
	for _, w := range d.others() {
		if w.State == follow.Dead && len(silent) < maxSilent {
			silent = append(silent, w.ID)
		}
	}
	return role, silent
}

func (d *Daemon) others() []follow.Writer {
	if d.follower == nil {
		return nil
	}
	return d.follower.Writers()
}

// fleet names what is known of the other daemons.
func (d *Daemon) fleet() []telemetry.Measure {
	list := []telemetry.Measure{
		telemetry.Gauge("nexus_leader", "1 in the daemon that does the store's periodic work, 0 in the others.", func() float64 {
			if d.elector.Leading() {
				return 1
			}
			return 0
		}),
		telemetry.Counter("nexus_leader_changes_total", "Times that this daemon won or lost the lead.", func() float64 { return float64(d.elector.Changes()) }),
	}
	f := d.follower
	if f == nil {
		return list
	}
	for state, name := range map[follow.State]string{follow.Live: "live", follow.Dead: "dead", follow.Gone: "gone"} {
		list = append(list, telemetry.Gauge("nexus_writers", "Other daemons of the store, by state.", func() float64 { return float64(f.Count(state)) },
			telemetry.Label{Name: "state", Value: name}))
	}
	return append(list,
		telemetry.Gauge("nexus_watermark_timestamp_seconds", "Up to when the data of every live daemon are stored.", func() float64 { return float64(f.Watermark()) / 1000 }),
		telemetry.Counter("nexus_followed_blocks_total", "Blocks of other daemons brought into memory.", func() float64 { return float64(f.Blocks()) }),
		telemetry.Counter("nexus_follow_lacks_total", "Times that blocks of another daemon were compacted before they could be brought into memory.", func() float64 { return float64(f.Lacked()) }),
		telemetry.Counter("nexus_follow_failures_total", "Times that the store could not be asked about the other daemons.", func() float64 { return float64(f.Failed()) }))
}
