package histogram

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// tally is a histogram of positive values, as plain as can be.
type tally map[float64]float64

func (w tally) histogram() *Histogram {
	h := New(5)
	for _, v := range slices.Sorted(maps.Keys(w)) {
		h.Add(v, w[v])
	}
	return h
}

var magnitude = rapid.Custom(func(t *rapid.T) float64 { return math.Exp2(float64(rapid.IntRange(0, 160).Draw(t, "eighth")) / 8) })

// widths are weights that pass what one byte holds, what four do, and what is whole.
var widths = []float64{1, 1, 1, 1, 2, 100, 255, 256, 70_000, 1<<32 - 1, 1 << 32, 0.5}

// TestCellsOfAnyWidth adds, merges and copies into memory that was used before, and
// expects the buckets of a histogram that was made of the same at once.
func TestCellsOfAnyWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, spare, want := New(5), New(5), tally{}
		limit := rapid.SampledFrom([]int{4, 8, 12}).Draw(t, "weights") // the first four are 1: cells stay as narrow as they can
		some := func(h *Histogram) {
			for range rapid.IntRange(0, 60).Draw(t, "values") {
				v, w := magnitude.Draw(t, "value"), rapid.SampledFrom(widths[:limit]).Draw(t, "weight")
				h.Add(v, w)
				want[v] += w
			}
		}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			before := maps.Clone(want)
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 3:
				h.Become(New(5))
				clear(want)
				some(h)
				before = tally{}
			case 0:
				some(h)
			case 1:
				o := New(5)
				some(o)
				h.Merge(o)
			case 2:
				spare.Become(h)
				h, spare = spare, h
				some(h)
			}
			compareBuckets(t, h, want.histogram())
			decoded, err := Decode(h.AppendBinary(nil))
			if err != nil {
				t.Fatal(err)
			}
			compareBuckets(t, decoded, h)
			since := tally{}
			for v, w := range want {
				if w -= before[v]; w > 0 {
					since[v] = w
				}
			}
			compareBuckets(t, h.Without(before.histogram()), since.histogram())
		}
	})
}

func compareBuckets(t *rapid.T, got, want *Histogram) {
	t.Helper()
	first, counts := got.Positive()
	wantFirst, wantCounts := want.Positive()
	if got.Count != want.Count || !slices.Equal(counts, wantCounts) || len(counts) > 0 && first != wantFirst {
		t.Fatalf("%v: from bucket %d %v, want %v: from bucket %d %v", got.Count, first, counts, want.Count, wantFirst, wantCounts)
	}
}

// TestManySmallWeightsTakeAByte holds to a byte a bucket what a series of many takes: one that spreads
// over three decades, with fewer than 256 values in each bucket.
func TestManySmallWeightsTakeAByte(t *testing.T) {
	h := New(5)
	for i := range 3200 {
		h.Add(math.Pow(10, 3*float64(i)/3200), 1)
	}
	if n := h.Bytes(); n > 400 {
		t.Errorf("three decades take %d bytes", n)
	}
}
