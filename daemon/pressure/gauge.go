package pressure

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"example.com/nexusctl/protocol"
)

// every is how often the gauge is read: memory for half a second of the fastest
// senders is what may come in between.
const every = 500 * time.Millisecond

// RetryAfter is when whoever is refused should come again.
const RetryAfter = 2 * time.Second

// Gauge holds the state. It is safe for concurrent use; doors ask it for each
// chunk and request, which costs one load.
type Gauge struct {
	limits func() Limits
	read   func() Reading
	log    *slog.Logger

	state   atomic.Uint32 // level, and the cause behind it
	changes atomic.Uint64
	refused [numLevels]atomic.Uint64
}

// NewGauge returns a gauge at None.
func NewGauge(limits func() Limits, read func() Reading, log *slog.Logger) *Gauge {
	return &Gauge{limits: limits, read: read, log: log}
}

// Run reads the gauge again and again until ctx ends.
func (g *Gauge) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.Look()
		}
	}
}

// Look reads the gauge once.
func (g *Gauge) Look() {
	limits := g.limits()
	if limits == (Limits{}) && g.State() == (State{}) {
		return
	}
	before, r := g.State(), g.read()
	now := Decide(before, r, limits)
	g.state.Store(uint32(now.Level) | uint32(now.Cause)<<8)
	if now.Level == before.Level {
		return
	}
	g.changes.Add(1)
	level, text := slog.LevelWarn, "pressure grows: more is refused"
	if now.Level < before.Level {
		level, text = slog.LevelInfo, "pressure falls: less is refused"
	}
	g.log.Log(context.Background(), level, text, "level", now.Level.String(), "before", before.Level.String(), "cause", now.Cause.String(),
		"memory", r.Memory, "memory_limit", limits.Memory, "disk_free", r.DiskFree, "disk_reserve", limits.Reserve)
}

// State returns the state as it was read last.
func (g *Gauge) State() State {
	s := g.state.Load()
	return State{Level(s & 0xff), Cause(s >> 8)}
}

// Refuses reports whether something is to be refused that is refused from the
// level on, and counts it where it is.
func (g *Gauge) Refuses(from Level) bool {
	if Level(g.state.Load()&0xff) < from {
		return false
	}
	g.refused[from].Add(1)
	return true
}

// Shed says whether units are shed that nobody gets an acknowledgement for, and
// under which reason.
func (g *Gauge) Shed() (why protocol.Shed, shed bool) {
	if !g.Refuses(Text) {
		return 0, false
	}
	if g.State().Cause == Disk {
		return protocol.ShedDisk, true
	}
	return protocol.ShedMemory, true
}

// Stats are the gauge's counters.
type Stats struct {
	Changes uint64
	Refused map[Level]uint64 // requests, chunks and batches, by the level that refuses such
}

// Stats returns the counters.
func (g *Gauge) Stats() Stats {
	s := Stats{Changes: g.changes.Load(), Refused: map[Level]uint64{}}
	for _, l := range Levels() {
		s.Refused[l] = g.refused[l].Load()
	}
	return s
}

// Levels lists the levels that refuse something.
func Levels() []Level { return []Level{Debug, Reads, Text, Newcomers, All} }
