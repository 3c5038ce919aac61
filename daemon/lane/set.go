// Package lane runs the daemon's workers. A lane is one goroutine that reads
// units off a job, decides on each, logs what it took as one record and folds
// it into its own tables. Jobs that wait together may share a record: Batching
// says when. Nothing on that way is shared but the log's lock.
//
// A Set holds the lanes, the sequencer that marks generations, and the
// Collector that keeps them until they are in the store. What must be exact
// over all lanes, the ledger and the reads, comes from a light mark: each lane
// answers between two chunks, and the answers count only if nothing moved from
// lane to collector to store in between.
package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

var (
	// ErrClosed reports a job that came after the lanes were stopped.
	ErrClosed = errors.New("the daemon is stopping")
	// ErrUnsettled reports that no consistent answer was had in time.
	ErrUnsettled = errors.New("generations moved too fast for a consistent answer; ask again")
)

// PanicError is a panic that a job caused and its lane contained.
type PanicError struct{ Value any }

func (e *PanicError) Error() string { return fmt.Sprintf("internal fault: %v", e.Value) }

// Options are what the lanes work with. All fields but Now are required.
type Options struct {
	Lanes      int
	Log        Log
	Catalog    *admit.Catalog
	Page       *ledger.Page
	Limits     protocol.Limits
	Fold       aggregate.Options
	MaxAliases int
	Logger     *slog.Logger
	Now        func() time.Time // default time.Now
	Tracer     Tracer           // may be nil
	// AckedOnly leaves out of the log what nobody was promised to find again:
	// see Taker.Unlogged. Its generations stay in memory until they are stored,
	// and the lanes wait where they are too many.
	AckedOnly bool
	// Batching is how jobs share records; its zero value is the default.
	Batching Batching
	// Deliveries decides on what can be sent again; nil where nothing can.
	Deliveries *delivery.Registry
}

// Start is where recovery left off: the mark that opened the current
// generation and ends at Position, the last generation in the store, and the
// gauges as that left them.
type Start struct {
	Mark     record.Mark
	Position uint64
	Flushed  uint64
	State    *aggregate.State
	Recent   *aggregate.Recent // raw samples that came last; nil where none did
}

// Set is all lanes of the daemon.
type Set struct {
	opts      Options
	log       Log
	workers   []*worker
	collector *Collector
	order     *order
	open      atomic.Pointer[opened]
	panics    atomic.Uint64
	stats     Stats
	next      atomic.Uint32
	early     chan struct{}

	marking  sync.Mutex // one mark at a time
	position uint64     // end of the last mark

	closing  sync.RWMutex
	closed   bool
	stopping atomic.Bool // lanes that wait for the store go on, to their end
	wg       sync.WaitGroup
}

// opened is the open generation, for readers.
type opened struct {
	mark    record.Mark
	from    wal.Position // of its mark, or a little behind
	ordered *aggregate.Ordered
}

// New makes the lanes and starts their goroutines. Close ends them.
func New(o Options, start Start) *Set {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Set{
		opts: o, log: o.Log, position: start.Position, early: make(chan struct{}, 1),
		collector: newCollector(o.Lanes, start.Flushed, start.State, o.AckedOnly),
		order:     &order{mark: start.Mark, ordered: aggregate.NewOrdered(), recent: start.Recent},
	}
	if s.order.recent == nil {
		s.order.recent = aggregate.NewRecent()
	}
	s.open.Store(&opened{start.Mark, wal.Position(start.Position), s.order.ordered})
	for i, a := range admit.NewLanes(o.Lanes, o.Catalog, o.MaxAliases) {
		w := newWorker(i, s, a, start.Mark)
		s.workers = append(s.workers, w)
		s.wg.Go(w.run)
	}
	return s
}

// Collector returns the generations on their way to the store.
func (s *Set) Collector() *Collector { return s.collector }

// Lanes returns the number of lanes.
func (s *Set) Lanes() int { return len(s.workers) }

// Panics returns how many panics the lanes have contained.
func (s *Set) Panics() uint64 { return s.panics.Load() }

// Stats are counters of what lines held that means nothing, and of batches, safe
// to read at any time.
type Stats struct {
	Sections  atomic.Uint64 // sections and JSON fields that are not known
	Rates     atomic.Uint64 // sampling rates on gauges and sets
	Imprecise atomic.Uint64 // values beyond what float64 holds exactly
	Mixed     atomic.Uint64 // references to names that mix scripts
	Shared    atomic.Uint64 // jobs that went into the record of the one before them
}

// Stats returns the counters.
func (s *Set) Stats() *Stats { return &s.stats }

// Queue returns how full the fullest lane's queue is, 0 to 1.
func (s *Set) Queue() float64 {
	most := 0
	for _, w := range s.workers {
		most = max(most, len(w.jobs))
	}
	return float64(most) / queueLength
}

// SetLimits changes what every lane holds its lines to, from its next job on.
func (s *Set) SetLimits(ctx context.Context, l protocol.Limits) error {
	return s.ask(ctx, func(w *worker) {
		w.taker.parser.SetLimits(l)
		w.taker.maxLine, w.taker.limits = l.MaxLine, l
		w.admit.Forget()
	})
}

// Forget has the lanes forget what they know of series: the raw samples that came
// last, and how series are spelt. What comes next of them is admitted as if it
// came for the first time.
func (s *Set) Forget(ctx context.Context, list []*admit.Series) error {
	raw := map[uint32]struct{}{}
	for _, one := range list {
		if one.Type == protocol.Raw {
			raw[one.Index] = struct{}{}
		}
	}
	if len(raw) > 0 {
		s.order.recent.ForgetSeries(raw)
	}
	return s.ask(ctx, func(w *worker) { w.admit.Forget() })
}

// Assign picks the lane for a new connection, in turn. All of a connection's
// chunks go to one lane, which keeps its lines in order.
func (s *Set) Assign() int { return int(s.next.Add(1)) % len(s.workers) }

// Submit gives a job to a lane and waits while the lane's queue is full: that
// wait is the backpressure. After Close the job is done with ErrClosed.
func (s *Set) Submit(lane int, j Job) {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		j.Done(0, ErrClosed)
		return
	}
	s.workers[lane].jobs <- j
}

// Close lets the lanes finish what is queued and waits for them. Generations
// stay with the Collector.
func (s *Set) Close() {
	s.stopping.Store(true)
	s.closing.Lock()
	if !s.closed {
		s.closed = true
		for _, w := range s.workers {
			close(w.jobs)
		}
	}
	s.closing.Unlock()
	s.wg.Wait()
}

// ask runs f on every lane's goroutine and waits for all.
func (s *Set) ask(ctx context.Context, f func(w *worker)) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		s.wg.Wait() // the lanes' goroutines are gone: their state is ours to read
		for _, w := range s.workers {
			f(w)
		}
		return nil
	}
	answered := make(chan struct{}, len(s.workers))
	for _, w := range s.workers {
		select {
		case w.mail <- func() { f(w); answered <- struct{}{} }:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range s.workers {
		select {
		case <-answered:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
