package query

import (
	"math"
	"slices"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// rawSamples gives raw points as they are: their own times, and NaN, infinities
// and stale markers among them. The step, idle and running totals are for what
// the daemon has folded.
func rawSamples(points []block.Point) []Sample {
	out := make([]Sample, 0, len(points))
	var prev *promhistogram.FloatHistogram
	for _, p := range points {
		s := Sample{Time: p.Time, Value: p.Last, Start: p.LastAt}
		if len(p.Sketch) > 0 {
			n, err := histogram.DecodeNative(p.Sketch)
			if err != nil {
				continue // the block's checksum has vouched for it: a bug's guard
			}
			prev, s.Native = hint(prev, n), n
		} else {
			prev = nil
		}
		out = append(out, s)
	}
	return out
}

// hint says of a counter histogram that follows another without a reset that it
// does, as Prometheus's own store would: it knows no more of any other one,
// whatever the sender said. It returns the histogram in the engine's terms.
func hint(prev *promhistogram.FloatHistogram, n *histogram.Native) *promhistogram.FloatHistogram {
	if n.Reset == byte(promhistogram.GaugeType) {
		return nil
	}
	sent := n.Reset
	n.Reset = byte(promhistogram.UnknownCounterReset)
	h := promNative(n)
	if math.IsNaN(n.Sum) && math.Float64bits(n.Sum) == staleBits {
		return nil
	}
	if prev != nil && sent != byte(promhistogram.CounterReset) && !h.DetectReset(prev) {
		n.Reset = byte(promhistogram.NotCounterReset)
	}
	return h
}

// rawValue is the one number that stands for a raw sample: of a histogram, its
// mean.
func rawValue(p block.Point) (float64, bool) {
	if len(p.Sketch) == 0 {
		return p.Last, finite(p.Last)
	}
	n, err := histogram.DecodeNative(p.Sketch)
	if err != nil {
		return 0, false
	}
	return n.Sum / n.Count, finite(n.Sum / n.Count)
}

// promNative makes a histogram of its own each time: the engine works in place.
func promNative(n *histogram.Native) *promhistogram.FloatHistogram {
	return &promhistogram.FloatHistogram{
		CounterResetHint: promhistogram.CounterResetHint(n.Reset), Schema: n.Schema,
		ZeroThreshold: n.ZeroThreshold, ZeroCount: n.ZeroCount, Count: n.Count, Sum: n.Sum,
		PositiveSpans: promSpans(n.PositiveSpans), PositiveBuckets: slices.Clone(n.PositiveBuckets),
		NegativeSpans: promSpans(n.NegativeSpans), NegativeBuckets: slices.Clone(n.NegativeBuckets),
		CustomValues: n.Custom,
	}
}

func promSpans(list []histogram.Span) (out []promhistogram.Span) {
	for _, s := range list {
		out = append(out, promhistogram.Span{Offset: s.Offset, Length: s.Length})
	}
	return out
}

// NativeOf keeps a Prometheus histogram as a raw sample does.
func NativeOf(h *promhistogram.FloatHistogram) *histogram.Native {
	return &histogram.Native{
		Reset: byte(h.CounterResetHint), Schema: h.Schema,
		ZeroThreshold: h.ZeroThreshold, ZeroCount: h.ZeroCount, Count: h.Count, Sum: h.Sum,
		PositiveSpans: nativeSpans(h.PositiveSpans), PositiveBuckets: h.PositiveBuckets,
		NegativeSpans: nativeSpans(h.NegativeSpans), NegativeBuckets: h.NegativeBuckets,
		Custom: h.CustomValues,
	}
}

func nativeSpans(list []promhistogram.Span) (out []histogram.Span) {
	for _, s := range list {
		out = append(out, histogram.Span{Offset: s.Offset, Length: s.Length})
	}
	return out
}

func rawLabels(k series.Key) labels.Labels {
	b := labels.NewScratchBuilder(len(k.Tags) + 1)
	b.Add(nameLabel, k.Name)
	for _, t := range k.Tags {
		b.Add(t.Key, t.Value)
	}
	b.Sort()
	return b.Labels()
}

// decreased reports a counter that has had a negative increment.
func (s *Series) decreased() bool {
	return s.Base.Neg != 0 || slices.ContainsFunc(s.Points, func(p block.Point) bool { return p.Neg != 0 })
}
