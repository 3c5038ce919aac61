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

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
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
	dict       []Ref // append-only; sealed Parts share it
	ways       []way // of the same references
	table      *table
	generation uint64
	bucket     int64
	again      bool      // a generation of the open bucket is sealed already
	follow     *follower // nil while nobody follows
}

// NewLane returns an empty lane in a generation.
func NewLane(number int, o Options, generation uint64, bucket int64) *Lane {
	// The process before may have closed a generation of the same bucket.
	return &Lane{number: number, opts: o, table: new(table), generation: generation, bucket: bucket, again: true}
}

// Generation returns the number of the open generation.
func (l *Lane) Generation() uint64 { return l.generation }

// Define appends the next reference.
func (l *Lane) Define(r Ref) {
	l.dict = append(l.dict, r)
	l.ways = append(l.ways, wayOf(r))
}

// Refs returns how many references are defined.
func (l *Lane) Refs() int { return len(l.dict) }

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

// foldGroup is how many samples are folded together: their slots are fetched from
// memory at the same time, before the first of them is needed.
const foldGroup = 64

// foldGroup sorts the samples by their way first, which keeps the order within
// each series, so that the processor need not guess each sample's.
func (l *Lane) foldGroup(samples []record.Sample, at int64, pos uint64) {
	t := l.table
	var slots [foldGroup]*slot
	var sorted [ways][foldGroup]uint8
	var n [ways]int
	for i, s := range samples {
		slots[i] = t.slot(s.Ref)
		t.touched += slots[i].n // the sum keeps the read from being left out
		w := l.ways[s.Ref] % ways
		sorted[w][n[w]%foldGroup] = uint8(i)
		n[w]++
	}
	for _, i := range sorted[plainCounter][:n[plainCounter]] {
		slots[i%foldGroup].count(samples[i].Value)
	}
	for _, i := range sorted[plainGauge][:n[plainGauge]] {
		slots[i%foldGroup].gauge(samples[i].Value, at, pos)
	}
	for _, i := range sorted[plainHistogram][:n[plainHistogram]] {
		s := slots[i%foldGroup]
		s.n++
		t.histogram(s, l.opts.Schema).Add(samples[i].Value, 1)
	}
	t.values += uint64(len(samples) - n[special])
	for _, i := range sorted[special][:n[special]] {
		r := &l.dict[samples[i].Ref]
		t.values += r.units()
		t.fold(slots[i%foldGroup], r, samples[i].Value, 1/r.Rate, at, pos, l.opts.Schema)
	}
}

func (l *Lane) timed(pos uint64, at int64, s record.Timed) {
	r := &l.dict[s.Ref]
	weight := 1 / r.Rate
	if s.Rate > 0 {
		weight = 1 / s.Rate
	}
	bucket := l.bucket
	if s.Time != 0 {
		at, bucket = s.Time, floor(s.Time, l.opts.Resolution)
	}
	dst := l.table.slot
	if bucket != l.bucket {
		dst = func(ref uint32) *slot { return l.table.lateSlot(ref, bucket) }
	}
	l.table.values += r.units()
	l.table.fold(dst(s.Ref), r, s.Value, weight, at, pos, l.opts.Schema)
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
	p := Part{Lane: l.number, dict: l.dict[:len(l.dict):len(l.dict)], table: l.table}
	l.again = bucket == l.bucket
	if l.follow != nil {
		l.follow.seal(l, l.again)
	}
	l.table = &table{pages: make([]*page, 0, len(p.table.pages))}
	l.generation, l.bucket = generation, bucket
	return p
}

// Reset forgets every reference, as a restart in the log demands. The open
// generation must be empty: seal first.
func (l *Lane) Reset() { l.dict, l.ways, l.follow = nil, nil, nil }

// Part is a lane's share of a closed generation, and the lane's dictionary as
// it stood then.
type Part struct {
	Lane  int
	dict  []Ref
	table *table
}

// Sealed reports whether the lane has handed its part over.
func (p Part) Sealed() bool { return p.table != nil }

// Values returns the units the part holds.
func (p Part) Values() uint64 { return p.table.values }

// Counts returns the units that the lane refused in the generation.
func (p Part) Counts() ledger.Counts { return p.table.counts }

// Dict returns the lane's references at the end of the generation.
func (p Part) Dict() []Ref { return p.dict }

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
