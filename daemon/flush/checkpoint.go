package flush

import (
	"log/slog"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

const (
	checkpointEvery = 5 * time.Minute
	checkpointBytes = 256 << 20 // of log: bounds what a restart reads
	// keepLog is how long log and checkpoints outlive their flush, so that a
	// store that fails over to an older position can be brought up again.
	keepLog = time.Hour
)

// Checkpointer writes checkpoints when they are due, and drops the log and the
// checkpoints that nobody can need any more.
type Checkpointer struct {
	files   *replay.Checkpoints
	log     *wal.Log
	catalog *admit.Catalog
	letters *deadletter.Directory // nil where there are none to drop
	logger  *slog.Logger
	now     func() time.Time
	last    time.Time
	lastAt  uint64
}

// NewCheckpointer returns a Checkpointer whose first checkpoint is due after
// one whole interval.
func NewCheckpointer(files *replay.Checkpoints, log *wal.Log, catalog *admit.Catalog, letters *deadletter.Directory, logger *slog.Logger, now func() time.Time) *Checkpointer {
	return &Checkpointer{files: files, log: log, catalog: catalog, letters: letters, logger: logger, now: now, last: now()}
}

// After is called when a generation is in the store and the state has advanced
// over it; it writes a checkpoint where one is due.
func (c *Checkpointer) After(g *aggregate.Generation, state *aggregate.State) error {
	if c.now().Sub(c.last) < checkpointEvery && g.To-c.lastAt < checkpointBytes {
		return nil
	}
	return c.Write(g, state)
}

// Write makes a checkpoint at the end of the generation now.
func (c *Checkpointer) Write(g *aggregate.Generation, state *aggregate.State) error {
	if err := c.files.Write(checkpoint(g, state, c.catalog)); err != nil {
		return err
	}
	c.last, c.lastAt = c.now(), g.To
	return c.drop()
}

// drop keeps the newest checkpoint that is older than keepLog, all later ones,
// and the log from that one on.
func (c *Checkpointer) drop() error {
	positions, err := c.files.Positions()
	if err != nil {
		return err
	}
	keep := 0
	for i, p := range positions {
		info, err := c.files.Written(p)
		if err == nil && c.now().Sub(info.ModTime()) > keepLog {
			keep = i
		}
	}
	for _, p := range positions[:keep] {
		if err := c.files.Remove(p); err != nil {
			return err
		}
	}
	if keep == 0 && len(positions) > 0 {
		if info, err := c.files.Written(positions[0]); err != nil || c.now().Sub(info.ModTime()) <= keepLog {
			return nil // none is old enough yet
		}
	}
	freed, err := c.log.DropBefore(wal.Position(positions[keep]))
	if freed > 0 {
		c.logger.Debug("dropped log that is stored and old enough", "bytes", freed)
	}
	if err != nil || c.letters == nil || !c.letters.Settled() {
		return err
	}
	return c.dropLetters(positions[keep])
}

// dropLetters removes the letters that were settled by generations whose log
// is no longer needed.
func (c *Checkpointer) dropLetters(position uint64) error {
	oldest, err := c.files.At(position)
	if err != nil || oldest == nil {
		return err
	}
	return c.letters.Forget(oldest.Mark.Generation)
}

// checkpoint gathers what the fold knows at the end of a generation. A restart
// voids the lanes' references.
func checkpoint(g *aggregate.Generation, state *aggregate.State, catalog *admit.Catalog) *record.Draft {
	all := catalog.Snapshot()
	d := &record.Draft{Position: g.To, Mark: g.Next, Producers: state.Producers(), Keys: state.Keys()}
	if !g.Next.Restart {
		for _, p := range g.Parts {
			d.Lanes = append(d.Lanes, laneDraft(p, all))
		}
	}
	type gauge struct {
		series uint32
		v      float64
	}
	var gauges []gauge
	state.Each(func(i uint32, v float64) { gauges = append(gauges, gauge{i, v}) })
	d.Gauges = len(gauges)
	d.EachGauge = func(yield func(record.Gauge) bool) {
		for _, k := range gauges {
			if !yield(record.Gauge{Key: all[k.series].Bytes(), Value: k.v}) {
				return
			}
		}
	}
	return d
}

func laneDraft(p aggregate.Part, all []*admit.Series) record.LaneDraft {
	return record.LaneDraft{Lane: uint32(p.Lane), Refs: p.Refs(), Each: func(yield func(record.Def) bool) {
		for r := range p.EachRef {
			if !yield(record.Def{Rate: r.Rate, Key: all[r.Series].Bytes()}) {
				return
			}
		}
	}}
}
