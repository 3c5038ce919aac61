package replay

import (
	"sync"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
)

// Lanes share nothing but what Folder does in the log's order, so their tables
// are filled side by side, each in its own order, while the next records are
// read. At a mark all have landed: a generation is the same as if one goroutine
// had folded it.

// flightSize is how many values are gathered before they are folded: enough to
// make goroutines cheap, and a megabyte or two of memory.
const flightSize = 64 << 10

// job is one batch on its way into its lane's tables.
type job struct {
	at    uint64
	refs  []aggregate.Ref // that it defines
	batch record.Batch
}

// flight is the batches that are being folded, and the memory of those that
// were.
type flight struct {
	wg       sync.WaitGroup
	gathered uint64
	free     []*job
}

func (f *flight) job() *job {
	if n := len(f.free); n > 0 {
		j := f.free[n-1]
		f.free = f.free[:n-1]
		return j
	}
	return new(job)
}

// full counts a batch, and reports whether enough are gathered.
func (f *flight) full(b *record.Batch) bool {
	f.gathered += b.Values() + 1
	return f.gathered >= flightSize
}

// fly folds what was gathered, each lane on its own, once the last flight has
// landed.
func (f *Folder) fly() {
	f.land()
	f.flight.gathered = 0
	for _, l := range f.lanes {
		if len(l.jobs) == 0 {
			continue
		}
		l.jobs, l.flying = l.flying, l.jobs
		f.flight.wg.Go(l.run)
	}
}

// land waits for what is being folded.
func (f *Folder) land() {
	f.flight.wg.Wait()
	for _, l := range f.lanes {
		f.flight.free = append(f.flight.free, l.flying...)
		l.flying = l.flying[:0]
	}
}

func (l *lane) run() {
	for _, j := range l.flying {
		l.define(j.refs)
		l.fold.Fold(j.at, &j.batch)
	}
}

func (l *lane) define(refs []aggregate.Ref) {
	for _, r := range refs {
		l.fold.Define(r)
	}
}
