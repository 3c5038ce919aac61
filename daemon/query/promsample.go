package query

import (
	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"example.com/nexusctl/protocol/histogram"
)

// promSample is a Sample in the engine's terms.
type promSample struct{ s Sample }

func (p promSample) T() int64                    { return p.s.Time }
func (p promSample) ST() int64                   { return p.s.Start }
func (p promSample) F() float64                  { return p.s.Value }
func (p promSample) H() *promhistogram.Histogram { return nil }
func (p promSample) Copy() chunks.Sample         { return p }
func (p promSample) FH() *promhistogram.FloatHistogram {
	switch {
	case p.s.Native != nil:
		return promNative(p.s.Native)
	case p.s.Hist != nil:
		return nativeHistogram(p.s.Hist)
	}
	return nil
}

func (p promSample) Type() chunkenc.ValueType {
	if p.s.Hist != nil || p.s.Native != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// nativeHistogram renders one bucket's distribution as a Prometheus native
// histogram of the same schema. It is a gauge histogram: it holds what came in
// its bucket of time, not a running total.
func nativeHistogram(h *histogram.Histogram) *promhistogram.FloatHistogram {
	out := &promhistogram.FloatHistogram{
		CounterResetHint: promhistogram.GaugeType,
		Schema:           int32(h.Schema()), Count: h.Count, Sum: h.Sum(), ZeroCount: h.ZeroCount(),
	}
	out.PositiveSpans, out.PositiveBuckets = spans(h.Positive())
	out.NegativeSpans, out.NegativeBuckets = spans(h.Negative())
	return out
}

// spans renders dense buckets from an index on. Prometheus numbers a bucket by
// its upper bound, so its index is one higher than the one that counts from
// the lower.
func spans(first int, counts []float64) ([]promhistogram.Span, []float64) {
	if len(counts) == 0 {
		return nil, nil
	}
	return []promhistogram.Span{{Offset: int32(first) + 1, Length: uint32(len(counts))}}, counts
}
