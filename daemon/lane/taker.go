package lane

import (
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/scan"
	"example.com/nexusctl/protocol/unicodename"
)

// maxBatch bounds the samples of one record, and maxDefs the bytes of its
// definitions and events, so that it fits a frame of the log; a larger intake is split.
const (
	maxBatch = 64 << 10
	maxDefs  = 4 << 20
)

// Taker takes the units of one job: it decides on each and gathers what was
// accepted into the batch that will be logged. It belongs to its lane's
// goroutine and must not outlive the job.
type Taker struct {
	lane    *worker
	parser  *protocol.Parser
	maxLine int // of the parser's limits
	most    int // values with which a record is full
	quick   quick
	batch   record.Batch
	kinds   []refKind // by reference
	// anyOrdered says that kinds has a gauge that is ordered.
	anyOrdered bool
	turning    []*admit.Series
	// replace says that a timed gauge of the batch may have to move to the
	// ordered ones, which only the open generation's bucket tells.
	replace bool
	own     uint64 // the batch's values that are the daemon's own
	defined int    // bytes of the batch's definitions

	limits   protocol.Limits
	rawBytes int         // of the batch's histograms
	outcome  *RawOutcome // of the job's raw samples
	unlogged bool        // nobody was promised that the units outlive the process
	delivery *Delivery   // where the job can be sent again
	opening  *Opening
}

// refKind is what a sample's way depends on, by its reference.
type refKind struct {
	typ protocol.Type
	// ordered says that it is a gauge whose changes go through the log's order,
	// as far as this lane knows: order.turned tells of more.
	ordered bool
}

// Line takes one line of text or JSON, without its terminator; a blank line
// counts nothing. It returns the verdict.
func (t *Taker) Line(line []byte) protocol.Fault {
	if len(line) == 0 {
		return protocol.Fault{}
	}
	var l scan.Line
	if len(line) <= scan.Window {
		if l = t.quick.scanner.Only(line); l.Plain() && t.knownLine(line, l) {
			return protocol.Fault{}
		}
	}
	return t.understand(line, l)
}

// Text takes one line of text and returns what it was understood as.
func (t *Taker) Text(line []byte) (*protocol.Metric, protocol.Fault) {
	m, fault := t.parser.Text(line)
	return m, t.take(m, fault)
}

// JSON takes one JSON object.
func (t *Taker) JSON(object []byte) (*protocol.Metric, protocol.Fault) {
	m, fault := t.parser.JSON(object)
	return m, t.take(m, fault)
}

// Own takes one of the daemon's own signals, a counter's, gauge's or
// histogram's, whose name no sender may use. It is logged and folded like any
// other and stands outside the ledger.
//
// Its rate travels with the sample: the references for rates are the senders'.
func (t *Taker) Own(m *protocol.Metric) {
	rate := m.Rate
	m.Rate = 1
	a := t.lane.admit.Admit(m)
	if rate != 1 {
		a.Rate = rate
	}
	if a.New {
		t.define(a)
	}
	t.add(m, a)
	t.own += uint64(len(m.Values))
	t.splitFull()
}

// Reject counts units that were refused before they could be read as a line.
func (t *Taker) Reject(reason protocol.Reason, n int) { t.batch.Rejected[reason] += uint32(n) }

// Shed counts units that were received and cannot be kept.
func (t *Taker) Shed(why protocol.Shed, n uint64) { t.batch.Shed[why] += n }

// take takes a parsed metric, or counts what is wrong with it.
func (t *Taker) take(m *protocol.Metric, fault protocol.Fault) protocol.Fault {
	if fault.Reason != protocol.Accepted {
		t.batch.Rejected[fault.Reason]++
		return fault
	}
	t.accept(m)
	t.splitFull()
	return fault
}

// accept adds what was understood to the batch. An event has no reference, and
// answers false.
func (t *Taker) accept(m *protocol.Metric) (a admit.Admission, isMetric bool) {
	t.ignored(m)
	if m.Notice != nil {
		t.batch.Events.Add(m)
		return a, false
	}
	a = t.lane.admit.Admit(m)
	if a.New {
		t.define(a)
		t.pointOut(m.Name)
	}
	t.add(m, a)
	return a, true
}

// pointOut says of a name that comes for the first time that it can be taken for
// another one.
func (t *Taker) pointOut(name []byte) {
	if t.limits.Names != nil && unicodename.Mixed(name) {
		t.lane.set.stats.Mixed.Add(1)
		t.lane.set.opts.Logger.Warn("a metric's name mixes scripts: it can look like another one", "name", string(name))
	}
}

// precise counts a value that float64 does not hold to the last digit: it is kept
// as the nearest one, and sums over it can be off by as much.
func (t *Taker) precise(v float64) {
	if v > protocol.Exact || v < -protocol.Exact {
		t.lane.set.stats.Imprecise.Add(1)
	}
}

// ignored counts what the line held that means nothing.
func (t *Taker) ignored(m *protocol.Metric) {
	if m.IgnoredSections > 0 {
		t.lane.set.stats.Sections.Add(uint64(m.IgnoredSections))
	}
	if m.IgnoredRate {
		t.lane.set.stats.Rates.Add(1)
	}
}

func (t *Taker) define(a admit.Admission) {
	if len(t.batch.Defs) == 0 {
		t.batch.FirstRef = a.Ref
	}
	t.batch.Defs = append(t.batch.Defs, a.Def)
	t.defined += len(a.Def.Key)
	ordered := a.Series.Ordered()
	t.kinds = append(t.kinds, refKind{a.Series.Type, ordered})
	t.anyOrdered = t.anyOrdered || ordered
}

func (t *Taker) add(m *protocol.Metric, a admit.Admission) {
	if m.Type == protocol.Set {
		t.sample(m, a, aggregate.MemberValue(histogram.HashMember(m.Member)))
		return
	}
	for _, v := range m.Values {
		t.precise(v.Number)
		switch {
		case v.Delta || (m.Type == protocol.Gauge && !m.HasTime && t.isOrdered(a.Series)):
			t.order(a, v)
		default:
			t.sample(m, a, v.Number)
		}
	}
}

func (t *Taker) sample(m *protocol.Metric, a admit.Admission, v float64) {
	if !m.HasTime && a.Rate == 0 {
		t.batch.Add(a.Ref, v)
		return
	}
	timed := record.Timed{Ref: a.Ref, Rate: a.Rate, Value: v}
	if m.HasTime {
		timed.Time = m.Time
	}
	t.batch.Timed = append(t.batch.Timed, timed)
	t.replace = t.replace || (m.Type == protocol.Gauge && m.HasTime)
}

// order puts a gauge's change among the ordered ones. A first delta takes the
// batch's earlier values of the gauge with it, so that all stand in one order.
func (t *Taker) order(a admit.Admission, v protocol.Value) {
	if v.Delta && !t.isOrdered(a.Series) {
		t.turning = append(t.turning, a.Series)
		t.moveSamples()
	}
	t.batch.Ordered = append(t.batch.Ordered, record.Ordered{Ref: a.Ref, Delta: v.Delta, Value: v.Number})
}

func (t *Taker) isOrdered(s *admit.Series) bool {
	return s.Ordered() || (len(t.turning) > 0 && slices.Contains(t.turning, s))
}

// moveSamples moves the plain samples of ordered gauges to the ordered ones.
func (t *Taker) moveSamples() (moved bool) {
	kept := t.batch.Samples[:0]
	for _, s := range t.batch.Samples {
		if t.isOrderedRef(s.Ref) {
			t.batch.Ordered = append(t.batch.Ordered, record.Ordered{Ref: s.Ref, Value: s.Value})
			moved = true
			continue
		}
		kept = append(kept, s)
	}
	t.batch.Samples = kept
	return moved
}

// moveTimed does the same for gauges whose own time lies in the open bucket;
// times in other buckets are history and change no running value.
func (t *Taker) moveTimed(bucket, resolution int64) (moved bool) {
	kept := t.batch.Timed[:0]
	for _, s := range t.batch.Timed {
		if s.Time >= bucket && s.Time < bucket+resolution && t.isOrderedRef(s.Ref) {
			t.batch.Ordered = append(t.batch.Ordered, record.Ordered{Ref: s.Ref, Value: s.Value})
			moved = true
			continue
		}
		kept = append(kept, s)
	}
	t.batch.Timed = kept
	return moved
}

func (t *Taker) splitFull() {
	if !t.whole() && t.room() <= 0 {
		t.lane.commit()
	}
}

// room returns how many values the record at hand takes before it is full; a
// batch that is not split has always room for more.
func (t *Taker) room() int {
	if t.whole() {
		return maxBatch
	}
	if t.defined+len(t.batch.Events.Bytes) >= maxDefs {
		return 0
	}
	return t.most - len(t.batch.Samples) - len(t.batch.Timed) - len(t.batch.Ordered)
}
