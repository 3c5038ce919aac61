package aggregate

import (
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage/block"
)

// wide is a generation of many series, each in both lanes, which met them in
// different orders: of five three are counters, one a gauge, one a histogram.
func wide(series, each int) *Generation {
	types := [5]protocol.Type{protocol.Counter, protocol.Counter, protocol.Counter, protocol.Gauge, protocol.Histogram}
	g := &Generation{Number: 1, Bucket: firstTime, Ordered: NewOrdered()}
	for lane := range 2 {
		r := rand.New(rand.NewPCG(1, uint64(lane)))
		l := NewLane(lane, options, 1, firstTime)
		for _, i := range r.Perm(series) {
			l.Define(Ref{Series: uint32(i), Type: types[i%len(types)], Rate: 1})
		}
		b := &record.Batch{At: firstTime}
		for k := range each * series {
			b.Samples = append(b.Samples, record.Sample{Ref: uint32(k % series), Value: float64(r.IntN(1000))})
			if len(b.Samples) == 1000 {
				l.Fold(uint64(k), b)
				b.Samples = b.Samples[:0]
			}
		}
		g.Parts = append(g.Parts, l.Seal(2, firstTime+resolution))
	}
	return g
}

// BenchmarkGeneration takes a generation of a million series to the store's points,
// and the gauges' state past it: nanoseconds a series.
func BenchmarkGeneration(b *testing.B) {
	const series = 1_000_000
	g := wide(series, 10)
	ids := rand.New(rand.NewPCG(3, 4)).Perm(series)
	id := func(series uint32) int64 { return int64(ids[series]) + 1 }
	state := NewState()
	g.Advance(state)
	run := func(name string, f func()) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/series, "ns/series")
		})
	}
	run("points", func() {
		n := 0
		g.Points(id, state, func(_ int64, points []block.Point) { n += len(points) })
		if n != series {
			b.Fatalf("%d points", n)
		}
	})
	run("advance", func() { g.Advance(state) })
	run("series", func() { g.Series(func(uint32) {}) })
}
