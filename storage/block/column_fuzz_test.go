package block

import (
	"math"
	"slices"
	"testing"
)

// FuzzColumns reads damaged chunks and blocks column by column and series by
// series: each way of reading agrees with decoding the whole.
func FuzzColumns(f *testing.F) {
	points := []Point{
		{Series: 5, Time: base, Kind: Gauge, N: 2, Last: 1.5, LastAt: base + 7, Min: -1, Max: 3, Sum: 0.5},
		{Series: 5, Time: base + 10_000, Kind: Gauge, N: 1, Last: 2, LastAt: base + 10_003, Min: 2, Max: 2, Sum: 2},
	}
	f.Add(AppendBlock(nil, 0, base, points), int64(5))
	f.Add(AppendChunk(nil, base, Gauge, points), int64(5))
	f.Add(AppendChunk(nil, base, Gauge, points[1:]), int64(0))
	f.Add(AppendChunk(nil, base, Histogram, []Point{{Time: base, Kind: Histogram, N: 3, Count: 3, Sum: 6, Min: 1, Max: 3, Sketch: sketch(1, 2, 3)}}), int64(0))
	f.Add(AppendChunk(nil, base, Raw, []Point{{Time: base + 1, Kind: Raw, Last: math.NaN()}, {Time: base + 2, Kind: Raw, Last: math.Inf(1)}}), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, id int64) {
		for _, sealed := range [][]byte{b, reseal(b)} {
			columnsAgree(t, sealed)
			seriesAgree(t, sealed, id)
		}
	})
}

func columnsAgree(t *testing.T, b []byte) {
	kind, n, err := ChunkInfo(b)
	if err != nil || n > 1<<14 {
		return // constant columns make millions of points of a few bytes
	}
	whole, wholeErr := DecodeChunk(b, base, nil)
	if wholeErr == nil && (len(whole) != n || (n > 0 && whole[0].Kind != kind)) {
		t.Fatalf("%d points of kind %d, the chunk says %d of %d", len(whole), whole[0].Kind, n, kind)
	}
	for c := ColumnSum; c <= ColumnLast; c++ {
		times, values, err := Floats(b, base, c, nil, nil)
		if err != nil || wholeErr != nil || !hasColumn(kind, c) {
			continue
		}
		if len(times) != n || len(values) != n {
			t.Fatalf("column %d has %d times and %d values of %d", c, len(times), len(values), n)
		}
		for i := range whole {
			if times[i] != whole[i].Time || !same(values[i], *whole[i].float(c)) {
				t.Fatalf("column %d, point %d: %v at %d, decoded whole %+v", c, i, values[i], times[i], whole[i])
			}
		}
	}
}

func hasColumn(kind Kind, c Column) bool {
	for _, has := range chunkColumns[kind] {
		if has == c {
			return true
		}
	}
	return false
}

func seriesAgree(t *testing.T, b []byte, id int64) {
	whole, err := DecodeBlock(b, nil)
	if err != nil {
		return
	}
	found, err := FindSeries(b, id, nil)
	if err != nil {
		t.Fatalf("a block that decodes cannot be searched: %v", err)
	}
	i := 0
	for _, p := range whole {
		if p.Series != id {
			continue
		}
		if i >= len(found) || !equalPoint(found[i], p) {
			t.Fatalf("series %d: point %d of %d is not %+v", id, i, len(found), p)
		}
		i++
	}
	if i != len(found) {
		t.Fatalf("series %d has %d points, %d are found", id, i, len(found))
	}
	again, err := NewFinder(id).FindAll([][]byte{b, b}, nil)
	if err != nil || !slices.EqualFunc(again, slices.Concat(found, found), equalPoint) {
		t.Fatalf("series %d in one block twice: %d points of twice %d, %v", id, len(again), len(found), err)
	}
}
