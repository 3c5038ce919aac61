package query

import (
	"context"
	"slices"

	promhistogram "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	promstorage "github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"

	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/protocol/histogram"
)

// scalar is a sample that is a number and nothing else: most are, and a question can
// hold millions of them.
type scalar struct {
	at int64
	v  float64
}

// promSeries is one series in the engine's terms.
type promSeries struct {
	labels  labels.Labels
	scalars []scalar // where all samples are such
	rich    []Sample // else
	pauses
}

// pauses is where a series' question pauses while the engine works on it.
type pauses struct {
	ctx  context.Context
	work *pace.Work
}

func (p *pauses) step() { p.work.Step(p.ctx) }

// newPromSeries copies the samples, of which there is one at least.
func newPromSeries(l labels.Labels, samples []Sample, p pauses) *promSeries {
	s := &promSeries{labels: l, pauses: p}
	if slices.ContainsFunc(samples, Sample.rich) {
		s.rich = slices.Clone(samples)
		return s
	}
	s.scalars = make([]scalar, len(samples))
	for i := range samples {
		s.scalars[i] = scalar{samples[i].Time, samples[i].Value}
	}
	return s
}

// rich reports a sample that holds more than a number.
func (s Sample) rich() bool { return s.Hist != nil || s.Native != nil || s.Start != 0 }

func (s *promSeries) Labels() labels.Labels { return s.labels }

// Len and Get make a series the list that the engine's own iterator goes over.
func (s *promSeries) Len() int { return max(len(s.scalars), len(s.rich)) }

func (s *promSeries) Get(i int) chunks.Sample {
	if s.rich != nil {
		return (*promSample)(&s.rich[i])
	}
	return &s.scalars[i]
}

// Iterator makes one, or takes the one that is given for this series.
func (s *promSeries) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	s.step()
	p, ok := it.(*promIterator)
	if !ok {
		p = &promIterator{listIterator: promstorage.NewListSeriesIterator(s).(listIterator)}
	}
	p.Reset(s)
	*p = promIterator{listIterator: p.listIterator, pauses: s.pauses}
	return p
}

// listIterator is the engine's own iterator.
type listIterator interface {
	chunkenc.Iterator
	Reset(promstorage.Samples)
}

// scalarsAStep is how many numbers the engine gets between two looks at the clock; each
// distribution takes it as long.
const scalarsAStep = 64

// promIterator walks over a series, and lets its question pause: what the engine does
// with one series' samples can take longer than others should wait.
type promIterator struct {
	listIterator
	pauses
	passed int // numbers since the last step

	// made is the histogram at the time of, made once: the engine asks for each several
	// times. Nobody writes to it.
	made *promhistogram.FloatHistogram
	of   int64
}

func (p *promIterator) Next() chunkenc.ValueType {
	typ := p.listIterator.Next()
	if p.passed++; typ == chunkenc.ValFloatHistogram || p.passed == scalarsAStep {
		p.passed = 0
		p.step()
	}
	return typ
}

// AtFloatHistogram writes into the histogram it is given. Who gives none gets one that
// others have too: the engine holds one sample at several of its steps, so that it
// never writes to such.
func (p *promIterator) AtFloatHistogram(into *promhistogram.FloatHistogram) (int64, *promhistogram.FloatHistogram) {
	if at := p.AtT(); p.made == nil || p.of != at {
		p.of, p.made = p.listIterator.AtFloatHistogram(nil)
	}
	if into == nil {
		return p.of, p.made
	}
	p.made.CopyTo(into)
	return p.of, into
}

func (s *scalar) T() int64                          { return s.at }
func (s *scalar) ST() int64                         { return 0 }
func (s *scalar) F() float64                        { return s.v }
func (s *scalar) H() *promhistogram.Histogram       { return nil }
func (s *scalar) FH() *promhistogram.FloatHistogram { return nil }
func (s *scalar) Type() chunkenc.ValueType          { return chunkenc.ValFloat }
func (s *scalar) Copy() chunks.Sample               { c := *s; return &c }

// promSample is a Sample in the engine's terms.
type promSample Sample

func (s *promSample) T() int64                    { return s.Time }
func (s *promSample) ST() int64                   { return s.Start }
func (s *promSample) F() float64                  { return s.Value }
func (s *promSample) H() *promhistogram.Histogram { return nil }
func (s *promSample) Copy() chunks.Sample         { c := *s; return &c }

func (s *promSample) Type() chunkenc.ValueType {
	if s.Hist != nil || s.Native != nil {
		return chunkenc.ValFloatHistogram
	}
	return chunkenc.ValFloat
}

// FH makes a histogram of its own each time.
func (s *promSample) FH() *promhistogram.FloatHistogram {
	switch {
	case s.Native != nil:
		return promNative(s.Native)
	case s.Hist != nil:
		return nativeHistogram(s.Hist)
	}
	return nil
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
