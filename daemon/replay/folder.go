// Package replay folds a log read from disk: the same batches, through the
// same tables, as the live daemon folded them, and so to the same bytes.
//
// It serves three ends: recovery after a restart, reading back generations
// that memory could not keep while the store was away, and healing a store
// that failed over to an older position.
package replay

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
)

// Folder rebuilds generations from records, in log order.
type Folder struct {
	catalog *admit.Catalog
	opts    aggregate.Options
	state   *aggregate.State
	lanes   map[uint32]*lane
	ordered *aggregate.Ordered
	recent  *aggregate.Recent
	mark    record.Mark // that opened the current generation; zero before the first
	from    uint64
	flight  flight
	cut     *record.Cut // of a repair since which no process has started
	counted uint64      // lost units that are in the log since then
}

// lane is one lane of the log, and the series of its references.
type lane struct {
	fold   *aggregate.Lane
	series []*admit.Series
	jobs   []*job // read, and not yet on their way into the tables
	flying []*job
}

// NewFolder starts from a checkpoint, or from the log's very beginning where c
// is nil.
func NewFolder(c *record.Checkpoint, catalog *admit.Catalog, o aggregate.Options) (*Folder, error) {
	f := &Folder{
		catalog: catalog, opts: o, state: aggregate.NewState(),
		lanes: map[uint32]*lane{}, ordered: aggregate.NewOrdered(), recent: aggregate.NewRecent(),
	}
	if c == nil {
		return f, nil
	}
	f.mark, f.from = c.Mark, c.Position
	for _, dict := range c.Lanes {
		l := f.lane(dict.Lane)
		refs, err := f.intern(l, dict.Defs, nil)
		if err != nil {
			return nil, fmt.Errorf("checkpoint at %d: %w", c.Position, err)
		}
		l.define(refs)
	}
	for _, g := range c.Gauges {
		s, err := catalog.Intern(g.Key)
		if err != nil {
			return nil, fmt.Errorf("checkpoint at %d: gauge: %w", c.Position, err)
		}
		f.state.Set(s.Index, g.Value)
	}
	f.state.Deliver(c.Producers, c.Keys)
	return f, nil
}

// State returns the gauges' state before the generation that was returned
// last: the caller advances it once the generation is done with.
func (f *Folder) State() *aggregate.State { return f.state }

// Recent returns the raw samples that were read last.
func (f *Folder) Recent() *aggregate.Recent { return f.recent }

// Mark returns the mark that opened the current generation.
func (f *Folder) Mark() record.Mark { return f.mark }

// Cut returns the loss that no start has settled yet, nil where there is none,
// and how much of it the open generation counts already.
func (f *Folder) Cut() (c *record.Cut, counted uint64) { return f.cut, f.counted }

// Record folds one record. A mark, or a cut, closes the open generation and
// returns it; other records return nil.
func (f *Folder) Record(payload []byte, span wal.Span) (*aggregate.Generation, error) {
	kind, err := record.KindOf(payload)
	if err != nil {
		return nil, fmt.Errorf("record at %d: %w", span.From, err)
	}
	if kind == record.KindBatch {
		if err := f.foldBatch(payload, span); err != nil {
			return nil, fmt.Errorf("record at %d: %w", span.From, err)
		}
		return nil, nil
	}
	if kind == record.KindCut {
		return f.foldCut(payload, span)
	}
	m, err := record.DecodeMark(payload)
	if err != nil {
		return nil, fmt.Errorf("record at %d: %w", span.From, err)
	}
	if f.mark.Generation != 0 && m.Generation != f.mark.Generation+1 {
		return nil, fmt.Errorf("record at %d: %w: generation %d after %d", span.From, record.ErrMalformed, m.Generation, f.mark.Generation)
	}
	if m.Restart {
		f.cut, f.counted = nil, 0 // the start before this mark has settled it
	}
	return f.close(m, uint64(span.To)), nil
}

// foldBatch reads a batch and sends it on its way into its lane's tables. What
// depends on the order over all lanes is done here, in the log's own.
func (f *Folder) foldBatch(payload []byte, span wal.Span) (err error) {
	j := f.flight.job()
	b := &j.batch
	if err := record.DecodeBatch(payload, b); err != nil {
		return err
	}
	l := f.lane(b.Lane)
	if len(b.Defs) > 0 && int(b.FirstRef) != len(l.series) {
		return fmt.Errorf("%w: lane %d defines %d, next is %d", record.ErrMalformed, b.Lane, b.FirstRef, len(l.series))
	}
	if j.refs, err = f.intern(l, b.Defs, j.refs[:0]); err != nil {
		return err
	}
	if err := l.check(b); err != nil {
		return err
	}
	f.ordered.Apply(b, func(ref uint32) uint32 { return l.series[ref].Index })
	for i := range b.Raw {
		f.recent.Decide(l.series[b.Raw[i].Ref].Index, &b.Raw[i])
	}
	f.counted += b.Lost
	b.Session.Producer = bytes.Clone(b.Session.Producer) // the payload goes before the fold comes
	j.at = uint64(span.From)
	l.jobs = append(l.jobs, j)
	if f.flight.full(b) {
		f.fly()
	}
	return nil
}

// check refuses references that were never defined, before any of the batch is
// applied.
func (l *lane) check(b *record.Batch) error {
	n := uint32(len(l.series))
	bad := slices.ContainsFunc(b.Samples, func(s record.Sample) bool { return s.Ref >= n }) ||
		slices.ContainsFunc(b.Ordered, func(o record.Ordered) bool { return o.Ref >= n }) ||
		slices.ContainsFunc(b.Timed, func(t record.Timed) bool { return t.Ref >= n }) ||
		slices.ContainsFunc(b.Raw, func(s record.Raw) bool { return s.Ref >= n })
	if bad {
		return fmt.Errorf("%w: lane %d uses a reference beyond its %d", record.ErrMalformed, b.Lane, n)
	}
	return nil
}

// foldCut ends the open generation where the loss begins: the store may be
// behind that already, and then it has all of it.
func (f *Folder) foldCut(payload []byte, span wal.Span) (*aggregate.Generation, error) {
	c, err := record.DecodeCut(payload)
	if err != nil {
		return nil, fmt.Errorf("record at %d: %w", span.From, err)
	}
	if c.Generation <= f.mark.Generation || c.From < f.from || c.From > uint64(span.From) {
		return nil, fmt.Errorf("record at %d: %w: a cut from %d with generation %d", span.From, record.ErrMalformed, c.From, c.Generation)
	}
	m := record.Mark{Generation: c.Generation, Bucket: f.mark.Bucket, At: c.At, Restart: true}
	if f.mark.Generation == 0 {
		m.Bucket = c.At / f.opts.Resolution * f.opts.Resolution
	}
	f.cut, f.counted = &c, 0
	return f.close(m, c.From), nil
}

// close ends the open generation at a position and opens the mark's. The log's
// first mark ends none.
func (f *Folder) close(m record.Mark, to uint64) *aggregate.Generation {
	f.fly()
	f.land()
	closed := &aggregate.Generation{
		Number: f.mark.Generation, Bucket: f.mark.Bucket, Next: m, From: f.from, To: to, Ordered: f.ordered,
	}
	for _, number := range slices.Sorted(maps.Keys(f.lanes)) {
		closed.Parts = append(closed.Parts, f.lanes[number].fold.Seal(m.Generation, m.Bucket))
	}
	first := f.mark.Generation == 0
	f.mark, f.ordered = m, aggregate.NewOrdered()
	if m.Restart {
		f.lanes = map[uint32]*lane{}
	}
	if first {
		return nil
	}
	f.from = to
	return closed
}

func (f *Folder) lane(number uint32) *lane {
	l := f.lanes[number]
	if l == nil {
		l = &lane{fold: aggregate.NewLane(int(number), f.opts, f.mark.Generation, f.mark.Bucket)}
		f.lanes[number] = l
	}
	return l
}

// intern finds the series of definitions, and appends what the lane's tables
// have to know of them.
func (f *Folder) intern(l *lane, defs []record.Def, refs []aggregate.Ref) ([]aggregate.Ref, error) {
	for _, d := range defs {
		s, err := f.catalog.Intern(d.Key)
		if err != nil {
			return refs, fmt.Errorf("%w: definition: %w", record.ErrMalformed, err)
		}
		l.series = append(l.series, s)
		refs = append(refs, aggregate.Ref{Series: s.Index, Type: s.Type, Rate: d.Rate, Own: s.Own})
	}
	return refs, nil
}
