package query

import (
	"math"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
)

// Sample is one value at one time, Unix milliseconds, as PromQL sees it. Hist
// is set for distributions instead of Value.
type Sample struct {
	Time  int64
	Value float64
	Hist  *histogram.Histogram
	// Error is the relative standard error of Value, where that is an estimate.
	Error float64

	// Of raw samples: a native histogram as it was sent, and when the count
	// began, 0 for unknown.
	Native *histogram.Native
	Start  int64
}

// staleBits is the value by which Prometheus marks the end of a series.
const staleBits = 0x7ff0000000000002

func stale() float64 { return math.Float64frombits(staleBits) }

// timeline turns points into samples: a pure function. A bucket's sample
// stands at the bucket's end, that of the open bucket at now, or at the end of
// what is asked for where that is earlier by less than a step: a question about
// now is answered a little later, or comes from a clock that is behind, and a
// bucket that closed in between would be missing. A series that starts, or
// comes back after more than idle, gets its old value one step before; one that
// is silent goes on with its last value for idle, and then ends.
//
// Of a bucket by the minute or the hour it is only known when a gauge's last
// value was seen. So that is where its sample stands, at the end of the step in
// which it was; and what lies within such a bucket is no silence.
type timeline struct {
	step, idle, now, asked int64
	spans                  []storage.Span
	out                    []Sample
}

func (t *timeline) end(p block.Point) int64 {
	if p.Kind == block.Raw {
		return p.Time
	}
	start, width := p.Time, t.step
	if wide := storage.Width(t.spans, p.Time); wide > width {
		if width = wide; p.Kind == block.Gauge {
			start, width = max(p.Time, block.Floor(p.LastAt, t.step)), t.step
		}
	}
	if end := start + width; end <= min(t.now, t.asked) || end <= t.now && t.now-t.asked >= t.step {
		return end
	}
	return max(min(t.now, t.asked), start+1)
}

// silence returns for how long nothing came between a sample and the point
// that follows.
func (t *timeline) silence(last, at int64, p block.Point) int64 {
	if storage.Width(t.spans, p.Time) > t.step {
		return p.Time - last
	}
	return at - last
}

// scalars builds the samples of a value that holds until it changes.
func (t *timeline) scalars(points []block.Point, before float64, known bool, value func(block.Point) float64) []Sample {
	last, v := int64(math.MinInt64), before
	for _, p := range points {
		at := t.end(p)
		switch {
		case last != math.MinInt64 && t.silence(last, at, p) <= t.idle:
			t.fill(last, p.Time, v)
		case last != math.MinInt64:
			t.finish(last, v)
			fallthrough
		default:
			if known {
				t.out = append(t.out, Sample{Time: p.Time, Value: v})
			}
		}
		v = value(p)
		t.out = append(t.out, Sample{Time: at, Value: v})
		last = at
	}
	if last != math.MinInt64 {
		t.finish(last, v)
	}
	return t.out
}

// fill repeats v at every step after last up to and with to.
func (t *timeline) fill(last, to int64, v float64) {
	for at := last + t.step; at <= to; at += t.step {
		t.out = append(t.out, Sample{Time: at, Value: v})
	}
}

// finish goes on with v for idle and then marks the end.
func (t *timeline) finish(last int64, v float64) {
	t.fill(last, min(last+t.idle, t.now), v)
	if gone := last + t.idle + t.step; gone <= t.now {
		t.out = append(t.out, Sample{Time: gone, Value: stale()})
	}
}

// samples returns what PromQL sees of a series; decrements asks for a
// counter's negative increments instead of its total.
func (s *Series) samples(decrements bool, t timeline) []Sample {
	t.spans = s.Spans
	switch {
	case s.Key.Type == protocol.Raw:
		return rawSamples(s.Points)
	case len(s.Points) == 0 && s.Key.Type != protocol.Counter:
		return nil
	case s.Key.Type == protocol.Counter && decrements:
		total := 0 - s.Base.Neg // never -0
		list := t.scalars(s.Points, total, true, func(p block.Point) float64 { total -= p.Neg; return total })
		return totals(t.step, t.now, true).between(list, s.live)
	case s.Key.Type == protocol.Counter:
		total := s.Base.Sum - s.Base.Neg
		list := t.scalars(s.Points, total, true, func(p block.Point) float64 { total += p.Sum - p.Neg; return total })
		return totals(t.step, t.now, false).between(list, s.live)
	case s.Key.Type == protocol.Gauge:
		list := t.scalars(s.Points, 0, false, func(p block.Point) float64 { return p.Last })
		return levels(t.step, t.now).between(list, s.live)
	case s.Key.Type == protocol.Set:
		return t.each(s.Points, setSample)
	case len(s.live) > 0:
		return t.finerDistributions(s.Points, s.live)
	default:
		return t.each(s.Points, histogramSample)
	}
}

// each builds one sample a bucket of values that hold for their bucket alone.
func (t *timeline) each(points []block.Point, sample func(block.Point) (Sample, bool)) []Sample {
	for _, p := range points {
		if s, ok := sample(p); ok {
			s.Time = t.end(p)
			t.out = append(t.out, s)
		}
	}
	return t.out
}

func setSample(p block.Point) (Sample, bool) {
	set, err := histogram.DecodeSet(p.Sketch)
	if err != nil {
		return Sample{}, false
	}
	n, relErr := set.Estimate()
	return Sample{Value: float64(n), Error: relErr}, true
}

func histogramSample(p block.Point) (Sample, bool) {
	h, err := histogram.Decode(p.Sketch)
	return Sample{Hist: h}, err == nil
}
