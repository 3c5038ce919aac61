package block

import (
	"math"
	"math/rand/v2"
	"testing"
)

// BenchmarkDecodeChunk decodes an hour of one series, which is what a query
// does most.
func BenchmarkDecodeChunk(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	gauge, counter := make([]Point, 360), make([]Point, 360)
	walk := 100.0
	for i := range gauge {
		at := int64(i) * 10_000
		walk = math.Round(walk*100+r.NormFloat64()*20) / 100
		gauge[i] = Point{Time: at, Kind: Gauge, N: 1, Last: walk, LastAt: at + 4000, Min: walk, Max: walk, Sum: walk}
		n := 90 + r.IntN(20)
		counter[i] = Point{Time: at, Kind: Counter, N: uint64(n), Sum: float64(n)}
	}
	for name, data := range map[string][]byte{"gauge": AppendChunk(nil, 0, Gauge, gauge), "counter": AppendChunk(nil, 0, Counter, counter)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			points := make([]Point, 0, 360)
			for b.Loop() {
				var err error
				if points, err = DecodeChunk(data, 0, points[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
