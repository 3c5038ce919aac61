package query

import (
	"errors"
	"slices"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// manyHours is a day of chunks of some series, in no order, and the points in them.
func manyHours(series int64) (chunks []storage.Chunk, want map[int64][]int64) {
	const hour = 3_600_000
	want = map[int64][]int64{}
	for h := range int64(24) {
		for id := range series {
			var points []block.Point
			for at := h * hour; at < (h+1)*hour; at += 60_000 * (id + 1) {
				points = append(points, block.Point{Time: at, Kind: block.Counter, N: 1, Sum: float64(id)})
				want[id+1] = append(want[id+1], at)
			}
			chunks = append(chunks, storage.Chunk{
				Series: id + 1, Start: h * hour, Data: block.AppendChunk(nil, h*hour, block.Counter, points), Span: storage.Span{To: 24*hour - 1},
			})
		}
	}
	return chunks, want
}

// TestManyChunks decodes so many that two do it at once: each series has its
// points, by time.
func TestManyChunks(t *testing.T) {
	for _, series := range []int64{1, 2, 7} {
		chunks, want := manyHours(series)
		piles := map[int64]*pile{}
		for id := range want {
			piles[id] = &pile{}
		}
		r := &Reader{}
		if err := r.addChunks(t.Context(), piles, chunks); err != nil {
			t.Fatal(err)
		}
		for id, times := range want {
			var got []int64
			for _, p := range piles[id].chunks {
				got = append(got, p.Time)
			}
			if !slices.Equal(got, times) {
				t.Errorf("series %d of %d has %d points, want %d in order", id, series, len(got), len(times))
			}
		}
	}
}

// TestManyChunksOfDamage: whichever of the two finds it says so.
func TestManyChunksOfDamage(t *testing.T) {
	for _, at := range []int{0, 5*24 - 1} {
		chunks, want := manyHours(5)
		slices.SortFunc(chunks, func(a, b storage.Chunk) int { return int(a.Series - b.Series) })
		chunks[at].Data[4] ^= 1
		piles := map[int64]*pile{}
		for id := range want {
			piles[id] = &pile{}
		}
		if err := (&Reader{}).addChunks(t.Context(), piles, chunks); !errors.Is(err, block.ErrMalformed) {
			t.Errorf("chunk %d is damaged: %v", at, err)
		}
	}
}

// TestSettle keeps what is in the range, and adds what lies before it to the base.
func TestSettle(t *testing.T) {
	points := []block.Point{{Time: 1, Sum: 2}, {Time: 2, Sum: 3, Neg: -1}, {Time: 10, Sum: 5}, {Time: 20, Sum: 7}, {Time: 30, Sum: 11}}
	for _, c := range []struct {
		day, to int64
		want    []int64
		base    storage.Base
	}{
		{0, 100, []int64{1, 2, 10, 20, 30}, storage.Base{}},
		{10, 20, []int64{10, 20}, storage.Base{Sum: 5, Neg: -1}},
		{10, 5, nil, storage.Base{Sum: 5, Neg: -1}},
		{50, 100, nil, storage.Base{Sum: 28, Neg: -1}},
	} {
		var s Series
		s.settle(points, c.day, c.to)
		var got []int64
		for _, p := range s.Points {
			got = append(got, p.Time)
		}
		if !slices.Equal(got, c.want) || s.Base != c.base {
			t.Errorf("[%d, %d]: %v and %+v, want %v and %+v", c.day, c.to, got, s.Base, c.want, c.base)
		}
	}
}
