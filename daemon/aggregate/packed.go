package aggregate

import (
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"sort"

	"example.com/nexusctl/storage/block"
)

// Packed is what the lanes of one generation hold together, in few bytes. A
// generation that waits for the store, behind others or for the names of its
// series, takes a fifth of the memory that way; its points are the very same.
//
// It has a record for each series and bucket, by series and bucket: how long the
// rest is, the series, the kind, the bucket after the generation's own, and the
// fields of a slot that the kind has, at full precision. Behind a distribution's
// stand its totals and its sketch, behind a set's its sketch. Nothing of it is
// ever written to a disk.
type Packed struct {
	bucket  int64
	from    uint64
	pages   [][]byte  // a record lies in one of them
	strides []strides // by rising series
}

// strides say where the records of some neighbouring series begin.
type strides struct {
	number int64 // of block.ShardSize series
	at     uint32
}

const (
	packedPage = 256 << 10 // several times what a record can take
	maxPacked  = 1 << 14   // pages, for a place has 32 bits
)

// Pack merges the lanes' slots, and leaves the generation as it is. It returns
// nil where there are more than can be packed. Ordered gauges and raw samples are
// none of it.
func (g *Generation) Pack() *Packed {
	p := &Packed{bucket: g.Bucket, from: g.From}
	shards := g.slots(func(series uint32) int64 { return int64(series) })
	sorter, merger := sorter{g: g}, merger{}
	var record []byte
	for _, number := range shards.numbers() {
		p.strides = append(p.strides, strides{number, p.end()})
		for same := range together(sorter.entries(number, shards[number])) {
			sum := merger.sum(same)
			if record = p.record(record[:0], &same[0], &sum, &merger); !p.add(record) {
				return nil
			}
			merger.room = merger.room[:0]
		}
		delete(shards, number)
		runtime.Gosched() // a million series are a second of work, and timers wait for a turn
	}
	if n := len(p.pages); n > 0 {
		p.pages[n-1] = slices.Clip(slices.Clone(p.pages[n-1]))
	}
	return p
}

// end is where the next record would be.
func (p *Packed) end() uint32 {
	n := len(p.pages)
	if n == 0 {
		return 0
	}
	return uint32((n-1)*packedPage + len(p.pages[n-1]))
}

// add appends a record, in full or not at all.
func (p *Packed) add(record []byte) bool {
	const most = packedPage - binary.MaxVarintLen64
	n := len(p.pages)
	if n == 0 || len(p.pages[n-1])+binary.MaxVarintLen64+len(record) > packedPage {
		if n == maxPacked || len(record) > most {
			return false
		}
		p.pages = append(p.pages, make([]byte, 0, packedPage))
		n++
	}
	p.pages[n-1] = append(binary.AppendUvarint(p.pages[n-1], uint64(len(record))), record...)
	return true
}

// record appends what is packed of one series and bucket.
func (p *Packed) record(dst []byte, e *entry, s *slot, m *merger) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(e.id)), byte(e.kind))
	dst = binary.AppendVarint(dst, e.time-p.bucket)
	dst = binary.AppendUvarint(dst, s.n)
	switch e.kind {
	case block.Counter:
		dst = appendFloats(dst, s.sum, s.comp, s.low)
	case block.Gauge:
		dst = appendFloats(dst, s.sum, s.comp, s.low, s.high, s.last)
		dst = binary.AppendVarint(dst, s.at-p.bucket)
		dst = binary.AppendVarint(dst, int64(s.pos-p.from))
	default:
		var totals block.Point
		m.room = m.sketch.finish(&totals, m.room)
		if e.kind == block.Histogram {
			dst = appendFloats(dst, totals.Count, totals.Sum, totals.Min, totals.Max)
		}
		dst = append(dst, totals.Sketch...)
	}
	return dst
}

// appendFloats appends numbers: one of hundredths, as most that are sent are, as
// these, doubled, and any other as 1 and its bits.
func appendFloats(dst []byte, list ...float64) []byte {
	for _, v := range list {
		if n := int64(v * 100); n < 1<<53 && n > -1<<53 && float64(n)/100 == v && !(v == 0 && math.Signbit(v)) {
			dst = binary.AppendUvarint(dst, uint64(n<<1^n>>63)<<1)
			continue
		}
		dst = binary.LittleEndian.AppendUint64(append(dst, 1), math.Float64bits(v))
	}
	return dst
}

// each calls f with the place of every record, its series, kind and bucket.
func (p *Packed) each(f func(at, series uint32, kind block.Kind, bucket int64)) {
	if p == nil {
		return
	}
	for at, record := range p.records(0, p.end()) {
		r := unpacker{b: record}
		series, kind := uint32(r.uvarint()), r.kind()
		f(at, series, kind, p.bucket+r.varint())
	}
}

// records goes through the records that begin in [at, end).
func (p *Packed) records(at, end uint32) func(yield func(at uint32, record []byte) bool) {
	return func(yield func(uint32, []byte) bool) {
		for at < end {
			page, in := p.pages[at/packedPage], at%packedPage
			if int(in) >= len(page) {
				at += packedPage - in
				continue
			}
			n, head := binary.Uvarint(page[in:])
			from := int(in) + head
			if !yield(at, page[from:from+int(n)]) {
				return
			}
			at += uint32(head) + uint32(n)
		}
	}
}

// entry unpacks the record at a place. What the entry holds of a sketch is the
// record's own memory.
func (p *Packed) entry(at uint32) (e entry, s slot) {
	for _, record := range p.records(at, at+1) {
		return p.unpack(record)
	}
	return e, s
}

// packedLane sorts packed slots before every lane.
const packedLane = -1

func (p *Packed) unpack(record []byte) (e entry, s slot) {
	r := unpacker{b: record}
	e.series, e.kind, e.time, e.lane = uint32(r.uvarint()), r.kind(), p.bucket+r.varint(), packedLane
	e.id = int64(e.series)
	s.n = r.uvarint()
	switch e.kind {
	case block.Counter:
		s.sum, s.comp, s.low = r.float(), r.float(), r.float()
	case block.Gauge:
		s.sum, s.comp, s.low, s.high, s.last = r.float(), r.float(), r.float(), r.float(), r.float()
		s.at, s.pos = p.bucket+r.varint(), p.from+uint64(r.varint())
	default:
		e.coded = r.b
	}
	return e, s
}

// slots calls f for every record of the wanted series, which rise.
func (p *Packed) slots(wanted []uint32, f func(e entry, s slot)) {
	for len(wanted) > 0 {
		number := int64(wanted[0]) / block.ShardSize
		n := sort.Search(len(wanted), func(i int) bool { return int64(wanted[i])/block.ShardSize > number })
		p.slotsOf(number, wanted[:n], f)
		wanted = wanted[n:]
	}
}

func (p *Packed) slotsOf(number int64, wanted []uint32, f func(e entry, s slot)) {
	i := sort.Search(len(p.strides), func(i int) bool { return p.strides[i].number >= number })
	if i == len(p.strides) || p.strides[i].number != number {
		return
	}
	end := p.end()
	if i+1 < len(p.strides) {
		end = p.strides[i+1].at
	}
	for _, record := range p.records(p.strides[i].at, end) {
		series, _ := binary.Uvarint(record)
		for len(wanted) > 0 && uint64(wanted[0]) < series {
			wanted = wanted[1:]
		}
		if len(wanted) == 0 {
			return
		}
		if uint64(wanted[0]) == series {
			f(p.unpack(record))
		}
	}
}

// Bytes is how much memory it takes.
func (p *Packed) Bytes() (n int) {
	if p == nil {
		return 0
	}
	for _, page := range p.pages {
		n += cap(page)
	}
	return n + 16*cap(p.strides)
}

// unpacker reads what this file wrote.
type unpacker struct{ b []byte }

func (r *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *unpacker) varint() int64 {
	v, n := binary.Varint(r.b)
	r.b = r.b[n:]
	return v
}

func (r *unpacker) kind() block.Kind {
	k := r.b[0]
	r.b = r.b[1:]
	return block.Kind(k)
}

func (r *unpacker) float() float64 {
	if r.b[0] == 1 {
		v := math.Float64frombits(binary.LittleEndian.Uint64(r.b[1:]))
		r.b = r.b[9:]
		return v
	}
	z := r.uvarint() >> 1
	return float64(int64(z>>1)^-int64(z&1)) / 100
}
