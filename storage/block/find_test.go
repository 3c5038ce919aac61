package block

import "testing"

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
