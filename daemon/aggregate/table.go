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
}

// units returns what a value counts in the ledger.
func (r *Ref) units() uint64 {
	if r.Own {
		return 0
	}
	return 1
}

// way is how a reference's samples are folded, in a byte: all references' ways
// fit the processor's caches, where their Refs do not. Whatever is not plain is
// looked up in the Ref.
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
	hists histograms
	sets  []*histogram.Set
	late  map[lateKey]*slot // samples whose own time lies in another bucket
	raw   map[uint32][]rawSample
	raws  int // samples in raw

	senders map[string]*record.Producer // of acked sessions: the last batch, and the units of this generation
	keys    []record.Key

	events     []Event
	eventBytes int

	values  uint64 // units folded, the pending term of the ledger
	counts  ledger.Counts
	touched uint64 // means nothing
}

// histograms are a table's histograms, counted from 1, in pages: that spares each
// a pointer, and each sample the wait for it.
type histograms struct {
	pages []*[histPage]histogram.Histogram
	n     uint64
}

const histPage = 32

func (h *histograms) add(schema int) (place uint64) {
	if h.n%histPage == 0 {
		h.pages = append(h.pages, new([histPage]histogram.Histogram))
	}
	h.n++
	*h.at(h.n) = histogram.Make(schema)
	return h.n
}

func (h *histograms) at(place uint64) *histogram.Histogram {
	return &h.pages[(place-1)/histPage][(place-1)%histPage]
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

// fold adds one value to a slot; what it counts in the ledger is for the caller.
func (t *table) fold(s *slot, r *Ref, v, weight float64, at int64, pos uint64, schema int) {
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
		s.pos = t.hists.add(schema)
	}
	return t.hists.at(s.pos)
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
	t.pages, t.hists, t.sets, t.late, t.raw = nil, histograms{}, nil, nil, nil
	t.senders, t.keys, t.events = nil, nil, nil
}
