package histogram

import (
	"bytes"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// trueIndex finds the bucket by arithmetic at 300 bits: v^(2^s), compared with
// powers of two, needs no roots.
func trueIndex(v float64, schema int) int {
	x := new(big.Float).SetPrec(300).SetFloat64(v)
	for range schema {
		x.Mul(x, x)
	}
	mantissa := new(big.Float)
	e := x.MantExp(mantissa) // x = mantissa · 2^e, mantissa in [0.5, 1)
	if mantissa.Cmp(big.NewFloat(0.5)) == 0 {
		return e - 2 // x is 2^(e-1): the upper bound of the bucket before
	}
	return e - 1
}

func TestIndexAtEveryBound(t *testing.T) {
	for schema := 0; schema <= MaxSchema; schema++ {
		for _, exponent := range []int{-1022, -1000, -60, -1, 0, 1, 9, 60, 1000, 1022} {
			for k := range 1 << schema {
				bound := upper(exponent<<schema+k, schema)
				for _, v := range []float64{math.Nextafter(bound, 0), bound, math.Nextafter(bound, math.Inf(1))} {
					if v == 0 || math.IsInf(v, 0) {
						continue
					}
					if got, want := index(v, schema), trueIndex(v, schema); got != want {
						t.Fatalf("schema %d, %v (%x): bucket %d, want %d", schema, v, math.Float64bits(v), got, want)
					}
				}
			}
		}
	}
}

func TestIndexOfAnyFloat(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		v := math.Abs(math.Float64frombits(r.Uint64()))
		if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 {
			continue
		}
		if got, want := index(v, 5), trueIndex(v, 5); got != want {
			t.Fatalf("%v: bucket %d, want %d", v, got, want)
		}
	}
	for _, v := range []float64{5e-324, 1e-310, math.SmallestNonzeroFloat64 * 3} {
		if got, want := index(v, 5), trueIndex(v, 5); got != want {
			t.Errorf("subnormal %v: bucket %d, want %d", v, got, want)
		}
	}
}

func TestQuantilesKeepTheirBound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, draw := range map[string]func() float64{
		"uniform":     func() float64 { return r.Float64() * 1000 },
		"exponential": func() float64 { return r.ExpFloat64() },
		"lognormal":   func() float64 { return math.Exp(r.NormFloat64() * 2) },
		"normal":      func() float64 { return r.NormFloat64() * 50 },
		"integers":    func() float64 { return float64(r.IntN(500)) },
	} {
		h := New(DefaultSchema)
		values := make([]float64, 20_001)
		for i := range values {
			values[i] = draw()
			h.Add(values[i], 1)
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1} {
			got, bound := h.Quantile(q)
			rank := int(math.Ceil(q*float64(len(values)))) - 1
			want := values[max(rank, 0)]
			if math.Abs(got-want) > bound*math.Abs(want)*1.0000001 || bound > 0.011 {
				t.Errorf("%s q%v: %v, true %v, bound %v", name, q, got, want, bound)
			}
		}
	}
}

func TestMergeOfPartsIsTheWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	whole, merged := New(5), New(5)
	for range 1000 {
		part := New(5)
		for range 20 {
			v := math.Exp(r.NormFloat64() * 3)
			if r.IntN(4) == 0 {
				v = -v
			}
			whole.Add(v, 1)
			part.Add(v, 1)
		}
		merged.Merge(part)
	}
	if diff := math.Abs(merged.Sum() - whole.Sum()); diff > 1e-9*math.Abs(whole.Sum()) {
		t.Errorf("sums differ by %v", diff)
	}
	whole.sum, whole.comp, merged.sum, merged.comp = 0, 0, 0, 0
	if !bytes.Equal(whole.AppendBinary(nil), merged.AppendBinary(nil)) {
		t.Error("the merge of 1,000 parts differs from the whole")
	}
}

func TestTooManyBucketsWiden(t *testing.T) {
	h := New(8)
	for e := -300; e <= 300; e += 3 {
		h.Add(math.Pow(10, float64(e)), 1)
		h.Add(-math.Pow(10, float64(e)), 1)
	}
	if n := h.positive.n + h.negative.n; n > MaxBuckets || h.Schema() >= 8 {
		t.Errorf("%d buckets at schema %d", n, h.Schema())
	}
	if _, bound := h.Quantile(0.5); bound != relativeError(h.Schema()) {
		t.Error("the stated bound is not the one of the schema as it is now")
	}
}

func histGen() *rapid.Generator[*Histogram] {
	return rapid.Custom(func(t *rapid.T) *Histogram {
		h := New(rapid.IntRange(3, 8).Draw(t, "schema"))
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			v := rapid.Float64Range(-1e9, 1e9).Draw(t, "v")
			h.Add(v, rapid.SampledFrom([]float64{1, 1, 1, 10, 1 / 0.3}).Draw(t, "w"))
		}
		return h
	})
}

func TestHistogramRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := histGen().Draw(t, "h")
		b := h.AppendBinary(nil)
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.AppendBinary(nil), b) {
			t.Fatal("encoding again differs")
		}
	})
}

func TestSetIsExactAndThenWithinItsError(t *testing.T) {
	s := NewSet()
	for i := range 200_000 {
		s.AddHash(HashMember([]byte{byte(i), byte(i >> 8), byte(i >> 16), 'x'}))
		n, relErr := uint64(i+1), 0.0
		if i < exactMembers+2 || i%9973 == 0 {
			n, relErr = s.Estimate()
		}
		if i+1 <= exactMembers {
			if int(n) != i+1 || relErr != 0 {
				t.Fatalf("%d members counted as %d ± %v", i+1, n, relErr)
			}
		} else if i%9973 == 0 && math.Abs(float64(n)-float64(i+1)) > 4*relErr*float64(i+1) {
			t.Errorf("%d members estimated at %d", i+1, n)
		}
	}
}

func TestSetBytesDependOnContentAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 3, 511, 512, 513, 2000}).Draw(t, "n")
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = HashMember([]byte{byte(i), byte(i >> 8)})
		}
		whole := NewSet()
		for _, h := range hashes {
			whole.AddHash(h)
		}
		merged := NewSet()
		cut := rapid.IntRange(0, n).Draw(t, "cut")
		for _, part := range [][]uint64{hashes[cut:], hashes[:cut], hashes[:cut/2]} {
			p := NewSet()
			for _, h := range slices.Backward(part) {
				p.AddHash(h)
			}
			merged.Merge(p)
		}
		b := whole.AppendBinary(nil)
		if !bytes.Equal(b, merged.AppendBinary(nil)) {
			t.Fatal("the same members, other bytes")
		}
		back, err := DecodeSet(b)
		if err != nil || !bytes.Equal(back.AppendBinary(nil), b) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	h := New(5)
	for _, v := range []float64{-3, 0, 0.1, 7, 1e9} {
		h.Add(v, 1/0.3)
	}
	s := NewSet()
	s.AddHash(1)
	s.AddHash(1 << 63)
	f.Add(h.AppendBinary(nil))
	f.Add(s.AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := Decode(b); err == nil {
			if _, err := Decode(h.AppendBinary(nil)); err != nil {
				t.Fatalf("what was decoded does not encode: %v", err)
			}
			h.Quantile(0.5)
		}
		if s, err := DecodeSet(b); err == nil {
			s.Estimate()
			if _, err := DecodeSet(s.AppendBinary(nil)); err != nil {
				t.Fatalf("what was decoded does not encode: %v", err)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	h := New(5)
	r := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 1024)
	for i := range values {
		values[i] = 1 + 999*r.Float64()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Add(values[i%1024], 1)
	}
}

// TestCells holds a histogram whose weights are whole to one whose weights were
// spread by a fraction first, in any order of growth: only the size of the cells
// may differ.
func TestCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 200).Draw(t, "values")
		whole, split := New(5), New(5)
		for _, v := range values {
			whole.Add(v, 1)
			split.Add(v, 0.5)
			split.Add(v, 0.5)
		}
		whole.sum, whole.comp, split.sum, split.comp = 0, 0, 0, 0 // halves round otherwise
		if !bytes.Equal(whole.AppendBinary(nil), split.AppendBinary(nil)) {
			t.Fatalf("%v: whole weights and halves end in different buckets", values)
		}
	})
}

// TestCellOverflows counts past what a small cell holds.
func TestCellOverflows(t *testing.T) {
	h := New(5)
	h.Add(3, 1<<32-2)
	for range 4 {
		h.Add(3, 1)
	}
	if _, counts := h.Positive(); len(counts) != 1 || counts[0] != 1<<32+2 {
		t.Errorf("%v", counts)
	}
}

// TestSizeOverThreeDecades holds the memory of a usual histogram to 2 KB.
func TestSizeOverThreeDecades(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const n = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	hs := make([]*Histogram, n)
	for i := range hs {
		hs[i] = New(DefaultSchema)
		for range 3000 {
			hs[i].Add(math.Pow(10, 3*random.Float64()), 1)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if size := (after.HeapAlloc - before.HeapAlloc) / n; size > 2000 {
		t.Errorf("%d bytes a histogram", size)
	} else {
		t.Logf("%d bytes a histogram", size)
	}
	runtime.KeepAlive(hs)
}
