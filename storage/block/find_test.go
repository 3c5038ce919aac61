package block

import (
	"slices"
	"testing"
)

// TestFindSeriesInFullBlocks looks for series all over a shard in blocks of hundreds
// of points, where steps and flags are taken eight at a time: neighbours, gaps that
// take one byte and two, gauges of which some saw several values, and series that
// come twice.
func TestFindSeriesInFullBlocks(t *testing.T) {
	for name, gap := range map[string]func(i int) int64{
		"neighbours": func(int) int64 { return 1 },
		"gaps":       func(i int) int64 { return 1 + int64(i*7%3) },
		"far apart":  func(i int) int64 { return 1 + int64(i%9/8)*70 },
		"twice":      func(i int) int64 { return int64(i % 2) },
	} {
		t.Run(name, func(t *testing.T) {
			const shard = 3
			var points []Point
			for i, id := 0, int64(0); id < ShardSize; i++ {
				p := Point{Series: shard*ShardSize + id, Time: base + int64(i%10), Kind: Gauge, N: 1, Last: float64(i), Min: float64(i), Max: float64(i), Sum: float64(i)}
				switch {
				case i%5 == 0:
					p = Point{Series: p.Series, Time: p.Time, Kind: Counter, N: uint64(i), Sum: float64(i) / 3}
				case i%7 == 0:
					p.N, p.Max, p.Sum = 2, p.Last+1, 2*p.Last+1
				}
				points = append(points, p)
				id += gap(i)
			}
			b := AppendBlock(nil, shard, base, points)
			for id := int64(shard * ShardSize); id < (shard+1)*ShardSize; id += 11 {
				seriesAgree(t, b, id)
			}
		})
	}
}

// TestFindAll goes through blocks of which some hold the same series as the one before,
// some others, some as many and some none, and of two shards.
func TestFindAll(t *testing.T) {
	var blocks [][]byte
	add := func(shard int64, n int, series func(i int) int64) {
		var points []Point
		for i := range n {
			id := shard*ShardSize + series(i)
			p := Point{Series: id, Time: base, Kind: Counter, N: uint64(len(blocks) + i), Sum: float64(i)}
			if i%3 == 0 {
				p = Point{Series: id, Time: base, Kind: Gauge, N: 1, Last: float64(len(blocks)), Min: 1, Max: 2, Sum: 3}
			}
			points = append(points, p)
		}
		blocks = append(blocks, AppendBlock(nil, shard, base, points))
	}
	dense, odd := func(i int) int64 { return int64(i) }, func(i int) int64 { return int64(2*i + i/40) }
	for range 3 {
		add(0, 200, dense)
		add(0, 200, odd)
		add(0, 200, odd)
		add(1, 200, odd)
		add(0, 199, odd)
		add(0, 0, odd)
		add(0, 1, dense)
	}
	for _, id := range []int64{0, 1, 2, 81, 150, 399, ShardSize + 2, ShardSize + 399} {
		var want []Point
		for _, b := range blocks {
			var err error
			if want, err = FindSeries(b, id, want); err != nil {
				t.Fatal(err)
			}
		}
		got, err := NewFinder(id).FindAll(blocks, nil)
		if err != nil || !slices.EqualFunc(got, want, equalPoint) {
			t.Errorf("series %d: %d points, want %d, %v", id, len(got), len(want), err)
		}
	}
}

func BenchmarkFindAll(b *testing.B) {
	var blocks [][]byte
	for range 100 {
		blocks = append(blocks, AppendBlock(nil, 0, base, typical()))
	}
	points := make([]Point, 0, 100)
	b.ReportAllocs()
	for b.Loop() {
		points, _ = NewFinder(700).FindAll(blocks, points[:0])
	}
}
