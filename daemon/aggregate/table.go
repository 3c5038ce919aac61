package aggregate

import (
	"sync"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

const pageSlots = 256

type page [pageSlots]slot

var pagePool = sync.Pool{New: func() any { return new(page) }}

// Ref is what a lane's reference stands for.
type Ref struct {
	Series uint32 // the process's index of the series
	Type   protocol.Type
	Rate   float64 // sampling rate, in (0, 1]
	Own    bool    // the daemon's own signal: its values are no units of the ledger
	weight float64 // 1/Rate, kept because a division a sample is dear
	units  uint64  // of the ledger, a value: 0 or 1
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
	pages []*page // by reference; nil where nothing was touched
	hists []*histogram.Histogram
	sets  []*histogram.Set
	late  map[lateKey]*slot // samples whose own time lies in another bucket
	raw   map[uint32][]rawSample
	raws  int // samples in raw

	senders map[string]*record.Producer // of acked sessions: the last batch, and the units of this generation
	keys    []record.Key

	values uint64 // units folded, the pending term of the ledger
	counts ledger.Counts
}

type lateKey struct {
	ref    uint32
	bucket int64
}

func (t *table) slot(ref uint32) *slot {
	p := int(ref / pageSlots)
	for p >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[p] == nil {
		t.pages[p] = pagePool.Get().(*page)
	}
	return &t.pages[p][ref%pageSlots]
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

// fold adds one value to a slot.
func (t *table) fold(s *slot, r *Ref, v, weight float64, at int64, pos uint64, schema int) {
	t.values += r.units
	switch kindOf(r.Type) {
	case block.Counter:
		s.count(v * weight)
	case block.Gauge:
		s.gauge(v, at, pos)
	case block.Histogram:
		s.n++
		t.histogram(s, schema).Add(v, weight)
	case block.Set:
		s.n++
		t.set(s).AddHash(memberHash(v))
	}
}

func (t *table) histogram(s *slot, schema int) *histogram.Histogram {
	if s.pos == 0 {
		t.hists = append(t.hists, histogram.New(schema))
		s.pos = uint64(len(t.hists))
	}
	return t.hists[s.pos-1]
}

func (t *table) set(s *slot) *histogram.Set {
	if s.pos == 0 {
		t.sets = append(t.sets, histogram.NewSet())
		s.pos = uint64(len(t.sets))
	}
	return t.sets[s.pos-1]
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

// release gives the pages back. The table must not be read any more.
func (t *table) release() {
	for _, p := range t.pages {
		if p != nil {
			*p = page{}
			pagePool.Put(p)
		}
	}
	t.pages, t.hists, t.sets, t.late, t.raw, t.senders, t.keys = nil, nil, nil, nil, nil, nil, nil
}
