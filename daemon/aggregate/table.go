package aggregate

import (
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// Ref is what a lane's reference stands for.
type Ref struct {
	Series uint32 // the process's index of the series
	Type   protocol.Type
	Rate   float64 // sampling rate, in (0, 1]
	Own    bool    // the daemon's own signal: its values are no units of the ledger

	cell uint32 // its place among the lane's references of its kind
}

// units returns what a value counts in the ledger.
func (r *Ref) units() uint64 {
	if r.Own {
		return 0
	}
	return 1
}

// spot says how a reference's samples are folded, and where, in four bytes: all
// references' spots fit the processor's caches, where their Refs do not.
type spot uint32

const cellBits = 27 // of a spot, and of a reference in the dictionary; of a spot the rest is the way

func (s spot) way() way     { return way(s >> cellBits) }
func (s spot) cell() uint32 { return uint32(s) & (1<<cellBits - 1) }

// way is how samples are folded. Whatever is not plain is looked up in the Ref.
type way uint8

const (
	special way = iota // weighted, the daemon's own, a set
	plainCounter
	plainGauge
	plainHistogram
	ways // how many there are
)

func wayOf(r Ref) way {
	if r.Own || r.Rate != 1 {
		return special
	}
	switch kindOf(r.Type) {
	case block.Counter:
		return plainCounter
	case block.Gauge:
		return plainGauge
	case block.Histogram:
		return plainHistogram
	}
	return special
}

// pagesOf returns in which pages a type's cells are: sets are among histograms.
func pagesOf(t protocol.Type) block.Kind {
	if k := kindOf(t); k != block.Set {
		return k
	}
	return block.Histogram
}

// kindOf returns how values of a type are kept.
func kindOf(t protocol.Type) block.Kind {
	switch {
	case t == protocol.Counter:
		return block.Counter
	case t == protocol.Gauge:
		return block.Gauge
	case t == protocol.Set:
		return block.Set
	default:
		return block.Histogram
	}
}

// table is what one lane gathered in one generation. A sealed table never
// changes and may be read by anyone.
type table struct {
	counters paged[counter] // of references, by their cell
	gauges   paged[slot]
	sketches paged[sketched]
	odds     numbered[odd] // of counters that need one
	few      few           // distributions of few values
	hists    histograms
	schema   int // of new histograms
	sets     []*histogram.Set
	late     map[lateKey]*slot // samples whose own time lies in another bucket
	raw      map[uint32][]rawSample
	raws     int // samples in raw

	senders map[string]*record.Producer // of acked sessions: the last batch, and the units of this generation
	keys    []record.Key

	events     []Event
	eventBytes int

	values uint64 // units folded, the pending term of the ledger
	counts ledger.Counts
}

// histograms are a table's histograms: counted ones, which spares each a pointer,
// and each sample the wait for it.
type histograms struct{ numbered[histogram.Histogram] }

func (h *histograms) add(schema int) (place uint64) {
	place = h.next(&histPages)
	h.at(place).Reset(schema)
	return place
}

// release gives the pages back. What the histograms point to is given up but for few
// bytes each: most of them take as many again in the next generation.
func (h *histograms) release() {
	for _, page := range h.pages {
		for i := range page {
			page[i].Reset(0)
		}
		histPages.put(page)
	}
	*h = histograms{}
}

type lateKey struct {
	ref    uint32
	bucket int64
}

func newTable(schema int) *table {
	return &table{schema: schema, counters: paged[counter]{pool: &counterPages}, gauges: paged[slot]{pool: &gaugePages}, sketches: paged[sketched]{pool: &sketchPages}}
}

// next returns an empty table for the references of t.
func (t *table) next() *table {
	return &table{schema: t.schema, counters: t.counters.like(), gauges: t.gauges.like(), sketches: t.sketches.like()}
}

// slot returns what a reference gathered; its n is 0 where nothing came.
func (t *table) slot(r *Ref) slot { return t.slotOf(kindOf(r.Type), r.cell) }

func (t *table) slotOf(kind block.Kind, cell uint32) slot {
	switch kind {
	case block.Counter:
		if c := t.counters.peek(cell); c != nil {
			return t.counterSlot(c)
		}
	case block.Gauge:
		if s := t.gauges.peek(cell); s != nil {
			return *s
		}
	default:
		if s := t.sketches.peek(cell); s != nil {
			return s.slot()
		}
	}
	return slot{}
}

// cell is where a reference's slot is; 0 where its page was never touched.
func (t *table) cell(kind block.Kind, cell uint32) address {
	switch kind {
	case block.Counter:
		return addressOf(t.counters.peek(cell))
	case block.Gauge:
		return addressOf(t.gauges.peek(cell))
	}
	return addressOf(t.sketches.peek(cell))
}

// has says that something came for a reference.
func (t *table) has(r *Ref) bool {
	switch kindOf(r.Type) {
	case block.Counter:
		c := t.counters.peek(r.cell)
		return c != nil && c.n > 0
	case block.Gauge:
		s := t.gauges.peek(r.cell)
		return s != nil && s.n > 0
	}
	s := t.sketches.peek(r.cell)
	return s != nil && s.n > 0
}

func (t *table) lateSlot(ref uint32, bucket int64) *slot {
	k := lateKey{ref, bucket}
	s := t.late[k]
	if s == nil {
		if t.late == nil {
			t.late = map[lateKey]*slot{}
		}
		s = new(slot)
		t.late[k] = s
	}
	return s
}

// fold adds one value to a reference's cell; what it counts in the ledger is for
// the caller.
func (t *table) fold(r *Ref, v, weight float64, at int64, pos uint64) {
	switch kindOf(r.Type) {
	case block.Counter:
		if c := t.counters.at(r.cell); !c.count(v * weight) {
			t.countOdd(c, v*weight)
		}
	case block.Gauge:
		t.gauges.at(r.cell).gauge(v, at, pos)
	default:
		s := t.sketches.at(r.cell)
		if r.Type != protocol.Set && weight == 1 {
			t.sample(s, v)
			return
		}
		t.sketch(&s.place, s.n, r, v, weight)
		s.n++
	}
}

// foldLate does the same to a slot of another bucket.
func (t *table) foldLate(s *slot, r *Ref, v, weight float64, at int64, pos uint64) {
	switch kindOf(r.Type) {
	case block.Counter:
		s.count(v * weight)
	case block.Gauge:
		s.gauge(v, at, pos)
	default:
		t.sketch(&s.pos, s.n, r, v, weight)
		s.n++
	}
}

// sketch adds a value of any weight to a distribution, or to a set, which had n.
func (t *table) sketch(place *uint64, n uint64, r *Ref, v, weight float64) {
	if r.Type == protocol.Set {
		t.set(place).AddHash(memberHash(v))
		return
	}
	t.spread(place, n).Add(v, weight)
}

func (t *table) set(place *uint64) *histogram.Set {
	if *place == 0 {
		t.sets = append(t.sets, histogram.NewSet())
		*place = uint64(len(t.sets))
	}
	return t.sets[*place-1]
}

func (t *table) count(b *record.Batch) {
	for i, n := range b.Rejected {
		t.counts.Rejected[i] += uint64(n)
	}
	for i, n := range b.Shed {
		t.counts.Shed[i] += n
	}
	t.counts.Duplicates += b.Duplicates
	t.counts.Lost += b.Lost
}

// deliver keeps who sent the batch, where it can be sent again.
func (t *table) deliver(b *record.Batch) {
	if len(b.Session.Producer) > 0 {
		p := t.senders[string(b.Session.Producer)]
		if p == nil {
			if t.senders == nil {
				t.senders = map[string]*record.Producer{}
			}
			p = &record.Producer{ID: string(b.Session.Producer)}
			t.senders[p.ID] = p
		}
		p.Epoch, p.Seq, p.Seen = b.Session.Epoch, b.Session.Seq, b.At
		p.Accepted += b.Values()
		p.Rejected += b.Refused()
	}
	if b.Claim != (record.Claim{}) {
		t.keys = append(t.keys, record.Key{Claim: b.Claim, At: b.At, Accepted: b.Values(), Rejected: b.Refused()})
	}
}

// withoutSlots returns a table with everything but slots, and gives their pages back.
// This one must not be read any more.
func (t *table) withoutSlots() *table {
	rest := newTable(t.schema)
	rest.raw, rest.raws, rest.senders, rest.keys = t.raw, t.raws, t.senders, t.keys
	rest.events, rest.eventBytes, rest.values, rest.counts = t.events, t.eventBytes, t.values, t.counts
	t.release()
	return rest
}

// release gives the pages back. The table must not be read any more.
func (t *table) release() {
	t.counters.release()
	t.gauges.release()
	t.sketches.release()
	t.odds.release(&oddPages)
	t.few.release()
	t.hists.release()
	t.sets, t.late, t.raw = nil, nil, nil
	t.senders, t.keys, t.events = nil, nil, nil
}
