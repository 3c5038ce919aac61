package aggregate

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// world has a few series of every type, and lanes that know them by references
// of their own.
type world struct {
	lanes []*Lane
	refs  [][]Ref
	state *State
	model *model
	pos   uint64
	// turned are the gauges that have seen a delta: all their later changes
	// are ordered, as the lanes' admission sees to.
	turned map[uint32]bool
	order  *Ordered
	number uint64
	bucket int64
	from   uint64
	counts ledger.Counts
}

var seriesTypes = []protocol.Type{
	protocol.Counter, protocol.Gauge, protocol.Set, protocol.Histogram, protocol.Counter,
	protocol.Gauge, protocol.Gauge, protocol.Timer, protocol.Distribution, protocol.Counter,
}

// ownSeries is the daemon's own among them.
const ownSeries = 9

// idOf spreads the series over several shards, against their order.
func idOf(series uint32) int64 { return 160_000 - 313*int64(series) }

func newWorld(t *rapid.T) *world {
	w := &world{state: NewState(), model: newModel(), turned: map[uint32]bool{}}
	w.enter(record.Mark{Generation: 1, Bucket: firstTime})
	for l := range rapid.IntRange(1, 3).Draw(t, "lanes") {
		lane := NewLane(l, options, w.number, w.bucket)
		w.lanes, w.refs = append(w.lanes, lane), append(w.refs, nil)
		// Some lanes have known many series before: their references lie on
		// further pages.
		for range rapid.SampledFrom([]int{0, 3, pageCells - 2, 3*pageCells + 1}).Draw(t, "known before") {
			w.define(l, Ref{Series: 500, Type: protocol.Counter, Rate: 1})
		}
		for _, i := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}).Draw(t, "order") {
			w.define(l, Ref{Series: uint32(i), Type: seriesTypes[i], Rate: 1, Own: i == ownSeries})
			if typ := seriesTypes[i]; typ != protocol.Gauge && typ != protocol.Set {
				w.define(l, Ref{Series: uint32(i), Type: typ, Rate: 0.25, Own: i == ownSeries})
			}
		}
	}
	return w
}

func (w *world) define(lane int, r Ref) {
	w.lanes[lane].Define(r)
	w.refs[lane] = append(w.refs[lane], r)
}

func (w *world) enter(m record.Mark) {
	w.number, w.bucket, w.order, w.counts = m.Generation, m.Bucket, NewOrdered(), ledger.Counts{}
	w.model.open(m.Bucket)
}

// batch makes a record of one lane and folds it everywhere. Values are
// multiples of 1/4 and weights powers of two, so that every sum is exact in
// whatever order it is made.
func (w *world) batch(t *rapid.T) {
	lane := rapid.IntRange(0, len(w.lanes)-1).Draw(t, "lane")
	w.pos += uint64(rapid.IntRange(1, 100).Draw(t, "bytes"))
	b := &record.Batch{Lane: uint32(lane), At: firstTime + int64(w.pos)}
	for range rapid.IntRange(1, 8).Draw(t, "values") {
		w.value(t, b, lane)
	}
	b.Rejected[protocol.Syntax] = uint32(rapid.IntRange(0, 2).Draw(t, "rejected"))
	b.Shed[protocol.ShedDisk] = uint64(rapid.IntRange(0, 2).Draw(t, "shed"))
	b.Duplicates = uint64(rapid.IntRange(0, 1).Draw(t, "duplicates"))
	w.counts.Rejected[protocol.Syntax] += uint64(b.Rejected[protocol.Syntax])
	w.counts.Shed[protocol.ShedDisk] += b.Shed[protocol.ShedDisk]
	w.counts.Duplicates += b.Duplicates
	w.order.Apply(b, func(ref uint32) uint32 { return w.refs[lane][ref].Series })
	w.lanes[lane].Fold(w.pos, b)
	w.model.batch(b, w.refs[lane])
}

func (w *world) value(t *rapid.T, b *record.Batch, lane int) {
	ref := uint32(rapid.IntRange(0, len(w.refs[lane])-1).Draw(t, "ref"))
	r := w.refs[lane][ref]
	v := float64(rapid.IntRange(-400, 400).Draw(t, "value")) / 4
	switch r.Type {
	case protocol.Set:
		v = MemberValue(histogram.HashMember([]byte{byte(rapid.IntRange(0, 40).Draw(t, "member"))}))
	case protocol.Timer:
		v = math.Abs(v)
	}
	timed := record.Timed{Ref: ref, Value: v}
	if rapid.IntRange(0, 3).Draw(t, "timed") == 0 {
		timed.Time = w.bucket + resolution*int64(rapid.IntRange(-2, 1).Draw(t, "late")) + int64(rapid.IntRange(0, resolution-1).Draw(t, "ms"))
	}
	if r.Type != protocol.Gauge && rapid.IntRange(0, 5).Draw(t, "odd rate") == 0 {
		timed.Rate = 0.125
	}
	elsewhere := timed.Time != 0 && floor(timed.Time, resolution) != w.bucket
	if r.Type == protocol.Gauge && !elsewhere && (w.turned[r.Series] || rapid.IntRange(0, 9).Draw(t, "delta") == 0) {
		// Samples of the batch that precede a first delta move along with it.
		w.turn(b, lane, r.Series)
		b.Ordered = append(b.Ordered, record.Ordered{Ref: ref, Value: v, Delta: rapid.Bool().Draw(t, "is delta")})
		return
	}
	if timed.Time != 0 || timed.Rate != 0 {
		b.Timed = append(b.Timed, timed)
		return
	}
	b.Samples = append(b.Samples, record.Sample{Ref: ref, Value: v})
}

func (w *world) turn(b *record.Batch, lane int, series uint32) {
	w.turned[series] = true
	b.Samples = slices.DeleteFunc(b.Samples, func(s record.Sample) bool { return w.refs[lane][s.Ref].Series == series })
	b.Timed = slices.DeleteFunc(b.Timed, func(s record.Timed) bool {
		return w.refs[lane][s.Ref].Series == series && floor(s.Time, resolution) == w.bucket
	})
}

// refsOf returns every reference of a lane.
func (w *world) refsOf(lane int) []uint32 {
	all := make([]uint32, len(w.refs[lane]))
	for i := range all {
		all[i] = uint32(i)
	}
	return all
}

func (w *world) seal(next record.Mark) *Generation {
	g := &Generation{Number: w.number, Bucket: w.bucket, Next: next, From: w.from, To: w.pos, Ordered: w.order}
	for _, l := range w.lanes {
		g.Parts = append(g.Parts, l.Seal(next.Generation, next.Bucket))
	}
	w.from = w.pos
	return g
}

// TestGenerationsAgreeWithTheModel folds random batches through several lanes
// and generations, and reads them in every way there is: as the open window,
// as sealed parts, as the points of a flush.
func TestGenerationsAgreeWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 4).Draw(t, "generations") {
			for range rapid.IntRange(0, 12).Draw(t, "batches") {
				w.batch(t)
			}
			w.check(t)
		}
	})
}

// check compares the open generation, closes it, compares it again and opens
// the next.
func (w *world) check(t *rapid.T) {
	want := w.model.points(idOf)
	open := Unflushed{Number: w.number, Bucket: w.bucket, Ordered: w.order}
	bare := open
	pending, counts := uint64(0), ledger.Counts{}
	for i, l := range w.lanes {
		if l.Generation() != w.number || l.Refs() != len(w.refs[i]) {
			t.Fatalf("lane %d is in generation %d with %d references", i, l.Generation(), l.Refs())
		}
		open.Views = append(open.Views, l.View(w.refsOf(i), Whole))
		bare.Views = append(bare.Views, l.View(w.refsOf(i), Totals))
		n, c := l.Pending()
		pending += n
		counts.Add(&c)
	}
	w.compareRead(t, "open", open, Whole, want)
	w.compareRead(t, "open, totals alone", bare, Totals, want)
	if pending != w.model.units || counts != w.counts {
		t.Fatalf("%d units pending and %+v, want %d and %+v", pending, counts, w.model.units, w.counts)
	}
	next := record.Mark{Generation: w.number + 1, Bucket: firstTime + resolution*int64(rapid.IntRange(0, 3).Draw(t, "bucket"))}
	g := w.seal(next)
	w.compareSealed(t, g, want)
	if rapid.Bool().Draw(t, "packed") {
		g.Replace(g.Pack())
		w.compareSealed(t, g, want)
	}
	g.Advance(w.state)
	for i, v := range w.model.gauges {
		if got := w.state.Last(i); got != v {
			t.Fatalf("gauge %d stands at %v, want %v", i, got, v)
		}
	}
	g.Release()
	w.enter(next)
}

func (w *world) compareSealed(t *rapid.T, g *Generation, want []block.Point) {
	got, err := gather(g, idOf, w.state)
	if err == nil {
		err = equalPoints(got, want)
	}
	if err != nil {
		t.Fatal(err)
	}
	if g.Values() != w.model.units || g.Counts() != w.counts {
		t.Fatalf("the generation holds %d units and %+v, want %d and %+v", g.Values(), g.Counts(), w.model.units, w.counts)
	}
	touched, stored := map[int64]bool{}, map[int64]bool{}
	g.Series(func(i uint32) { touched[idOf(i)] = true })
	for _, p := range want {
		stored[p.Series] = true
	}
	if !maps.Equal(touched, stored) {
		t.Fatalf("series %v are to be named, %v have points", sortedKeys(touched), sortedKeys(stored))
	}
	sealed := Unflushed{Number: g.Number, Bucket: g.Bucket, Parts: g.Parts, Packed: g.Packed, Ordered: g.Ordered}
	w.compareRead(t, "sealed", sealed, Whole, want)
	w.compareRead(t, "sealed, totals alone", sealed, Totals, want)
}

// compareRead reads every series and expects what a flush would store; where totals
// are enough, distributions without their sketches.
func (w *world) compareRead(t *rapid.T, what string, u Unflushed, d Detail, want []block.Point) {
	if d == Totals {
		want = slices.Clone(want)
		for i := range want {
			if want[i].Kind == block.Histogram {
				want[i].Sketch = nil
			}
		}
	}
	series := []uint32{500}
	for i := range seriesTypes {
		series = append(series, uint32(i))
	}
	var got []block.Point
	read := Read([]Unflushed{u}, series, w.refsOf, w.state, d)
	for _, i := range sortedKeys(read) {
		for _, p := range read[i] {
			p.Series = idOf(i)
			got = append(got, p)
		}
	}
	slices.SortStableFunc(got, func(a, b block.Point) int { return int(a.Series - b.Series) })
	if err := equalPoints(got, want); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestReadCarriesGaugesOverGenerations reads a sealed generation and the open
// one behind it: a delta in the second goes on from the first's last value.
func TestReadCarriesGaugesOverGenerations(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	l.Define(Ref{Series: 0, Type: protocol.Gauge, Rate: 1})
	state := NewState()
	state.Set(0, 1000)
	l.Fold(10, &record.Batch{At: 1, Samples: []record.Sample{{Ref: 0, Value: 5}}})
	first := Unflushed{Number: 1, Bucket: firstTime, Parts: []Part{l.Seal(2, firstTime+resolution)}, Ordered: NewOrdered()}
	b := &record.Batch{At: 2, Ordered: []record.Ordered{{Ref: 0, Delta: true, Value: 2}}}
	second := Unflushed{Number: 2, Bucket: firstTime + resolution, Ordered: NewOrdered()}
	second.Ordered.Apply(b, func(uint32) uint32 { return 0 })
	l.Fold(20, b)
	second.Views = []View{l.View([]uint32{0}, Whole)}
	got := Read([]Unflushed{first, second}, []uint32{0}, func(int) []uint32 { return []uint32{0} }, state, Whole)[0]
	if len(got) != 2 || got[0].Last != 5 || got[1].Last != 7 || got[1].LastAt != 2 {
		t.Errorf("%+v, want 5 and then 7", got)
	}
	if state.Last(0) != 1000 {
		t.Error("reading moves the state")
	}
}

// TestReadOfAFewCostsAFew reads a gauge whose index is high: a daemon of a million
// series is asked for single ones all the time.
func TestReadOfAFewCostsAFew(t *testing.T) {
	cost := func(i uint32) int64 {
		g := []Unflushed{{Number: 1, Bucket: firstTime, Ordered: NewOrdered()}}
		g[0].Ordered.Apply(&record.Batch{At: 1, Ordered: []record.Ordered{{Value: 1}}}, func(uint32) uint32 { return i })
		state := NewState()
		state.Set(i, 1)
		return testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				Read(g, []uint32{i}, nil, state, Whole)
			}
		}).AllocedBytesPerOp()
	}
	if low, high := cost(0), cost(1<<20); high > 2*low {
		t.Errorf("a read takes %d bytes at index 0 and %d at a million", low, high)
	}
}

// TestViewStandsStill takes a view and goes on folding: the view must not see
// what came later.
func TestViewStandsStill(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	refs := []uint32{0, 1, 2, 3}
	for i, typ := range []protocol.Type{protocol.Counter, protocol.Gauge, protocol.Histogram, protocol.Set} {
		l.Define(Ref{Series: uint32(i), Type: typ, Rate: 1})
	}
	fold := func(pos uint64, v float64) {
		b := &record.Batch{At: int64(pos)}
		for _, ref := range refs {
			b.Samples = append(b.Samples, record.Sample{Ref: ref, Value: v})
			b.Timed = append(b.Timed, record.Timed{Ref: ref, Value: v, Time: firstTime - resolution})
		}
		l.Fold(pos, b)
	}
	read := func(v View) map[uint32][]block.Point {
		return Read([]Unflushed{{Number: 1, Bucket: v.Bucket, Views: []View{v}, Ordered: NewOrdered()}}, refs, nil, NewState(), Whole)
	}
	fold(1, 3)
	view := l.View(refs, Whole)
	before := read(view)
	fold(2, 8)
	after := read(view)
	for _, ref := range refs {
		if len(before[ref]) != 2 {
			t.Fatalf("series %d has %d points, want one in each bucket", ref, len(before[ref]))
		}
		if err := equalPoints(after[ref], before[ref]); err != nil {
			t.Errorf("series %d: %v", ref, err)
		}
		if now := read(l.View(refs, Whole)); equalPoints(now[ref], before[ref]) == nil {
			t.Errorf("series %d: a fresh view does not see the second batch", ref)
		}
	}
}

// TestReleaseLeavesNothing looks at the very pages that go back to the pool.
func TestReleaseLeavesNothing(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	b := &record.Batch{At: 1}
	for i := range 3 * pageCells {
		l.Define(Ref{Series: uint32(i), Type: []protocol.Type{protocol.Counter, protocol.Histogram, protocol.Gauge}[i%3], Rate: 0.5})
		b.Samples = append(b.Samples, record.Sample{Ref: uint32(i), Value: float64(i)})
	}
	l.Fold(7, b)
	part := l.Seal(2, firstTime)
	counters, gauges, sketches := slices.Clone(part.table.counters.pages), slices.Clone(part.table.gauges.pages), slices.Clone(part.table.sketches.pages)
	g := &Generation{Number: 1, Bucket: firstTime, Parts: []Part{part}, Ordered: NewOrdered()}
	if part.Refs() != 3*pageCells || !part.Sealed() {
		t.Fatalf("%d references, sealed %v", part.Refs(), part.Sealed())
	}
	g.Release()
	for i := range counters {
		if *counters[i] != ([pageCells]counter{}) || *gauges[i] != ([pageCells]slot{}) || *sketches[i] != ([pageCells]sketched{}) {
			t.Errorf("page %d goes back with something on it", i)
		}
	}
	if points, err := gather(g, idOf, NewState()); err != nil || len(points) != 0 {
		t.Errorf("a released generation has points: %v, %v", points, err)
	}
	if g.Values() != uint64(len(b.Samples)) || g.Parts[0].Refs() != 3*pageCells {
		t.Error("what a checkpoint and the ledger need does not outlive the pages")
	}
}

// TestSealedPartsKeepTheirDictionary defines further references behind a seal:
// the part that is on its way to the store must not see them.
func TestSealedPartsKeepTheirDictionary(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	l.Define(Ref{Series: 1, Type: protocol.Counter, Rate: 1})
	part := l.Seal(2, firstTime)
	l.Define(Ref{Series: 2, Type: protocol.Counter, Rate: 1})
	if part.Refs() != 1 || part.dict.at(0).Series != 1 || l.Refs() != 2 {
		t.Errorf("part %d, lane %d references", part.Refs(), l.Refs())
	}
	l.Seal(3, firstTime)
	l.Reset()
	l.Define(Ref{Series: 3, Type: protocol.Counter, Rate: 1})
	if part.dict.at(0).Series != 1 || l.Refs() != 1 {
		t.Errorf("after a restart: part %d, lane %d references", part.Refs(), l.Refs())
	}
}

// TestLateBuckets puts samples with a time of their own into their own buckets
// and keeps them from moving what stands now.
func TestLateBuckets(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	l.Define(Ref{Series: 0, Type: protocol.Gauge, Rate: 1})
	l.Define(Ref{Series: 1, Type: protocol.Counter, Rate: 0.5})
	l.Fold(1, &record.Batch{At: firstTime + 5, Samples: []record.Sample{{Ref: 0, Value: 1}}})
	l.Fold(2, &record.Batch{At: firstTime + 6, Timed: []record.Timed{
		{Ref: 0, Time: firstTime - 1, Value: 99},                            // the bucket before
		{Ref: 0, Time: firstTime + resolution, Value: 98},                   // the one to come
		{Ref: 0, Time: firstTime + resolution - 1, Value: 2},                // the open one
		{Ref: 1, Time: firstTime - resolution, Value: 3},                    // at the reference's rate
		{Ref: 1, Time: firstTime - resolution + 1, Rate: 0.25, Value: 1},    // at its own
		{Ref: 1, Rate: 0.25, Value: 1},                                      // now
		{Ref: 0, Time: firstTime - 24*3600_000 - 1, Value: -7},              // a day ago
		{Ref: 0, Time: firstTime - 24*3600_000 - resolution + 1, Value: -8}, // in that bucket
	}})
	g := &Generation{Number: 1, Bucket: firstTime, Parts: []Part{l.Seal(2, firstTime+resolution)}, Ordered: NewOrdered()}
	state := NewState()
	got, err := gather(g, func(i uint32) int64 { return int64(i) }, state)
	if err != nil {
		t.Fatal(err)
	}
	day := int64(firstTime - 24*3600_000 - resolution)
	want := []block.Point{
		{Series: 0, Time: day, Kind: block.Gauge, N: 2, Sum: -15, Min: -8, Max: -7, Last: -8, LastAt: day + 1},
		{Series: 0, Time: firstTime - resolution, Kind: block.Gauge, N: 1, Sum: 99, Min: 99, Max: 99, Last: 99, LastAt: firstTime - 1},
		{Series: 0, Time: firstTime, Kind: block.Gauge, N: 2, Sum: 3, Min: 1, Max: 2, Last: 2, LastAt: firstTime + resolution - 1},
		{Series: 0, Time: firstTime + resolution, Kind: block.Gauge, N: 1, Sum: 98, Min: 98, Max: 98, Last: 98, LastAt: firstTime + resolution},
		{Series: 1, Time: firstTime - resolution, Kind: block.Counter, N: 2, Sum: 10},
		{Series: 1, Time: firstTime, Kind: block.Counter, N: 1, Sum: 4},
	}
	if err := equalPoints(got, want); err != nil {
		t.Error(err)
	}
	g.Advance(state)
	if state.Last(0) != 2 {
		t.Errorf("the gauge goes on from %v: history has moved it", state.Last(0))
	}
}

// TestCrowded asks for an early end of the generation exactly when it holds as
// many late slots as it may.
func TestCrowded(t *testing.T) {
	l := NewLane(0, options, 1, firstTime)
	l.Define(Ref{Series: 0, Type: protocol.Counter, Rate: 1})
	b := &record.Batch{}
	for i := range int64(MaxLate - 1) {
		b.Timed = append(b.Timed, record.Timed{Time: firstTime - (i+1)*resolution, Value: 1})
	}
	l.Fold(1, b)
	l.Fold(2, b) // the same slots again
	if l.Crowded() {
		t.Errorf("crowded at %d late slots", len(l.table.late))
	}
	l.Fold(3, &record.Batch{Timed: []record.Timed{{Time: firstTime + resolution, Value: 1}}})
	if !l.Crowded() {
		t.Errorf("not crowded at %d late slots", len(l.table.late))
	}
	if n, _ := l.Pending(); n != 2*(MaxLate-1)+1 {
		t.Errorf("%d units pending", n)
	}
	l.Seal(2, firstTime)
	if l.Crowded() {
		t.Error("still crowded in a fresh generation")
	}
}

// TestOrderedBesideReaders applies changes while others read.
func TestOrderedBesideReaders(t *testing.T) {
	o := NewOrdered()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			o.Apply(&record.Batch{Ordered: []record.Ordered{{Ref: 3, Delta: true, Value: 1}}}, func(ref uint32) uint32 { return ref })
		}
	}()
	last := 0.0
	for {
		c, ok := o.cell(3)
		s := c.resolve(0)
		if s.last < last || float64(s.n) != s.last {
			t.Fatalf("after %v it stands at %v, of %d changes", last, s.last, s.n)
		}
		last = s.last
		if ok && len(o.series()) != 1 {
			t.Fatalf("series %v", o.series())
		}
		select {
		case <-done:
			if c, _ := o.cell(3); c.relative.last != 2000 {
				t.Errorf("it ends at %v", c.relative.last)
			}
			return
		default:
		}
	}
}
