package replay

import (
	"cmp"
	"maps"
	"slices"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
)

// Census counts what stands in a log, without folding it: for people who look
// into one, and for a repair, which has to say what it costs.
type Census struct {
	Batches, Marks, Cuts Kind
	Accepted             uint64 // values of senders, and their events
	Events               uint64 // of those, events and service checks
	Own                  uint64 // values of the daemon's own signals, outside the ledger
	Counts               ledger.Counts
	Definitions          uint64
	Unknown              uint64 // values under references whose definition was not read; they count as accepted

	FirstGeneration, LastGeneration uint64
	Restarts                        uint64
	FirstAt, LastAt                 int64 // when records were logged, Unix milliseconds

	catalog   *admit.Catalog
	lanes     map[uint32][]*admit.Series
	producers map[string]*record.Producer
	batch     record.Batch
}

// Kind counts the records of one kind, and their frames' bytes.
type Kind struct{ Records, Bytes uint64 }

func (k *Kind) add(at wal.Span) {
	k.Records++
	k.Bytes += uint64(at.To - at.From)
}

// NewCensus returns an empty census.
func NewCensus() *Census {
	return &Census{catalog: admit.NewCatalog(0), lanes: map[uint32][]*admit.Series{}, producers: map[string]*record.Producer{}}
}

// Know takes over a checkpoint's references.
func (c *Census) Know(p *record.Checkpoint) error {
	for _, l := range p.Lanes {
		if err := c.define(l.Lane, 0, l.Defs); err != nil {
			return err
		}
	}
	return nil
}

// Record counts one record.
func (c *Census) Record(payload []byte, at wal.Span) error {
	kind, err := record.KindOf(payload)
	switch {
	case err != nil:
		return err
	case kind == record.KindMark:
		return c.mark(payload, at)
	case kind == record.KindCut:
		return c.cut(payload, at)
	}
	return c.take(payload, at)
}

func (c *Census) mark(payload []byte, at wal.Span) error {
	m, err := record.DecodeMark(payload)
	if err != nil {
		return err
	}
	c.Marks.add(at)
	c.generation(m.Generation, m.At)
	if m.Restart {
		c.Restarts++
		clear(c.lanes)
	}
	return nil
}

func (c *Census) cut(payload []byte, at wal.Span) error {
	m, err := record.DecodeCut(payload)
	if err != nil {
		return err
	}
	c.Cuts.add(at)
	c.generation(m.Generation, m.At)
	clear(c.lanes)
	return nil
}

func (c *Census) generation(number uint64, at int64) {
	if c.FirstGeneration == 0 {
		c.FirstGeneration = number
	}
	c.LastGeneration = number
	c.logged(at)
}

func (c *Census) logged(at int64) {
	if c.FirstAt == 0 {
		c.FirstAt = at
	}
	c.LastAt = max(c.LastAt, at)
}

func (c *Census) take(payload []byte, at wal.Span) error {
	b := &c.batch
	if err := record.DecodeBatch(payload, b); err != nil {
		return err
	}
	if err := c.define(b.Lane, b.FirstRef, b.Defs); err != nil {
		return err
	}
	c.Batches.add(at)
	c.logged(b.At)
	c.Definitions += uint64(len(b.Defs))
	accepted := c.values(b)
	for i, n := range b.Rejected {
		c.Counts.Rejected[i] += uint64(n)
	}
	for i, n := range b.Shed {
		c.Counts.Shed[i] += n
	}
	c.Counts.Duplicates += b.Duplicates
	c.Counts.Lost += b.Lost
	c.deliver(b, accepted)
	return nil
}

// values counts accepted values, and tells the daemon's own from senders'.
func (c *Census) values(b *record.Batch) (accepted uint64) {
	refs := c.lanes[b.Lane]
	for ref := range usedRefs(b) {
		switch {
		case int(ref) >= len(refs) || refs[ref] == nil:
			c.Unknown++
			accepted++
		case refs[ref].Own:
			c.Own++
		default:
			accepted++
		}
	}
	c.Events += uint64(b.Events.N)
	accepted += uint64(b.Events.N)
	c.Accepted += accepted
	return accepted
}

// usedRefs yields the reference of every value in a batch.
func usedRefs(b *record.Batch) func(yield func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for _, s := range b.Samples {
			if !yield(s.Ref) {
				return
			}
		}
		for _, o := range b.Ordered {
			if !yield(o.Ref) {
				return
			}
		}
		for _, t := range b.Timed {
			if !yield(t.Ref) {
				return
			}
		}
		for _, s := range b.Raw {
			if !yield(s.Ref) {
				return
			}
		}
	}
}

// maxGap bounds the references that may be missing before a definition, where
// what defined them was not read.
const maxGap = 1 << 24

func (c *Census) define(lane, first uint32, defs []record.Def) error {
	refs := c.lanes[lane]
	if len(defs) > 0 && int(first) > len(refs)+maxGap {
		return record.ErrMalformed
	}
	for i, d := range defs {
		s, err := c.catalog.Intern(d.Key)
		if err != nil {
			return err
		}
		ref := int(first) + i
		for ref >= len(refs) {
			refs = append(refs, nil)
		}
		refs[ref] = s
	}
	c.lanes[lane] = refs
	return nil
}

func (c *Census) deliver(b *record.Batch, accepted uint64) {
	if len(b.Session.Producer) == 0 {
		return
	}
	p := c.producers[string(b.Session.Producer)]
	if p == nil {
		p = &record.Producer{ID: string(b.Session.Producer)}
		c.producers[p.ID] = p
	}
	p.Epoch, p.Seq, p.Seen = b.Session.Epoch, b.Session.Seq, b.At
	p.Accepted += accepted
	p.Rejected += b.Refused()
}

// Units returns the units that the ledger counts.
func (c *Census) Units() uint64 { return c.Accepted + c.Counts.Refused() + c.Counts.Lost }

// Bytes returns the size of all frames.
func (c *Census) Bytes() uint64 { return c.Batches.Bytes + c.Marks.Bytes + c.Cuts.Bytes }

// Producers returns the producers whose batches were read, by ID.
func (c *Census) Producers() []record.Producer {
	list := make([]record.Producer, 0, len(c.producers))
	for _, p := range c.producers {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b record.Producer) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Lanes returns the lanes that have references, rising.
func (c *Census) Lanes() []uint32 { return slices.Sorted(maps.Keys(c.lanes)) }

// Series returns what a lane's reference stands for, nil where its definition
// was not read.
func (c *Census) Series(lane, ref uint32) *admit.Series {
	if refs := c.lanes[lane]; int(ref) < len(refs) {
		return refs[ref]
	}
	return nil
}
