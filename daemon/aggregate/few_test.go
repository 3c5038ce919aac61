package aggregate

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// TestFewValues folds up to three times as many values as are kept as they came, in
// groups that hold a series several times, some with a weight: what is stored, what
// is read and what a follower is told is what one histogram says, to the bit.
func TestFewValues(t *testing.T) {
	const series = 300
	r := rand.New(rand.NewPCG(7, 8))
	l := NewLane(0, options, 1, firstTime)
	refs := make([]uint32, series)
	want := make([]*histogram.Histogram, series)
	for i := range refs {
		l.Define(Ref{Series: uint32(i), Type: protocol.Histogram, Rate: 1})
		refs[i], want[i] = uint32(i), histogram.New(schema)
	}
	l.Running(refs) // from now on
	var places []uint32
	for i := range refs {
		for range i % (3*fewValues + 1) {
			places = append(places, uint32(i))
		}
	}
	r.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	told := make([]*histogram.Histogram, series)
	for from := 0; from < len(places); from += 500 {
		b := &record.Batch{At: firstTime}
		part := places[from:min(from+500, len(places))]
		for _, ref := range part {
			v := math.Ldexp(r.NormFloat64(), r.IntN(20))
			b.Samples = append(b.Samples, record.Sample{Ref: ref, Value: v})
			want[ref].Add(v, 1)
		}
		if ref := part[0]; from%1000 == 0 {
			b.Timed = append(b.Timed, record.Timed{Ref: ref, Value: 3, Rate: 0.25})
			want[ref].Add(3, 4)
		}
		l.Fold(1, b)
		list, _ := l.Running(refs)
		for i := range list {
			told[i] = joined(told[i], list[i].Hist)
		}
	}
	compare := func(what string, points []block.Point) {
		t.Helper()
		got := map[int64]block.Point{}
		for _, p := range points {
			got[p.Series] = p
		}
		for i, h := range want {
			p := got[int64(i)]
			if h.Count == 0 {
				if p.N != 0 {
					t.Errorf("%s: series %d has %d values, and none was sent", what, i, p.N)
				}
				continue
			}
			if p.Count != h.Count || math.Float64bits(p.Sum) != math.Float64bits(h.Sum()) || p.Min != h.Min || p.Max != h.Max || !bytes.Equal(p.Sketch, h.AppendBinary(nil)) {
				t.Errorf("%s: series %d: %+v, want %v, %v", what, i, p, h.Count, h.Sum())
			}
		}
	}
	id := func(series uint32) int64 { return int64(series) }
	read := func(u Unflushed) (all []block.Point) {
		for _, points := range Read([]Unflushed{u}, refs, func(int) []uint32 { return refs }, NewState(), Whole) {
			all = append(all, points...)
		}
		return all
	}
	compare("open", read(Unflushed{Bucket: firstTime, Views: []View{l.View(refs, Whole)}, Ordered: NewOrdered()}))
	for i, h := range told {
		if h != nil && h.Count != want[i].Count || h == nil && want[i].Count > 0 {
			t.Errorf("a follower of series %d was told of %+v", i, h)
		}
	}
	g := &Generation{Number: 1, Bucket: firstTime, Parts: []Part{l.Seal(2, firstTime+resolution)}, Ordered: NewOrdered()}
	compare("sealed", read(Unflushed{Bucket: firstTime, Parts: g.Parts, Ordered: g.Ordered}))
	points, err := gather(g, id, NewState())
	if err != nil {
		t.Fatal(err)
	}
	compare("stored", points)
	if n := g.Parts[0].table.few.n; n >= series {
		t.Errorf("%d places for few values of %d series, most of which have more", n, series)
	}
	g.Replace(g.Pack())
	if points, err = gather(g, id, NewState()); err != nil {
		t.Fatal(err)
	}
	compare("packed", points)
}
