package gateway

import (
	"strconv"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

const delta = otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA

// histogram keeps running totals as the classic series _bucket, _count and
// _sum. What came in one interval alone is a native histogram with the
// sender's bounds, marked as a gauge: it holds for its time, as the daemon's
// own distributions do.
func (d *decoder) histogram(name string, t otlp.AggregationTemporality, p *otlp.HistogramDataPoint) {
	bounds, counts := p.GetExplicitBounds(), p.GetBucketCounts()
	if len(counts) != 0 && len(counts) != len(bounds)+1 {
		d.in.refuse(protocol.Syntax, 1)
		return
	}
	if t == delta {
		d.native(name, p.GetTimeUnixNano(), p.GetStartTimeUnixNano(), d.tags(p.GetAttributes()), customHistogram(p), p.GetFlags())
		return
	}
	at, start := p.GetTimeUnixNano(), p.GetStartTimeUnixNano()
	put := func(suffix string, v float64, weight int, more ...series.Tag) {
		if noValue(p.GetFlags()) {
			v = stale()
		}
		d.put(name+suffix, d.tags(p.GetAttributes(), more...), at, start, v, weight)
	}
	total := uint64(0)
	for i, bound := range bounds {
		if len(counts) > 0 {
			total += counts[i]
		}
		put("_bucket", float64(total), 0, series.Tag{Key: "le", Value: strconv.FormatFloat(bound, 'f', -1, 64)})
	}
	put("_bucket", float64(p.GetCount()), 0, series.Tag{Key: "le", Value: "+Inf"})
	put("_count", float64(p.GetCount()), 1)
	if p.Sum != nil {
		put("_sum", p.GetSum(), 0)
	}
}

// customHistogram renders explicit bounds as a native histogram of schema -53.
func customHistogram(p *otlp.HistogramDataPoint) *promhistogram.FloatHistogram {
	h := &promhistogram.FloatHistogram{
		CounterResetHint: promhistogram.GaugeType, Schema: promhistogram.CustomBucketsSchema,
		Count: float64(p.GetCount()), Sum: p.GetSum(), CustomValues: p.GetExplicitBounds(),
	}
	if n := len(p.GetBucketCounts()); n > 0 {
		h.PositiveSpans = []promhistogram.Span{{Length: uint32(n)}}
	}
	for _, c := range p.GetBucketCounts() {
		h.PositiveBuckets = append(h.PositiveBuckets, float64(c))
	}
	return h
}

// exponential keeps a base-2 exponential histogram as a native one.
func (d *decoder) exponential(name string, t otlp.AggregationTemporality, p *otlp.ExponentialHistogramDataPoint) {
	h, ok := nativeHistogram(p)
	if !ok {
		d.in.refuse(protocol.Range, 1)
		return
	}
	if t == delta {
		h.CounterResetHint = promhistogram.GaugeType
	}
	d.native(name, p.GetTimeUnixNano(), p.GetStartTimeUnixNano(), d.tags(p.GetAttributes()), h, p.GetFlags())
}

const (
	minSchema = -4
	maxSchema = 8
	// maxOffset bounds a bucket's index, so that sums of it cannot wrap: beyond
	// any float's bucket at the finest schema.
	maxOffset = 1 << 20
)

// nativeHistogram widens the buckets to a schema that Prometheus knows. It
// fails below the widest.
func nativeHistogram(p *otlp.ExponentialHistogramDataPoint) (*promhistogram.FloatHistogram, bool) {
	scale := p.GetScale()
	down := max(0, scale-maxSchema)
	if scale < minSchema || down > 20 {
		return nil, false
	}
	h := &promhistogram.FloatHistogram{
		Schema: scale - down, ZeroThreshold: p.GetZeroThreshold(), ZeroCount: float64(p.GetZeroCount()),
		Count: float64(p.GetCount()), Sum: p.GetSum(),
	}
	var okP, okN bool
	h.PositiveSpans, h.PositiveBuckets, okP = widened(p.GetPositive(), down)
	h.NegativeSpans, h.NegativeBuckets, okN = widened(p.GetNegative(), down)
	return h, okP && okN
}

// widened merges 2^down buckets into one each. Prometheus numbers a bucket by
// its upper bound, OTLP by the lower.
func widened(b *otlp.ExponentialHistogramDataPoint_Buckets, down int32) ([]promhistogram.Span, []float64, bool) {
	counts := b.GetBucketCounts()
	if len(counts) == 0 {
		return nil, nil, true
	}
	offset := int64(b.GetOffset())
	if offset>>down < -maxOffset || offset>>down > maxOffset {
		return nil, nil, false
	}
	first := offset >> down
	last := (offset + int64(len(counts)) - 1) >> down
	out := make([]float64, last-first+1)
	for i, c := range counts {
		out[(offset+int64(i))>>down-first] += float64(c)
	}
	return []promhistogram.Span{{Offset: int32(first) + 1, Length: uint32(len(out))}}, out, true
}

// native adds a histogram sample, where its buckets agree with its count.
func (d *decoder) native(name string, at, start uint64, tags []series.Tag, h *promhistogram.FloatHistogram, flags uint32) {
	if noValue(flags) {
		h = &promhistogram.FloatHistogram{Sum: stale()}
	} else if h.Validate() != nil || tooManyBuckets(h) {
		d.in.refuse(protocol.Syntax, 1)
		return
	}
	d.add(name, tags, record.Raw{Time: millis(at), Start: millis(start), Hist: query.NativeOf(h).AppendBinary(nil)}, 1)
}

// summary keeps quantiles as they are; they cannot be folded.
func (d *decoder) summary(name string, p *otlp.SummaryDataPoint) {
	at, start := p.GetTimeUnixNano(), p.GetStartTimeUnixNano()
	of := func(v float64) float64 {
		if noValue(p.GetFlags()) {
			return stale()
		}
		return v
	}
	for _, q := range p.GetQuantileValues() {
		le := series.Tag{Key: "quantile", Value: strconv.FormatFloat(q.GetQuantile(), 'f', -1, 64)}
		d.put(name, d.tags(p.GetAttributes(), le), at, start, of(q.GetValue()), 0)
	}
	d.put(name+"_sum", d.tags(p.GetAttributes()), at, start, of(p.GetSum()), 0)
	d.put(name+"_count", d.tags(p.GetAttributes()), at, start, of(float64(p.GetCount())), 1)
}
