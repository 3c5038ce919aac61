// Package histogram holds the two sketches of nexusctl as pure values: the
// base-2 exponential histogram of distributions, and the set that counts
// distinct members. Both merge exactly, over time, tags and daemons, and state
// the error of what they answer.
//
// The histogram follows the model of OpenTelemetry's exponential and
// Prometheus's native histograms, so that neither needs a conversion.
package histogram

import (
	"math"
	"unsafe"
)

// MaxBuckets bounds the buckets of one histogram, both signs together. When a
// value would pass it, the histogram widens: its schema falls by one, and the
// bound on its quantiles with it.
const MaxBuckets = 2048

// Histogram is a distribution. Counts are weights: a sample sent at rate 0.3
// weighs 1/0.3. Min and Max are meaningful where Count > 0. A Histogram must
// be made by New.
type Histogram struct {
	Count    float64
	Min, Max float64

	schema   int
	zero     float64
	positive buckets
	negative *buckets // nil until a value is negative, which durations never are
	sum      float64
	comp     float64 // what sum's roundings have lost
}

// New returns an empty histogram; the schema is brought into
// [MinSchema, MaxSchema].
func New(schema int) *Histogram {
	h := Make(schema)
	return &h
}

// Make is New for a histogram that stands in memory of the caller's.
func Make(schema int) Histogram {
	return Histogram{schema: min(max(schema, MinSchema), MaxSchema)}
}

// Reset makes h what Make returns, and keeps the memory of a few buckets for what
// comes next: a histogram that is filled and emptied every ten seconds makes no
// garbage then.
func (h *Histogram) Reset(schema int) {
	pairs := h.positive.pairs
	*h = Make(schema)
	h.positive.pairs = pairs[:0]
}

// noBuckets are the negative ones of a histogram that has none. They are never
// written to.
var noBuckets buckets

// below returns the negative buckets to be read.
func (h *Histogram) below() *buckets {
	if h.negative == nil {
		return &noBuckets
	}
	return h.negative
}

// makeBelow returns the negative buckets to be written to.
func (h *Histogram) makeBelow() *buckets {
	if h.negative == nil {
		h.negative = new(buckets)
	}
	return h.negative
}

// Schema returns the resolution as it is now.
func (h *Histogram) Schema() int { return h.schema }

// ZeroCount returns the weight of values that are exactly 0.
func (h *Histogram) ZeroCount() float64 { return h.zero }

// Positive returns the buckets of positive values: counts[i] is the weight in
// (2^((first+i)/2^schema), 2^((first+i+1)/2^schema)]. The slice is the caller's.
func (h *Histogram) Positive() (first int, counts []float64) {
	return h.positive.first, h.positive.weights()
}

// Negative returns the buckets of negative values, by their magnitude.
func (h *Histogram) Negative() (first int, counts []float64) {
	b := h.below()
	return b.first, b.weights()
}

// Add takes one finite value with a weight above 0.
func (h *Histogram) Add(v, weight float64) {
	if h.Count == 0 {
		h.Min, h.Max = v, v
	}
	if v < h.Min {
		h.Min = v
	}
	if v > h.Max {
		h.Max = v
	}
	h.Count += weight
	h.addSum(v * weight)
	switch {
	case v > 0:
		h.place(&h.positive, v, weight)
	case v < 0:
		h.place(h.makeBelow(), -v, weight)
	default:
		h.zero += weight
	}
}

// Memory returns where the next positive value will most likely be counted, beside h
// itself: for those who have the processor fetch it before. It must not be read, and
// may be nil.
func (h *Histogram) Memory() *byte {
	if c := h.positive.cells; c != nil {
		return unsafe.SliceData(c.tiny)
	}
	return (*byte)(unsafe.Pointer(unsafe.SliceData(h.positive.pairs)))
}

// addSum sums with Neumaier's compensation.
func (h *Histogram) addSum(v float64) {
	t := h.sum + v
	if math.Abs(h.sum) >= math.Abs(v) {
		h.comp += (h.sum - t) + v
	} else {
		h.comp += (v - t) + h.sum
	}
	h.sum = t
}

// Totals returns the histogram without its buckets: what came, and how much that is
// together, for those who ask no more. Totals merge with totals alone.
func (h *Histogram) Totals() Histogram {
	return Histogram{Count: h.Count, Min: h.Min, Max: h.Max, schema: h.schema, sum: h.sum, comp: h.comp}
}

// Sum returns the weighted sum of all values.
func (h *Histogram) Sum() float64 {
	if math.IsInf(h.sum, 0) {
		return h.sum // its compensation is no number
	}
	return h.sum + h.comp
}

func (h *Histogram) place(b *buckets, magnitude, weight float64) {
	i := index(magnitude, h.schema)
	if weight == 1 && b.bump(i) {
		return
	}
	for h.positive.n+h.below().n-b.n+b.span(i) > MaxBuckets && h.schema > MinSchema {
		h.widen(1)
		i >>= 1
	}
	b.add(i, weight)
}

func (h *Histogram) widen(steps int) {
	h.positive.widen(steps)
	if h.negative != nil {
		h.negative.widen(steps)
	}
	h.schema -= steps
}

// Merge adds o, which stays as it is. Counts add exactly; the schema becomes
// the smaller of the two, and smaller still where the buckets would be too
// many.
func (h *Histogram) Merge(o *Histogram) {
	if o.Count == 0 {
		return
	}
	if h.Count == 0 {
		h.Min, h.Max = o.Min, o.Max
	}
	h.Min, h.Max = min(h.Min, o.Min), max(h.Max, o.Max)
	h.Count += o.Count
	h.addSum(o.sum)
	h.comp += o.comp
	h.zero += o.zero
	if o.schema < h.schema {
		h.widen(h.schema - o.schema)
	}
	h.mergeBuckets(&h.positive, &o.positive, o.schema)
	if o.negative != nil {
		h.mergeBuckets(h.makeBelow(), o.negative, o.schema)
	}
}

func (h *Histogram) mergeBuckets(dst, src *buckets, schema int) {
	if src.n == 0 {
		return
	}
	both := func() int {
		shift := schema - h.schema
		low, _ := dst.reach(src.first >> shift)
		_, high := dst.reach((src.first + src.n - 1) >> shift)
		return high - low
	}
	for h.positive.n+h.below().n-dst.n+both() > MaxBuckets && h.schema > MinSchema {
		h.widen(1)
	}
	shift := schema - h.schema
	if shift == 0 && src.tiny() && dst.tiny() && dst.addTiny(src) {
		return
	}
	src.each(func(i int, w float64) bool {
		dst.add(i>>shift, w)
		return true
	})
}

// Quantile returns the value below which a share q of the weight lies, and the
// relative error it is within: the middle of the bucket that holds it, kept
// between Min and Max. It returns NaN for an empty histogram or a q outside
// [0, 1].
func (h *Histogram) Quantile(q float64) (value, relErr float64) {
	if h.Count == 0 || !(q >= 0 && q <= 1) {
		return math.NaN(), 0
	}
	rank, seen := q*h.Count, 0.0
	value = h.Max
	h.Buckets(func(low, high, count float64) bool {
		seen += count
		if seen < rank || count == 0 {
			return true
		}
		value = middle(low, high)
		return false
	})
	return min(max(value, h.Min), h.Max), relativeError(h.schema)
}

// middle has the same relative distance to both bounds.
func middle(low, high float64) float64 {
	if low == high {
		return low
	}
	if math.IsInf(high, 0) || math.IsInf(low, 0) {
		return low/2 + high/2
	}
	return 2 * (low / (low + high)) * high
}

// Buckets calls f for every bucket that holds something, by rising value,
// until f returns false. Bounds belong to the bucket on the side away from 0.
func (h *Histogram) Buckets(f func(low, high, count float64) bool) {
	down := h.below().eachDown(func(i int, w float64) bool {
		return f(-upper(i, h.schema), -upper(i-1, h.schema), w)
	})
	if !down || h.zero != 0 && !f(0, 0, h.zero) {
		return
	}
	h.positive.each(func(i int, w float64) bool {
		return f(upper(i-1, h.schema), upper(i, h.schema), w)
	})
}
