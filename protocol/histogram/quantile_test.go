package histogram

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// promised is what is said of every quantile of a histogram with the default
// schema: within 1.1 % of the true one.
const promised = 0.011

// TestQuantilesOfFiveDistributions holds the promise for percentiles from the
// first to the 99.9th of 100,000 samples, against the samples themselves in order.
// Values that are not far from their bucket's bounds come from all of them, so an
// error of the bucket's index or of its middle would be seen.
func TestQuantilesOfFiveDistributions(t *testing.T) {
	const samples = 100_000
	for seed, d := range []struct {
		name string
		draw func(*rand.Rand) float64
	}{
		{"uniform", func(r *rand.Rand) float64 { return 1000 * r.Float64() }},
		{"normal", func(r *rand.Rand) float64 { return 200 + 50*r.NormFloat64() }},
		{"lognormal", func(r *rand.Rand) float64 { return math.Exp(2 * r.NormFloat64()) }},
		{"exponential", func(r *rand.Rand) float64 { return 20 * r.ExpFloat64() }},
		{"bimodal", func(r *rand.Rand) float64 {
			if r.IntN(10) == 0 { // the slow tenth
				return 900 + 30*r.NormFloat64()
			}
			return 10 + r.NormFloat64()
		}},
		{"pareto", func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -1/1.2) }},
	} {
		t.Run(d.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(seed), 11))
			h, values := New(DefaultSchema), make([]float64, samples)
			for i := range values {
				values[i] = d.draw(random)
				h.Add(values[i], 1)
			}
			slices.Sort(values)
			worst := 0.0
			for permille := 10; permille <= 999; permille++ {
				got, bound := h.Quantile(float64(permille) / 1000)
				want := values[(permille*samples+999)/1000-1]
				off := math.Abs(got-want) / math.Abs(want)
				if off > promised || off > bound*(1+1e-9) {
					t.Errorf("p%g is %v, the sample is %v: %.3f %% apart, said is %.3f %%", float64(permille)/10, got, want, 100*off, 100*bound)
				}
				worst = max(worst, off)
			}
			if _, bound := h.Quantile(0.5); bound > promised || worst < bound/4 {
				t.Errorf("the bound is %v, the worst error %v: too good to be measured", bound, worst)
			}
			t.Logf("the worst of 990 percentiles is %.3f %% off", 100*worst)
		})
	}
}

// TestAThousandPartsAreTheWhole merges a thousand histograms in an order of chance,
// and pairwise like a tree: every byte is that of the one that saw all samples. The
// samples are whole numbers, whose sums are exact; what a sum of others may differ
// by, TestMergeOfPartsIsTheWhole has.
func TestAThousandPartsAreTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	whole, parts := New(DefaultSchema), make([]*Histogram, 1000)
	for i := range parts {
		parts[i] = New(DefaultSchema)
		for range 100 {
			v := math.Floor(math.Exp(10*random.Float64())) - 500
			whole.Add(v, 1)
			parts[i].Add(v, 1)
		}
	}
	want := whole.AppendBinary(nil)
	chain := New(DefaultSchema)
	for _, i := range random.Perm(len(parts)) {
		chain.Merge(parts[i])
	}
	for len(parts) > 1 {
		var next []*Histogram
		for pair := range slices.Chunk(parts, 2) {
			one := New(DefaultSchema)
			for _, p := range pair {
				one.Merge(p)
			}
			next = append(next, one)
		}
		parts = next
	}
	for how, got := range map[string]*Histogram{"one after another": chain, "as a tree": parts[0]} {
		if !bytes.Equal(got.AppendBinary(nil), want) {
			t.Errorf("merged %s the parts differ from the whole", how)
		}
	}
}

// TestWidthIsOfTheBuckets holds the bound of interpolated quantiles to the bounds
// that buckets have.
func TestWidthIsOfTheBuckets(t *testing.T) {
	for schema := MinSchema; schema <= MaxSchema; schema++ {
		t.Run(fmt.Sprint(schema), func(t *testing.T) {
			low, high := upper(10, schema), upper(11, schema)
			if got := Width(schema); math.Abs(got-(high/low-1)) > 1e-12*got {
				t.Errorf("%v, the buckets are %v wide", got, high/low-1)
			}
		})
	}
}
