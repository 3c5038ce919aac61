// Package aggregate folds the log's batches into per-series partials: the pure
// half of the daemon.
//
// A Lane is one worker's tables for the open generation; sealing hands them
// over as a Part. The Parts of all lanes and the ordered gauges of one
// generation make a Generation, which merges them, in lane order, into the
// store's points. The live fold and the replay of a log run the same code on
// the same batches, so they end in the same bytes.
//
// Nothing here locks but Ordered, State and the page pool: a Lane belongs to
// one goroutine, a Part is read-only.
package aggregate

import (
	"math"
	"unsafe"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/storage/block"
)

// MaxLate bounds the late slots of one lane's generation. A lane that passes
// it asks for an early mark, so that one sender's history cannot fill memory.
const MaxLate = 100_000

// Options are the settings of the fold. They must not change within a log's
// generation, or replay would differ from the live fold.
type Options struct {
	Resolution int64 // bucket width, milliseconds
	Schema     int   // of new histograms, 3 to 8
}

// Lane folds the batches of one lane.
type Lane struct {
	number     int
	opts       Options
	dict       dict                   // append-only; sealed Parts share it
	spots      []spot                 // of the same references
	cells      [block.NumKinds]uint32 // how many of them each kind of page has
	table      *table
	group      group // scratch
	generation uint64
	bucket     int64
	again      bool      // a generation of the open bucket is sealed already
	follow     *follower // nil while nobody follows
}

// NewLane returns an empty lane in a generation.
func NewLane(number int, o Options, generation uint64, bucket int64) *Lane {
	// The process before may have closed a generation of the same bucket.
	return &Lane{number: number, opts: o, table: newTable(o.Schema), generation: generation, bucket: bucket, again: true}
}

// Generation returns the number of the open generation.
func (l *Lane) Generation() uint64 { return l.generation }

// Define appends the next reference.
func (l *Lane) Define(r Ref) {
	n := &l.cells[pagesOf(r.Type)]
	r.cell = *n
	*n++
	l.dict.add(r)
	l.spots = append(l.spots, spot(wayOf(r))<<cellBits|spot(r.cell))
}

// Refs returns how many references are defined.
func (l *Lane) Refs() int { return l.dict.n }

// Fold adds a logged batch to the open generation. pos is the position of its
// record; definitions must have been given to Define, and ordered changes are
// applied by Ordered, under the log's lock: here they only count. References
// beyond the dictionary are the caller's to refuse.
func (l *Lane) Fold(pos uint64, b *record.Batch) {
	t := l.table
	for rest := b.Samples; len(rest) > 0; {
		n := min(len(rest), foldGroup)
		l.foldGroup(rest[:n], b.At, pos)
		rest = rest[n:]
	}
	for _, s := range b.Timed {
		l.timed(pos, b.At, s)
	}
	t.keep(pos, b.Raw)
	t.values += uint64(len(b.Ordered))
	t.happen(l.number, b)
	t.count(b)
	t.deliver(b)
}

// foldGroup is how many samples are folded together: their cells are fetched from
// memory at the same time, before the first of them is needed.
const foldGroup = 64

// foldGroup sorts the samples by their way first, which keeps the order within
// each series, so that the processor need not guess each sample's.
func (l *Lane) foldGroup(samples []record.Sample, at int64, pos uint64) {
	g := &l.group
	g.n = [ways]int{}
	for i, s := range samples { // alone, so that all of them are on their way at once
		g.spots[i%foldGroup] = l.spots[s.Ref]
	}
	for i, spot := range g.spots[:len(samples)] {
		w := spot.way() % ways
		g.sorted[w][g.n[w]%foldGroup] = pick{spot.cell(), uint32(i)}
		g.n[w]++
	}
	t := l.table
	fetchCells(&t.sketches, g.of(plainHistogram), &g.memory)
	fetchCells(&t.counters, g.of(plainCounter), &g.memory)
	fetchCells(&t.gauges, g.of(plainGauge), &g.memory)
	for _, p := range g.of(plainCounter) {
		if c, v := t.counters.made(p.cell), samples[p.sample].Value; !c.count(v) {
			t.countOdd(c, v)
		}
	}
	t.fetchDistributions(g) // whose cells have come meanwhile
	for _, p := range g.of(plainGauge) {
		t.gauges.made(p.cell).gauge(samples[p.sample].Value, at, pos)
	}
	t.fetchBuckets(g)
	for _, p := range g.of(plainHistogram) {
		t.sample(t.sketches.made(p.cell), samples[p.sample].Value)
	}
	t.values += uint64(len(samples) - g.n[special])
	for _, p := range g.of(special) {
		r := l.dict.at(samples[p.sample].Ref)
		t.values += r.units()
		t.fold(&r, samples[p.sample].Value, 1/r.Rate, at, pos)
	}
}

// group are samples sorted by their way, and what is fetched for them.
type group struct {
	spots  [foldGroup]spot
	sorted [ways][foldGroup]pick
	n      [ways]int
	memory [foldGroup]address
}

// pick is a sample and its reference's cell.
type pick struct{ cell, sample uint32 }

func (g *group) of(w way) []pick { return g.sorted[w][:g.n[w]] }

// fetchCells makes the cells of picks and has the processor fetch them.
func fetchCells[T any](pages *paged[T], picks []pick, memory *[foldGroup]address) {
	for k, p := range picks {
		memory[k%foldGroup] = addressOf(pages.at(p.cell))
	}
	fetch(memory[:len(picks)], unsafe.Sizeof(*new(T)))
}

// fetchDistributions has the processor fetch the values, or the histograms, of a
// group's cells.
func (t *table) fetchDistributions(g *group) {
	picks := g.of(plainHistogram)
	for k, p := range picks {
		g.memory[k%foldGroup] = t.memory(t.sketches.made(p.cell).place)
	}
	fetch(g.memory[:len(picks)], 2*line)
}

// fetchBuckets does the same to the buckets, of those that have a histogram.
func (t *table) fetchBuckets(g *group) {
	n := 0
	for _, p := range g.of(plainHistogram) {
		if s := t.sketches.made(p.cell); s.place != 0 && s.place&isFew == 0 {
			g.memory[n%foldGroup] = addressOf(t.hists.at(s.place).Memory())
			n++
		}
	}
	fetch(g.memory[:n], 2*line)
}

func (l *Lane) timed(pos uint64, at int64, s record.Timed) {
	r := l.dict.at(s.Ref)
	weight := 1 / r.Rate
	if s.Rate > 0 {
		weight = 1 / s.Rate
	}
	bucket := l.bucket
	if s.Time != 0 {
		at, bucket = s.Time, floor(s.Time, l.opts.Resolution)
	}
	l.table.values += r.units()
	if bucket != l.bucket {
		l.table.foldLate(l.table.lateSlot(s.Ref, bucket), &r, s.Value, weight, at, pos)
		return
	}
	l.table.fold(&r, s.Value, weight, at, pos)
}

// Crowded says that the generation holds as many late slots, raw samples, or bytes
// of events, as it may and should be closed early.
func (l *Lane) Crowded() bool {
	return len(l.table.late) >= MaxLate || l.table.raws >= MaxRaw || l.table.eventBytes >= maxEventBytes
}

// Pending returns the units in the open generation and its refused ones.
func (l *Lane) Pending() (values uint64, counts ledger.Counts) {
	return l.table.values, l.table.counts
}

// Seal closes the open generation and opens the given one.
func (l *Lane) Seal(generation uint64, bucket int64) Part {
	p := Part{Lane: l.number, dict: l.dict.frozen(), table: l.table}
	l.again = bucket == l.bucket
	if l.follow != nil {
		l.follow.seal(l, l.again)
	}
	l.table = p.table.next()
	l.generation, l.bucket = generation, bucket
	return p
}

// Reset forgets every reference, as a restart in the log demands. The open
// generation must be empty: seal first.
func (l *Lane) Reset() {
	l.dict, l.spots, l.follow = dict{}, nil, nil
	clear(l.cells[:])
}

// Part is a lane's share of a closed generation, and the lane's dictionary as
// it stood then.
type Part struct {
	Lane  int
	dict  dict
	table *table
}

// Sealed reports whether the lane has handed its part over.
func (p Part) Sealed() bool { return p.table != nil }

// Values returns the units the part holds.
func (p Part) Values() uint64 { return p.table.values }

// Counts returns the units that the lane refused in the generation.
func (p Part) Counts() ledger.Counts { return p.table.counts }

// Refs returns how many references the lane had at the end of the generation.
func (p Part) Refs() int { return p.dict.n }

// EachRef calls f for all of them, from 0, until it returns false.
func (p Part) EachRef(f func(r Ref) bool) { p.dict.each(f) }

func floor(t, step int64) int64 {
	f := t / step * step
	if f > t {
		f -= step
	}
	return f
}

// MemberValue carries a set member's hash through a sample's value.
func MemberValue(hash uint64) float64 { return math.Float64frombits(hash) }

func memberHash(v float64) uint64 { return math.Float64bits(v) }
