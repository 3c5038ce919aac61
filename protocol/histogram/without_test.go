package histogram

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestWithout: what came since a state, merged to that state, is all again,
// bucket by bucket, also where the histogram had to widen in between.
func TestWithout(t *testing.T) {
	value := rapid.OneOf(rapid.Float64Range(-1e3, 1e3), rapid.Float64Range(1e-300, 1e300), rapid.Just(0.0))
	weight := rapid.SampledFrom([]float64{1, 1, 1, 2, 0.5, 64})
	rapid.Check(t, func(rt *rapid.T) {
		h := New(rapid.IntRange(MinSchema, MaxSchema).Draw(rt, "schema"))
		add := func(name string) {
			for range rapid.IntRange(0, 200).Draw(rt, name) {
				h.Add(value.Draw(rt, "value"), weight.Draw(rt, "weight"))
			}
		}
		add("before")
		before := New(3)
		before.Add(1e9, 1) // Become must leave nothing of it
		before.Become(h)
		if !bytes.Equal(before.AppendBinary(nil), h.AppendBinary(nil)) {
			rt.Fatal("a copy differs")
		}
		kept := before.AppendBinary(nil)
		add("after")
		d := h.Without(before)
		if !bytes.Equal(before.AppendBinary(nil), kept) {
			rt.Error("what was taken away has changed")
		}
		if d.Count != h.Count-before.Count {
			rt.Errorf("it holds %g, want %g", d.Count, h.Count-before.Count)
		}
		var inBuckets float64
		d.Buckets(func(_, _, c float64) bool { inBuckets += c; return true })
		if inBuckets != d.Count {
			rt.Errorf("its buckets hold %g of %g", inBuckets, d.Count)
		}
		if d.Count > 0 && (d.Min < h.Min || d.Max > h.Max || d.Min > d.Max) {
			rt.Errorf("it lies in %g to %g, all in %g to %g", d.Min, d.Max, h.Min, h.Max)
		}
		both := New(h.Schema())
		both.Merge(before)
		both.Merge(d)
		type bucket struct{ low, high, count float64 }
		list := func(h *Histogram) (l []bucket) {
			h.Buckets(func(low, high, c float64) bool { l = append(l, bucket{low, high, c}); return true })
			return l
		}
		got, want := list(both), list(h)
		if len(got) != len(want) {
			rt.Fatalf("%d buckets, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				rt.Errorf("bucket %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}
