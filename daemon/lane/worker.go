package lane

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// Log is where a batch gets its place: wal.Log.
type Log interface {
	Append(build func(at wal.Position) []byte) (wal.Span, error)
}

// Job is one intake: a chunk of a connection, the body of a request.
type Job interface {
	// Take hands the units over, on the lane's goroutine.
	Take(t *Taker)
	// Done is called once the units are in the log and in the tables. log is
	// the position behind them; err says that the log refused them.
	Done(log wal.Position, err error)
}

// Tracer is told of sampled batches.
type Tracer interface {
	Sample() bool // asked before each job: whether it is timed
	Batch(Timing)
}

// Timing is when one job reached each stage.
type Timing struct {
	Lane       int
	Arrived    time.Time // zero where the job does not know
	Began      time.Time
	Taken      time.Time // parsed and admitted
	Logged     time.Time
	Folded     time.Time
	Units      uint64
	Generation uint64
	Log        wal.Position
}

// arrival is a job that knows when its last byte was read.
type arrival interface{ Arrived() time.Time }

// sourced is a job that knows whom it is from.
type sourced interface{ Source() admit.Source }

func sourceOf(j Job) func() admit.Source {
	if s, ok := j.(sourced); ok {
		return s.Source
	}
	return nil
}

// maxGeneration is how much log a generation spans before it is closed early: all
// of it may have to be read back when the daemon starts after a kill, and a start
// should take seconds at any rate of sending.
const maxGeneration = 128 << 20

// queueLength bounds the jobs that wait for a lane. A connection that finds
// the queue full waits, stops reading, and TCP pushes back on its sender.
const queueLength = 8

// worker is one lane: a goroutine with its own references and tables.
type worker struct {
	number    int
	set       *Set
	admit     *admit.Lane
	fold      *aggregate.Lane
	taker     Taker
	turned    int // how many of order.turned the lane knows
	encoded   []byte
	received  *atomic.Uint64
	logged    wal.Position
	batching  Batching
	gathering gathering

	jobs chan Job
	mail chan func()
}

func newWorker(number int, s *Set, a *admit.Lane, m record.Mark) *worker {
	w := &worker{
		number: number, set: s,
		admit:    a,
		fold:     aggregate.NewLane(number, s.opts.Fold, m.Generation, m.Bucket),
		received: s.opts.Page.Lane(number),
		jobs:     make(chan Job, queueLength),
		mail:     make(chan func(), queueLength),
		batching: s.opts.Batching.complete(),
	}
	w.taker = Taker{lane: w, most: w.batching.most(), parser: protocol.NewParser(s.opts.Limits), maxLine: s.opts.Limits.MaxLine, limits: s.opts.Limits}
	return w
}

// run works until jobs is closed. Mail comes first: a reader waits for one
// batch at most.
func (w *worker) run() {
	for {
		select {
		case f := <-w.mail:
			f()
			continue
		default:
		}
		jobs, look := w.open()
		if j := w.gathering.held; j != nil && jobs != nil {
			w.gathering.held = nil
			w.work(j)
			continue
		}
		select {
		case f := <-w.mail:
			f()
		case <-look:
		case j, ok := <-jobs:
			if !ok {
				w.drainMail()
				return
			}
			w.work(j)
			w.yield()
		}
	}
}

// yield lets the flush run, where there is something to flush. A lane in a flood
// never waits, and the runtime takes its processor away after ten milliseconds only:
// a flush, which waits for the store thousands of times, would wait as long again
// each time, and never catch up.
func (w *worker) yield() {
	if w.set.collector.due.Load() {
		runtime.Gosched()
	}
}

// fullPause is how often a lane that waits for the store looks whether it may go on.
const fullPause = 20 * time.Millisecond

// open returns the jobs to be worked on: none while memory holds all the
// generations it may and the log could not give them back. Then nobody reads, and
// the senders wait.
func (w *worker) open() (jobs <-chan Job, look <-chan time.Time) {
	if w.set.opts.AckedOnly && w.set.collector.full() && !w.set.stopping.Load() {
		return nil, time.After(fullPause)
	}
	return w.jobs, nil
}

// drainMail answers what was asked before the lane stopped.
func (w *worker) drainMail() {
	for {
		select {
		case f := <-w.mail:
			f()
		default:
			return
		}
	}
}

// work runs a job, and those that may share its record and have come, or come
// in time. A panic in one is contained there: what it handed over before is
// kept, the rest of it is not taken, the other jobs and the lane go on.
func (w *worker) work(j Job) {
	w.gathering.begin(j)
	for ; j != nil; j = w.next() {
		w.hear(j)
	}
	w.commit()
	w.taker.unlogged = false
	w.taker.batch.Reset()
	w.taker.outcome = nil
	w.finish()
	if answer := w.gathering.asked; answer != nil {
		w.gathering.asked = nil
		answer()
	}
}

// hear lets one job hand over its units.
func (w *worker) hear(j Job) {
	g := &w.gathering
	w.taker.parser.Now = w.set.opts.Now().UnixMilli()
	g.jobs = append(g.jobs, taken{job: j, timing: w.beginTiming(j)})
	w.admit.From(sourceOf(j))
	w.take(j)
	w.attribute(w.units())
	if t := g.last().timing; t != nil {
		t.Taken = time.Now()
	}
}

func (w *worker) beginTiming(j Job) *Timing {
	if t := w.set.opts.Tracer; t == nil || !t.Sample() {
		return nil
	}
	timing := &Timing{Lane: w.number, Began: time.Now()}
	if a, ok := j.(arrival); ok {
		timing.Arrived = a.Arrived()
	}
	return timing
}

func (w *worker) endTiming(j *taken) {
	if t := j.timing; t != nil && !t.Folded.IsZero() {
		t.Log, t.Generation = j.log, w.fold.Generation()
		w.set.opts.Tracer.Batch(*t)
	}
}

func (w *worker) take(j Job) {
	defer func() {
		if r := recover(); r != nil {
			w.set.panics.Add(1)
			w.gathering.last().err = &PanicError{Value: r}
			w.taker.abandon()
			w.set.opts.Logger.Error("panic in a job was contained", "lane", w.number, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	j.Take(&w.taker)
}

// units returns the units of the batch that stand in the ledger.
func (w *worker) units() uint64 {
	t, b := &w.taker, &w.taker.batch
	return b.Values() - t.own + b.Refused()
}

// commit logs and folds what the taker has gathered.
func (w *worker) commit() {
	t, b := &w.taker, &w.taker.batch
	if t.idle() {
		return
	}
	b.Lane, b.At = uint32(w.number), w.set.opts.Now().UnixMilli()
	units := w.units()
	again := t.delivery != nil || t.opening != nil
	raw := len(b.Raw) > 0
	counted := !again && !raw
	if counted {
		w.received.Add(units)
		w.encode()
	}
	var mark record.Mark
	var nothingAt wal.Position // where the log ended, had there been something for it
	nothing := false
	span, err := w.set.log.Append(func(at wal.Position) []byte {
		mark = w.set.order.mark
		if raw {
			w.settleRaw()
			units = w.units()
		}
		if raw && !again {
			counted = true
			w.received.Add(units)
		}
		payload := w.place(units, raw)
		nothing, nothingAt = payload == nil, at
		return payload
	})
	switch {
	case nothing && !t.unlogged:
		w.logged = nothingAt // behind whatever was repeated, on whichever lane
		w.settleJobs(units, nil)
	case err != nil && !nothing:
		w.settleJobs(units, err)
		if raw {
			w.forgetRaw()
		}
		if counted { // else whoever can send it again will
			w.shed(units)
		}
	default:
		if nothing {
			span = wal.Span{From: nothingAt, To: nothingAt}
		}
		w.logged = span.To
		w.settleJobs(units, nil)
		logged := time.Now()
		w.enter(mark)
		w.foldBatch(span)
		w.stamp(logged)
	}
	w.gathering.turn()
	b.Reset()
	if t.unlogged { // the job may go on
		b.Unpacked()
	}
	t.turning = t.turning[:0]
	t.replace, t.own, t.defined, t.rawBytes = false, 0, 0, 0
	t.delivery, t.opening = nil, nil
	if w.fold.Crowded() || w.logged > w.set.open.Load().from+maxGeneration {
		w.set.hurry()
	}
}

// place runs under the log's lock: it settles what depends on the batch's
// place in the log and returns the record.
func (w *worker) place(units uint64, raw bool) []byte {
	t, o := &w.taker, w.set.order
	again := t.delivery != nil || t.opening != nil
	moved := w.learn() && t.moveSamples()
	if t.replace {
		moved = t.moveTimed(o.mark.Bucket, w.set.opts.Fold.Resolution) || moved
	}
	if again {
		if !w.settle(units) {
			return nil
		}
	} else if moved || raw {
		w.encode()
	}
	if len(t.batch.Ordered) > 0 { // a batch that is not taken turns nothing
		o.becomeOrdered(t.turning)
	}
	o.ordered.Apply(&t.batch, func(ref uint32) uint32 { return w.admit.Index(ref) })
	if len(w.encoded) == 0 {
		return nil
	}
	return w.encoded
}

// encode makes the batch's record. Of units that need not be logged it holds the
// definitions alone, and nothing where there are none: batches that are logged
// later use the references too.
func (w *worker) encode() {
	b := &w.taker.batch
	switch {
	case !w.taker.unlogged:
		w.encoded = record.AppendBatch(w.encoded[:0], b)
	case len(b.Defs) > 0:
		w.encoded = record.AppendBatch(w.encoded[:0], &record.Batch{Lane: b.Lane, At: b.At, FirstRef: b.FirstRef, Defs: b.Defs})
	default:
		w.encoded = w.encoded[:0]
	}
}

// enter moves the lane's tables on to the generation a mark has opened.
func (w *worker) enter(m record.Mark) {
	for g := w.fold.Generation(); g < m.Generation; g++ {
		w.set.collector.Put(g, w.fold.Seal(g+1, m.Bucket))
	}
}

func (w *worker) foldBatch(span wal.Span) {
	b := &w.taker.batch
	for i, d := range b.Defs {
		s := w.admit.Series(b.FirstRef + uint32(i))
		w.fold.Define(aggregate.Ref{Series: s.Index, Type: s.Type, Rate: d.Rate, Own: s.Own})
	}
	w.fold.Fold(uint64(span.From), b)
}

// shed counts a batch that the log refused. Nothing of it was taken.
func (w *worker) shed(units uint64) {
	refused := &record.Batch{}
	refused.Shed[protocol.ShedDisk] = units
	w.fold.Fold(0, refused)
}

// share is one lane's terms of the ledger, as of one moment between chunks.
type share struct {
	received uint64
	pending  uint64
	counts   ledger.Counts
}

func (w *worker) share() share {
	s := share{received: w.received.Load()}
	s.pending, s.counts = w.fold.Pending()
	return s
}
