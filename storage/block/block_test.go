package block

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol/histogram"
)

const base = 1_700_000_000_000

func sketch(values ...float64) []byte {
	h := histogram.New(5)
	for _, v := range values {
		h.Add(v, 1)
	}
	return h.AppendBinary(nil)
}

func floatGen() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Map(rapid.IntRange(-1000, 100000), func(i int) float64 { return float64(i) }),
		rapid.Map(rapid.IntRange(-99999, 99999), func(i int) float64 { return float64(i) / 100 }),
		rapid.Float64(),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), math.NaN(), 5e-324, math.MaxFloat64, 1 << 53, 1<<53 + 2}),
	)
}

func pointGen(kind Kind) *rapid.Generator[Point] {
	return rapid.Custom(func(t *rapid.T) Point {
		f := func(name string) float64 { return floatGen().Draw(t, name) }
		p := Point{Kind: kind, Time: base + int64(rapid.IntRange(0, 359).Draw(t, "bucket"))*10_000, N: uint64(rapid.IntRange(1, 5).Draw(t, "n"))}
		switch kind {
		case Counter:
			p.Sum, p.Neg = f("sum"), rapid.SampledFrom([]float64{0, 0, -3}).Draw(t, "neg")
		case Gauge:
			p.Last, p.LastAt = f("last"), p.Time+int64(rapid.IntRange(0, 9999).Draw(t, "at"))
			p.Min, p.Max, p.Sum = p.Last, p.Last, p.Last
			if rapid.Bool().Draw(t, "several") {
				p.Min, p.Max, p.Sum = f("min"), f("max"), f("sum")
			}
		case Histogram:
			p.Count, p.Sum, p.Min, p.Max, p.Sketch = f("count"), f("sum"), f("min"), f("max"), sketch(1, 2, 3)
		case Set:
			p.Sketch = rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "sketch")
		case Raw:
			p.N = 0
			if rapid.Bool().Draw(t, "started") {
				p.LastAt = p.Time + int64(rapid.IntRange(-99999, 99).Draw(t, "start"))
			}
			if rapid.IntRange(0, 3).Draw(t, "native") == 0 {
				p.Sketch = (&histogram.Native{Schema: 3, Count: 2}).AppendBinary(nil)
			} else {
				p.Last = f("last")
			}
		}
		return p
	})
}

func equalPoint(a, b Point) bool {
	return a.Series == b.Series && a.Time == b.Time && a.Kind == b.Kind && a.N == b.N && a.LastAt == b.LastAt &&
		same(a.Sum, b.Sum) && same(a.Neg, b.Neg) && same(a.Count, b.Count) && same(a.Min, b.Min) && same(a.Max, b.Max) &&
		same(a.Last, b.Last) && bytes.Equal(a.Sketch, b.Sketch)
}

func TestBlockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const shard = 7
		var points []Point
		for kind := Counter; int(kind) < NumKinds; kind++ {
			for range rapid.IntRange(0, 12).Draw(t, "points") {
				p := pointGen(kind).Draw(t, "point")
				p.Series = shard*ShardSize + int64(rapid.IntRange(0, ShardSize-1).Draw(t, "series"))
				points = append(points, p)
			}
		}
		slices.SortStableFunc(points, func(a, b Point) int { return int(a.Series - b.Series) })
		b := AppendBlock([]byte("before"), shard, base, points)[len("before"):]
		got, err := DecodeBlock(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(points)
		slices.SortStableFunc(want, func(a, b Point) int { return int(sectionOf(&a)) - int(sectionOf(&b)) })
		if !slices.EqualFunc(got, want, equalPoint) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, want)
		}
		info, err := Header(b)
		if err != nil || info.Shard != shard || info.Base != base || info.Points != len(points) {
			t.Fatalf("%+v, %v", info, err)
		}
		for _, p := range points {
			one, err := FindSeries(b, p.Series, nil)
			if err != nil || !slices.ContainsFunc(one, func(q Point) bool { return equalPoint(p, q) }) {
				t.Fatalf("series %d not found: %v", p.Series, err)
			}
			since, err := DecodeSince(b, p.Time, nil)
			late := func(list []Point) []Point {
				return slices.DeleteFunc(slices.Clone(list), func(q Point) bool { return q.Time < p.Time })
			}
			if err != nil || !slices.EqualFunc(late(since), late(got), equalPoint) {
				t.Fatalf("since %d: %v\ngot\n%+v\nof\n%+v", p.Time, err, since, got)
			}
		}
	})
}

// TestDecodeSincePassesOldSections: of what was before, nothing is decoded.
func TestDecodeSincePassesOldSections(t *testing.T) {
	b := AppendBlock(nil, 0, base, []Point{
		{Series: 1, Time: base, Kind: Counter, N: 1}, {Series: 2, Time: base + 5000, Kind: Counter, N: 1},
		{Series: 3, Time: base, Kind: Gauge, N: 1},
	})
	for _, c := range []struct {
		from int64
		want int
	}{{base, 3}, {base + 1, 2}, {base + 5000, 2}, {base + 5001, 0}} {
		if points, err := DecodeSince(b, c.from, nil); err != nil || len(points) != c.want {
			t.Errorf("since %+d: %d points, %v, want %d", c.from-base, len(points), err, c.want)
		}
	}
}

func TestChunkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := Kind(rapid.IntRange(1, NumKinds-1).Draw(t, "kind"))
		points := rapid.SliceOfN(pointGen(kind), 0, 60).Draw(t, "points")
		slices.SortStableFunc(points, func(a, b Point) int { return int(a.Time - b.Time) })
		b := AppendChunk(nil, base, kind, points)
		got, err := DecodeChunk(b, base, nil)
		if err != nil || !slices.EqualFunc(got, points, equalPoint) {
			t.Fatalf("%v\ngot\n%+v\nwant\n%+v", err, got, points)
		}
	})
}

func TestDamageIsSeen(t *testing.T) {
	points := []Point{{Series: 5, Time: base, Kind: Counter, N: 3, Sum: 4.5}, {Series: 9, Time: base, Kind: Gauge, N: 1, Last: 1, Min: 1, Max: 1, Sum: 1, LastAt: base + 3}}
	b := AppendBlock(nil, 0, base, points)
	c := AppendChunk(nil, base, Counter, points[:1])
	for _, whole := range [][]byte{b, c} {
		for i := range whole {
			for bit := range 8 {
				bad := slices.Clone(whole)
				bad[i] ^= 1 << bit
				_, errBlock := DecodeBlock(bad, nil)
				_, errChunk := DecodeChunk(bad, base, nil)
				if !errors.Is(errBlock, ErrMalformed) || !errors.Is(errChunk, ErrMalformed) {
					t.Fatalf("bit %d of byte %d: %v, %v", bit, i, errBlock, errChunk)
				}
			}
		}
	}
}

func TestMerge(t *testing.T) {
	a := Point{Series: 1, Time: base, Kind: Gauge, N: 2, Sum: 3, Min: 1, Max: 2, Last: 2, LastAt: base + 9}
	b := Point{Series: 1, Time: base, Kind: Gauge, N: 1, Sum: 5, Min: 5, Max: 5, Last: 5, LastAt: base + 4}
	if got := Merge(a, b); got.Last != 5 || got.N != 3 || got.Min != 1 || got.Max != 5 || got.Sum != 8 {
		t.Errorf("one writer: %+v: the later write must win", got)
	}
	if got := MergeWriters(a, b); got.Last != 2 || got.LastAt != base+9 {
		t.Errorf("two writers: %+v: the later sample must win", got)
	}
	if got := MergeWriters(b, a); got.Last != 2 {
		t.Errorf("two writers, swapped: %+v", got)
	}
	h := Merge(Point{Kind: Histogram, N: 2, Count: 2, Sum: 3, Min: 1, Max: 2, Sketch: sketch(1, 2)}, Point{Kind: Histogram, N: 1, Count: 1, Sum: 9, Min: 9, Max: 9, Sketch: sketch(9)})
	if !bytes.Equal(h.Sketch, sketch(1, 2, 9)) || h.Count != 3 || h.Max != 9 || h.N != 3 {
		t.Errorf("histograms: %+v", h)
	}
}

func FuzzDecode(f *testing.F) {
	points := []Point{{Series: 5, Time: base, Kind: Counter, N: 3, Sum: 4.5}, {Series: 9, Time: base, Kind: Set, N: 1, Sketch: []byte("s")}}
	f.Add(AppendBlock(nil, 0, base, points))
	f.Add(AppendChunk(nil, base, Counter, points[:1]))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum would stop nearly every input at the door; decode what
		// lies behind it too.
		for _, sealed := range [][]byte{b, reseal(b)} {
			if points, err := DecodeBlock(sealed, nil); err == nil && len(points) > len(sealed)+ShardSize {
				t.Fatalf("%d points from %d bytes", len(points), len(sealed))
			}
			_, _ = DecodeChunk(sealed, base, nil)
			_, _ = DecodeSince(sealed, base, nil)
			if info, err := Header(sealed); err == nil {
				_, _ = readAll(sealed, info.Shard, 64)
			}
		}
	})
}

// typical is a shard of one flush as senders make them: 60 % counters, 40 %
// gauges at two decimals.
func typical() []Point {
	r := rand.New(rand.NewPCG(1, 2))
	points := make([]Point, ShardSize)
	for i := range points {
		v := float64(r.IntN(10000)) / 100
		points[i] = Point{Series: int64(i), Time: base, Kind: Gauge, N: 1, Last: v, Min: v, Max: v, Sum: v, LastAt: base + 5000}
		if i%5 < 3 {
			points[i] = Point{Series: int64(i), Time: base, Kind: Counter, N: uint64(1 + r.IntN(5)), Sum: float64(r.IntN(500))}
		}
	}
	return points
}

func BenchmarkAppendBlock(b *testing.B) {
	points := typical()
	var dst []byte
	for b.Loop() {
		dst = AppendBlock(dst[:0], 0, base, points)
	}
	b.ReportMetric(float64(len(dst))/ShardSize, "B/point")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ShardSize, "ns/point")
}

func BenchmarkFindSeries(b *testing.B) {
	block := AppendBlock(nil, 0, base, typical())
	var dst []Point
	for b.Loop() {
		dst, _ = FindSeries(block, 700, dst[:0])
	}
}

func BenchmarkChunk(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	sets := map[string]func(i int) Point{
		"counter": func(int) Point {
			return Point{Kind: Counter, N: uint64(95 + r.IntN(10)), Sum: float64(95 + r.IntN(10))}
		},
		"constant": func(int) Point { return Point{Kind: Gauge, N: 1, Last: 7, Min: 7, Max: 7, Sum: 7, LastAt: 0} },
	}
	walk := 50.0
	sets["gauge"] = func(int) Point {
		walk = math.Round((walk+r.NormFloat64()/10)*100) / 100
		return Point{Kind: Gauge, N: 1, Last: walk, Min: walk, Max: walk, Sum: walk}
	}
	for name, point := range sets {
		b.Run(name, func(b *testing.B) {
			points := make([]Point, 360)
			for i := range points {
				points[i] = point(i)
				points[i].Time = base + int64(i)*10_000
				if points[i].Kind == Gauge {
					points[i].LastAt = points[i].Time + 5000
				}
			}
			var dst []byte
			for b.Loop() {
				dst = AppendChunk(dst[:0], base, points[0].Kind, points)
			}
			b.ReportMetric(float64(len(dst))/360, "B/point")
		})
	}
}
