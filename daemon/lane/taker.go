package lane

import (
	"bytes"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
)

// maxBatch bounds the samples of one record, and maxDefs the bytes of its
// definitions, so that it fits a frame of the log; a larger intake is split.
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
	batch   record.Batch
	kinds   []refKind // by reference
	turning []*admit.Series
	// replace says that a timed gauge of the batch may have to move to the
	// ordered ones, which only the open generation's bucket tells.
	replace bool
	own     uint64 // the batch's values that are the daemon's own
	defined int    // bytes of the batch's definitions

	limits   protocol.Limits
	rawBytes int         // of the batch's histograms
	outcome  *RawOutcome // of the job's raw samples

	delivery *Delivery // where the job can be sent again
	opening  *Opening
}

// refKind is what the quick path must know of a reference.
type refKind struct {
	typ     protocol.Type
	ordered *admit.Series // a gauge: its flag says which way it goes
}

// Line takes one line of text or JSON, without its terminator; a blank line
// counts nothing. It returns the verdict.
func (t *Taker) Line(line []byte) protocol.Fault {
	if len(line) == 0 || t.quick(line) {
		return protocol.Fault{}
	}
	m, fault := t.parser.Line(line)
	return t.take(m, fault, line)
}

// Text takes one line of text and returns what it was understood as.
func (t *Taker) Text(line []byte) (*protocol.Metric, protocol.Fault) {
	m, fault := t.parser.Text(line)
	return m, t.take(m, fault, nil)
}

// JSON takes one JSON object.
func (t *Taker) JSON(object []byte) (*protocol.Metric, protocol.Fault) {
	m, fault := t.parser.JSON(object)
	return m, t.take(m, fault, nil)
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

// quick takes a line whose name and suffix were understood before and whose
// value is one plain number. It returns false, having done nothing, for every
// other line.
func (t *Taker) quick(line []byte) bool {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[0] == '{' || len(line) > t.maxLine {
		return false
	}
	bar := bytes.IndexByte(line[colon+1:], '|')
	if bar <= 0 {
		return false
	}
	value, suffix := line[colon+1:colon+1+bar], line[colon+1+bar:]
	ref, ok := t.lane.admit.Lookup(line[:colon], suffix)
	if !ok {
		return false
	}
	kind := t.kinds[ref]
	if signed := value[0] == '+' || value[0] == '-'; signed && kind.typ != protocol.Counter {
		return false
	}
	if kind.typ == protocol.Set || (kind.ordered != nil && t.isOrdered(kind.ordered)) {
		return false
	}
	v, reason := protocol.ParseNumber(value)
	if reason != protocol.Accepted {
		return false
	}
	t.batch.Samples = append(t.batch.Samples, record.Sample{Ref: ref, Value: v})
	t.splitFull()
	return true
}

// take admits a parsed metric. raw is the text line it came from, nil where
// there is none to remember.
func (t *Taker) take(m *protocol.Metric, fault protocol.Fault, raw []byte) protocol.Fault {
	if fault.Reason != protocol.Accepted {
		t.batch.Rejected[fault.Reason]++
		return fault
	}
	a := t.lane.admit.Admit(m)
	if a.New {
		t.define(a)
	}
	t.add(m, a)
	if raw != nil {
		t.remember(m, a, raw)
	}
	t.splitFull()
	return fault
}

func (t *Taker) define(a admit.Admission) {
	if len(t.batch.Defs) == 0 {
		t.batch.FirstRef = a.Ref
	}
	t.batch.Defs = append(t.batch.Defs, a.Def)
	t.defined += len(a.Def.Key)
	kind := refKind{typ: a.Series.Type}
	if kind.typ == protocol.Gauge {
		kind.ordered = a.Series
	}
	t.kinds = append(t.kinds, kind)
}

func (t *Taker) add(m *protocol.Metric, a admit.Admission) {
	if m.Type == protocol.Set {
		t.sample(m, a, aggregate.MemberValue(histogram.HashMember(m.Member)))
		return
	}
	for _, v := range m.Values {
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
		t.batch.Samples = append(t.batch.Samples, record.Sample{Ref: a.Ref, Value: v})
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
	return s.Ordered.Load() || (len(t.turning) > 0 && slices.Contains(t.turning, s))
}

// moveSamples moves the plain samples of ordered gauges to the ordered ones.
func (t *Taker) moveSamples() (moved bool) {
	kept := t.batch.Samples[:0]
	for _, s := range t.batch.Samples {
		if g := t.kinds[s.Ref].ordered; g != nil && t.isOrdered(g) {
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
		g := t.kinds[s.Ref].ordered
		if g != nil && s.Time >= bucket && s.Time < bucket+resolution && t.isOrdered(g) {
			t.batch.Ordered = append(t.batch.Ordered, record.Ordered{Ref: s.Ref, Value: s.Value})
			moved = true
			continue
		}
		kept = append(kept, s)
	}
	t.batch.Timed = kept
	return moved
}

// remember keeps a usual line's spelling for the quick path. Lines with a time
// or a rate of their own, or with sections that are counted, stay on the
// canonical one.
func (t *Taker) remember(m *protocol.Metric, a admit.Admission, line []byte) {
	if m.HasTime || a.Rate != 0 || m.IgnoredSections > 0 || m.IgnoredRate || len(m.Values) != 1 {
		return
	}
	if !bytes.HasPrefix(line, m.Name) {
		return // a JSON line
	}
	colon := bytes.IndexByte(line, ':')
	bar := bytes.IndexByte(line[colon+1:], '|')
	t.lane.admit.Remember(line[:colon], line[colon+1+bar:], a.Ref)
}

func (t *Taker) splitFull() {
	if t.whole() {
		return
	}
	if len(t.batch.Samples)+len(t.batch.Timed)+len(t.batch.Ordered) >= maxBatch || t.defined >= maxDefs {
		t.lane.commit()
	}
}
