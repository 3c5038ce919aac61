package block

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// readAll reads a block some series at a time.
func readAll(b []byte, shard, step int64) (points []Point, err error) {
	var r Reader
	if err := r.Open(b); err != nil {
		return nil, err
	}
	end := (shard + 1) * ShardSize
	for from := shard * ShardSize; from < end; from += step {
		var part []*Point
		err := r.Next(from+step, func(series int64, kind Kind) *Point {
			part = append(part, &Point{Series: -1})
			return part[len(part)-1]
		})
		if err != nil {
			return nil, err
		}
		for _, p := range part {
			if p.Series < from || p.Series >= from+step {
				return nil, fmt.Errorf("series %d is among those from %d on", p.Series, from)
			}
			points = append(points, *p)
		}
	}
	return points, nil
}

// bySection sorts stably by kind and series, as a block has points.
func bySection(points []Point) []Point {
	slices.SortStableFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(sectionOf(&a), sectionOf(&b)))
	})
	return points
}

// TestReaderAgreesWithDecode reads blocks of every kind in pieces of any size, and
// finds what decoding them at once does, in the same order of each series.
func TestReaderAgreesWithDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shard := int64(rapid.IntRange(0, 3).Draw(t, "shard"))
		var points []Point
		for range rapid.IntRange(0, 60).Draw(t, "points") {
			p := pointGen(Kind(rapid.IntRange(1, int(Raw)).Draw(t, "kind"))).Draw(t, "point")
			p.Series = shard*ShardSize + int64(rapid.IntRange(0, ShardSize-1).Draw(t, "series"))
			points = append(points, p)
		}
		if rapid.Bool().Draw(t, "in order") {
			slices.SortStableFunc(points, func(a, b Point) int { return cmp.Compare(a.Series, b.Series) })
		}
		b := AppendBlock(nil, shard, base, points)
		want, err := DecodeBlock(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(b, shard, int64(rapid.SampledFrom([]int{1, 7, 64, ShardSize}).Draw(t, "step")))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(bySection(got), bySection(want), equalPoint) {
			t.Fatalf("read %v\nwant %v", got, want)
		}
	})
}

// TestReaderRefuses holds a reader to what decoding at once finds wrong, and to the
// shard besides.
func TestReaderRefuses(t *testing.T) {
	whole := AppendBlock(nil, 1, base, []Point{
		{Series: ShardSize + 1, Time: base, Kind: Counter, N: 1, Sum: 1}, {Series: ShardSize + 700, Time: base + 1, Kind: Counter, N: 3, Sum: 2},
		{Series: ShardSize + 5, Time: base, Kind: Set, N: 1, Sketch: []byte("sketch")},
	})
	if points, err := readAll(whole, 1, 64); err != nil || len(points) != 3 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	seen := 0
	for i := range whole {
		b := slices.Clone(whole)
		b[i]++
		if _, err := readAll(b, 1, 64); !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d is damaged: %v", i, err)
		}
		sealed := reseal(b)
		_, want := DecodeBlock(sealed, nil)
		if _, err := readAll(sealed, 1, 64); want != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("byte %d is another: %v, want %v", i, err, want)
		} else if want != nil {
			seen++
		}
	}
	if seen == 0 {
		t.Error("nothing was wrong behind the checksum")
	}
	beyond := AppendBlock(nil, 0, base, []Point{{Series: 1, Time: base, Kind: Counter, N: 1}, {Series: ShardSize, Time: base, Kind: Counter, N: 1}})
	if _, err := readAll(beyond, 0, 64); !errors.Is(err, ErrMalformed) {
		t.Errorf("a series of another shard: %v", err)
	}
}

// TestReaderOpensAgain: the room of one block holds nothing of it for the next.
func TestReaderOpensAgain(t *testing.T) {
	var r Reader
	for n := int64(40); n > 0; n -= 13 {
		var points []Point
		for i := range n {
			points = append(points, Point{Series: i * 20, Time: base, Kind: Gauge, N: 1, Last: float64(i), LastAt: base, Min: -1, Max: 99, Sum: 5})
		}
		if err := r.Open(AppendBlock(nil, 0, base, points)); err != nil {
			t.Fatal(err)
		}
		var got []*Point
		for _, before := range []int64{100, ShardSize} { // the first is not read to the end
			err := r.Next(before, func(int64, Kind) *Point { got = append(got, new(Point)); return got[len(got)-1] })
			if err != nil {
				t.Fatal(err)
			}
			if before == 100 && n == 40 {
				break
			}
		}
		for i, p := range got {
			if !equalPoint(*p, points[i]) {
				t.Errorf("of %d points the %d. is %+v", n, i, *p)
			}
		}
		if n < 40 && len(got) != int(n) {
			t.Errorf("%d of %d points", len(got), n)
		}
	}
}
