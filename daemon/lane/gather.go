package lane

import (
	"time"

	"example.com/nexusctl/daemon/wal"
)

// Mode says when a lane closes a batch.
type Mode string

// Modes. All but Adaptive wait for more, for Batching.Interval at most.
const (
	Adaptive Mode = "adaptive" // with what waits already; nothing is waited for
	Fixed    Mode = "fixed"    // with Units of them, whose jobs are split there
	Timed    Mode = "timed"    // with what has come within Interval
	Memory   Mode = "memory"   // with what came in Bytes of jobs
)

// Batching is how a lane gathers several jobs into one record. Zero fields are
// the defaults.
type Batching struct {
	Mode     Mode
	Units    int           // Adaptive and Fixed: a batch with as many is closed
	Bytes    int           // Adaptive and Memory: the same, of the jobs' bytes
	Interval time.Duration // all: the same, from when its first job was begun
}

// DefaultBatching takes what waits, up to what a connection's largest chunk
// brings alone.
func DefaultBatching() Batching {
	return Batching{Mode: Adaptive, Units: 1000, Bytes: 64 << 10, Interval: time.Millisecond}
}

// maxShared and maxHeld bound the jobs of one batch and their bytes, whatever
// the mode: each keeps its buffer until the batch is in the tables.
const (
	maxShared = 1024
	maxHeld   = 4 << 20
)

// complete fills in the defaults, and the hard bounds where the mode has none
// of its own.
func (b Batching) complete() Batching {
	d := DefaultBatching()
	if b.Mode != "" {
		d.Mode = b.Mode
	}
	if b.Units > 0 {
		d.Units = min(b.Units, maxBatch)
	}
	if b.Bytes > 0 {
		d.Bytes = min(b.Bytes, maxHeld)
	}
	if b.Interval > 0 {
		d.Interval = b.Interval
	}
	if d.Mode == Timed || d.Mode == Memory {
		d.Units = maxBatch
	}
	if d.Mode == Timed || d.Mode == Fixed {
		d.Bytes = maxHeld
	}
	return d
}

// most returns the values with which a record is full, in the middle of a job
// too.
func (b Batching) most() int {
	if b.Mode == Fixed {
		return b.Units
	}
	return maxBatch
}

// Share is what a job has in common with those that it may share a record with.
type Share struct {
	Bytes    int  // it holds so many until it is done
	Unlogged bool // it says so of its units: see Taker.Unlogged
}

// sharing is a job that may share its record with others. One that can be sent
// again, or brings raw samples or the daemon's own signals, may not: it is one
// record of its own, and answers false, or has no such method.
type sharing interface {
	Share() (s Share, may bool)
}

// gathering is the batch at hand.
type gathering struct {
	jobs   []taken
	open   int    // the first of them with units in the record to come
	base   uint64 // units in that record before the job at hand began
	shares bool   // others may be added
	share  Share  // of all jobs
	began  time.Time
	timer  *time.Timer
	held   Job    // came meanwhile and cannot be in the batch: it is the next
	asked  func() // mail that ended a wait, answered behind the batch
}

// taken is one job of the batch.
type taken struct {
	job     Job
	timing  *Timing // where it is sampled
	pending uint64  // its units in the record to come
	log     wal.Position
	err     error
}

// last returns the job at hand.
func (g *gathering) last() *taken { return &g.jobs[len(g.jobs)-1] }

// begin opens a batch with j.
func (g *gathering) begin(j Job) {
	g.share, g.shares = Share{}, false
	if s, ok := j.(sharing); ok {
		g.share, g.shares = s.Share()
	}
	if g.shares {
		g.began = time.Now()
	}
}

// fits says that j may join, and counts its bytes.
func (g *gathering) fits(j Job) bool {
	s, ok := j.(sharing)
	if !ok {
		return false
	}
	share, may := s.Share()
	if !may || share.Unlogged != g.share.Unlogged {
		return false
	}
	g.share.Bytes += share.Bytes
	return true
}

// end forgets the batch's jobs.
func (g *gathering) end() {
	clear(g.jobs)
	g.jobs, g.open, g.base = g.jobs[:0], 0, 0
}

// next returns the job that joins the batch; nil closes it.
func (w *worker) next() Job {
	g := &w.gathering
	if !g.shares || w.taker.idle() || len(w.mail) > 0 {
		return nil
	}
	wait := w.batching.Mode != Adaptive
	if !wait && len(w.jobs) == 0 || w.enough() {
		return nil
	}
	select {
	case j, ok := <-w.jobs:
		return w.join(j, ok)
	default:
	}
	if !wait {
		return nil
	}
	return w.await()
}

// enough says that the batch has reached one of its bounds.
func (w *worker) enough() bool {
	g, b, o := &w.gathering, &w.taker.batch, &w.batching
	return b.Values()+b.Refused() >= uint64(o.Units) || g.share.Bytes >= o.Bytes ||
		len(g.jobs) >= maxShared || time.Since(g.began) >= o.Interval
}

// await waits for another job until the batch's time is over. A question ends it
// too: who asks waits for one batch at most, and finds its lane between two.
func (w *worker) await() Job {
	g := &w.gathering
	left := w.batching.Interval - time.Since(g.began)
	if g.timer == nil {
		g.timer = time.NewTimer(left)
	} else {
		g.timer.Reset(left)
	}
	defer g.timer.Stop()
	select {
	case j, ok := <-w.jobs:
		return w.join(j, ok)
	case g.asked = <-w.mail:
	case <-g.timer.C:
	}
	return nil
}

// join takes a job into the batch, or holds it back for the next one.
func (w *worker) join(j Job, ok bool) Job {
	if !ok {
		return nil // the lanes are being closed
	}
	if !w.gathering.fits(j) {
		w.gathering.held = j
		return nil
	}
	w.set.stats.Shared.Add(1)
	return j
}

// attribute notes how many units of the record to come are the job at hand's;
// units is how many it has by now.
func (w *worker) attribute(units uint64) {
	g := &w.gathering
	g.last().pending += units - g.base
	g.base = units
}

// settleJobs tells the jobs what became of the record with their units.
func (w *worker) settleJobs(units uint64, err error) {
	g := &w.gathering
	w.attribute(units)
	for i := range g.jobs[g.open:] {
		j := &g.jobs[g.open+i]
		if err != nil && (j.pending > 0 || len(g.jobs) == 1) {
			j.err = err
		}
		j.log = w.logged
	}
}

// stamp says of the record's jobs when it was logged and when folded.
func (w *worker) stamp(logged time.Time) {
	g := &w.gathering
	for i := range g.jobs[g.open:] {
		if j := &g.jobs[g.open+i]; j.timing != nil && (j.pending > 0 || len(g.jobs) == 1) {
			j.timing.Logged, j.timing.Folded = logged, time.Now()
			j.timing.Units += j.pending
		}
	}
}

// turn readies the batch for its next record: the job at hand may go on.
func (g *gathering) turn() {
	for i := range g.jobs[g.open:] {
		g.jobs[g.open+i].pending = 0
	}
	g.open, g.base = len(g.jobs)-1, 0
}

// finish tells every job of the batch that it is done, in the order they came.
func (w *worker) finish() {
	g := &w.gathering
	for i := range g.jobs {
		j := &g.jobs[i]
		if i >= g.open {
			j.log = w.logged
		}
		w.endTiming(j)
		j.job.Done(j.log, j.err)
	}
	g.end()
}
