package aggregate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// TestPackedIsTheSame packs a generation of series whose sums lose digits, of ordered
// gauges and of late samples, and of more series than one page takes: every bit of
// its points stays, and so do the gauges that it leaves behind.
func TestPackedIsTheSame(t *testing.T) {
	g := wide(30_000, 3)
	odd := NewLane(2, options, 1, firstTime)
	types := []protocol.Type{protocol.Counter, protocol.Counter, protocol.Counter, protocol.Gauge, protocol.Histogram}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 5_000 {
		odd.Define(Ref{Series: uint32(i), Type: types[i%5], Rate: 1})
	}
	b := &record.Batch{At: firstTime + 77}
	for i := range 50_000 {
		v := math.Ldexp(r.Float64()-0.3, r.IntN(80)-40)
		b.Samples = append(b.Samples, record.Sample{Ref: uint32(i % 5_000), Value: v})
		if i%100 == 0 {
			b.Timed = append(b.Timed, record.Timed{Ref: uint32(i % 5_000), Value: v, Time: firstTime - int64(r.IntN(50_000)) - 1})
		}
	}
	b.Samples = append(b.Samples, record.Sample{Ref: 3, Value: math.Copysign(0, -1)}, record.Sample{Ref: 8, Value: math.MaxFloat64}, record.Sample{Ref: 1, Value: 1 << 60})
	odd.Fold(9, b)
	g.Parts = append(g.Parts[:2:2], odd.Seal(2, firstTime+resolution))
	g.From = 5
	ordered := &record.Batch{At: firstTime + 78, Ordered: []record.Ordered{{Ref: 3, Value: 0.1, Delta: true}, {Ref: 13, Value: 7}, {Ref: 13, Value: -0.3, Delta: true}}}
	g.Ordered.Apply(ordered, func(ref uint32) uint32 { return ref })

	id := func(series uint32) int64 { return int64(series)*7919%200_003 + 1 }
	state := NewState()
	want, err := gather(g, id, state)
	if err != nil {
		t.Fatal(err)
	}
	after := NewState()
	g.Advance(after)

	p := g.Pack()
	if len(p.pages) < 2 {
		t.Fatalf("%d pages: the test is to need several", len(p.pages))
	}
	g.Replace(p)
	got, err := gather(g, id, state)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameBits(got, want); err != nil {
		t.Fatal(err)
	}
	packed := NewState()
	g.Advance(packed)
	for i := range uint32(30_000) {
		if a, b := after.Last(i), packed.Last(i); math.Float64bits(a) != math.Float64bits(b) {
			t.Fatalf("gauge %d stands at %v, packed at %v", i, a, b)
		}
	}
	read := Read([]Unflushed{{Number: 1, Bucket: firstTime, Parts: g.Parts, Packed: g.Packed, Ordered: g.Ordered}},
		[]uint32{29_999, 4, 1_000_000, 4_000}, func(int) []uint32 { return nil }, state, Whole)
	for _, series := range []uint32{4, 4_000, 29_999} {
		var of []block.Point
		for _, p := range want {
			if p.Series == id(series) {
				p.Series = int64(series)
				of = append(of, p)
			}
		}
		if err := sameBits(read[series], of); err != nil {
			t.Errorf("series %d: %v", series, err)
		}
	}
	if len(read[1_000_000]) > 0 {
		t.Error("points of a series that nobody sent")
	}
}

func sameBits(got, want []block.Point) error {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			return fmt.Errorf("%d points, want %d", len(got), len(want))
		}
		if a, b := bitsOf(got[i]), bitsOf(want[i]); a != b {
			return fmt.Errorf("point %d is\n%s, want\n%s", i, a, b)
		}
	}
	return nil
}

func bitsOf(p block.Point) string {
	s := fmt.Sprint(p.Series, p.Time, p.Kind, p.N, p.LastAt)
	for _, v := range []float64{p.Sum, p.Neg, p.Count, p.Min, p.Max, p.Last} {
		s += fmt.Sprintf(" %016x", math.Float64bits(v))
	}
	return fmt.Sprintf("%s %x", s, p.Sketch)
}

// BenchmarkPack packs a generation of a million series: nanoseconds and bytes a
// series, and the store's points made of it.
func BenchmarkPack(b *testing.B) {
	const series = 1_000_000
	g := wide(series, 10)
	ids := rand.New(rand.NewPCG(3, 4)).Perm(series)
	var p *Packed
	b.Run("pack", func(b *testing.B) {
		for b.Loop() {
			p = g.Pack()
		}
		b.ReportMetric(float64(p.Bytes())/series, "B/series")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/series")
	})
	g.Replace(p)
	b.Run("points", func(b *testing.B) {
		for b.Loop() {
			g.Points(func(series uint32) int64 { return int64(ids[series]) + 1 }, NewState(), func(int64, []block.Point) {})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/series")
	})
}
