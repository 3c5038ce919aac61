package query

import (
	"math"
	"slices"

	promstorage "github.com/prometheus/prometheus/storage"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/live"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// Live is what the read path knows by the second: live.Window.
type Live interface {
	Rows(s *admit.Series, from, to int64) []live.Row
	Watch(list []*admit.Series)
}

// noLive is a daemon without a live window.
type noLive struct{}

func (noLive) Rows(*admit.Series, int64, int64) []live.Row { return nil }
func (noLive) Watch([]*admit.Series)                       {}

// shortWindow is how many buckets a window of a single moment may span so that it
// is read by the second: over more of them a second changes little, and costs ten
// times the samples.
const shortWindow = 12

// finely says which values a selector wants by the second: those of counters and
// gauges, and those of distributions. A step below the resolution wants both. So
// does one moment over a short window; one moment alone wants what was gathered
// in a whole bucket of a distribution, not in one second.
func finely(h *promstorage.SelectHints, resolution int64) (scalars, sketches bool) {
	switch {
	case h == nil:
		return false, false
	case h.Step > 0:
		return h.Step < resolution, h.Step < resolution
	case h.Range > 0:
		short := h.Range <= shortWindow*resolution
		return short, short
	}
	return true, false
}

// addLive reads the rows of series that are shown by the second, and notes that
// somebody looks at them. It comes before the points are read: what a row tells
// is in them then.
func (r *Reader) addLive(list []Series, from, to int64, scalars, sketches bool) {
	if !scalars && !sketches || to < r.opts.Now().UnixMilli()-live.Keep {
		return
	}
	var seen []*admit.Series
	for i := range list {
		s := &list[i]
		if s.local == nil || (s.sketched() && !sketches) || (!s.sketched() && !scalars) {
			continue
		}
		s.live = r.opts.Live.Rows(s.local, from, to)
		seen = append(seen, s.local)
	}
	r.opts.Live.Watch(seen)
}

// finer puts what was known at each second between samples that stand at the ends
// of buckets: a pure function. Those stay as they are, so that a second more or
// less changes no total.
type finer struct {
	width, now int64
	climbs     bool // the value never falls
	// within returns the value at a second, given that before the bucket.
	within func(r *live.Row, i int, before float64) (float64, live.State)
}

// totals shows a counter's total, or that of its negative increments.
func totals(width, now int64, decrements bool) finer {
	return finer{width: width, now: now, climbs: true, within: func(r *live.Row, i int, before float64) (float64, live.State) {
		v, neg, state := r.At(i)
		if decrements {
			v = 0 - neg
		}
		return before + v, state
	}}
}

// levels shows a gauge.
func levels(width, now int64) finer {
	return finer{width: width, now: now, within: func(r *live.Row, i int, _ float64) (float64, live.State) {
		v, _, state := r.At(i)
		return v, state
	}}
}

func (f finer) between(coarse []Sample, rows []live.Row) []Sample {
	if len(rows) == 0 {
		return coarse
	}
	out := make([]Sample, 0, len(coarse)+len(rows)*int(f.width/live.Step))
	for i := range rows {
		n := 0
		for n < len(coarse) && coarse[n].Time <= rows[i].Bucket {
			n++
		}
		out, coarse = append(out, coarse[:n]...), coarse[n:]
		out = f.row(out, &rows[i], coarse)
	}
	return append(out, coarse...)
}

// row adds the seconds of one bucket to what came before it; next are the samples
// behind its beginning.
func (f finer) row(out []Sample, r *live.Row, next []Sample) []Sample {
	before, known := 0.0, false
	if n := len(out); n > 0 && math.Float64bits(out[n-1].Value) != staleBits {
		before, known = out[n-1].Value, true
	}
	limit, ceiling := f.now+1, math.Inf(1)
	if len(next) > 0 {
		limit = min(limit, next[0].Time)
		if next[0].Time <= r.Bucket+f.width && !math.IsNaN(next[0].Value) {
			ceiling = next[0].Value
		}
	}
	low := before
	for i := range r.Values {
		at := r.Bucket + int64(i+1)*live.Step
		if at >= limit {
			break
		}
		v, state := f.within(r, i, before)
		switch {
		case state == live.Unknown, state == live.Quiet && !known:
			continue
		case state == live.Quiet:
			v = before
		}
		if f.climbs { // roundings of sums must not look like a reset
			v = min(max(v, low), ceiling)
			low = v
		}
		out = append(out, Sample{Time: at, Value: v})
	}
	return out
}

// rowOf returns the row of a bucket.
func rowOf(rows []live.Row, bucket int64) *live.Row {
	i := slices.IndexFunc(rows, func(r live.Row) bool { return r.Bucket == bucket })
	if i < 0 {
		return nil
	}
	return &rows[i]
}

// share is what came into a distribution in the second that ends at At.
type share struct {
	at   int64
	hist *histogram.Histogram
}

// shares takes a bucket's distribution apart: what came in each second that ended
// before end, and what is left of it, which came later. Together they are the
// whole.
func shares(whole *histogram.Histogram, r *live.Row, end int64) (list []share, rest *histogram.Histogram) {
	rest = whole
	if r == nil {
		return nil, rest
	}
	for _, s := range r.Sketches {
		at := r.Bucket + int64(s.Second+1)*live.Step
		h, err := histogram.Decode(s.Data)
		if err != nil || at >= end {
			break
		}
		list = append(list, share{at, h})
		rest = rest.Without(h)
	}
	return list, rest
}

// finerDistributions is each for distributions, of which a second is told where it
// is known.
func (t *timeline) finerDistributions(points []block.Point, rows []live.Row) []Sample {
	for _, p := range points {
		whole, err := histogram.Decode(p.Sketch)
		if err != nil {
			continue
		}
		end := t.end(p)
		list, rest := shares(whole, rowOf(rows, p.Time), end)
		for _, s := range list {
			t.out = append(t.out, Sample{Time: s.at, Hist: s.hist})
		}
		if rest.Count > 0 {
			t.out = append(t.out, Sample{Time: end, Hist: rest})
		}
	}
	return t.out
}

// seconds takes the points apart where what came in each second is known. The
// parts of a bucket add up to it.
func (s *Series) seconds(width int64) []block.Point {
	if len(s.live) == 0 {
		return s.Points
	}
	out := make([]block.Point, 0, len(s.Points)+len(s.live)*int(width/live.Step))
	for _, p := range s.Points {
		r := rowOf(s.live, p.Time)
		switch {
		case r == nil:
			out = append(out, p)
		case p.Kind == block.Counter:
			out = appendIncrements(out, p, r)
		case p.Kind == block.Gauge:
			out = appendLevels(out, p, r)
		case p.Kind == block.Histogram:
			out = appendShares(out, p, r, width)
		default:
			out = append(out, p)
		}
	}
	return out
}

// appendIncrements adds what a counter gathered in each second of a bucket, and
// last what is left of the bucket then.
func appendIncrements(out []block.Point, p block.Point, r *live.Row) []block.Point {
	at, up, neg := p.Time, 0.0, 0.0
	add := func(toUp, toNeg float64) {
		if toUp != up || toNeg != neg {
			out = append(out, block.Point{Kind: block.Counter, Time: at, N: 1, Sum: (toUp - up) + (toNeg - neg), Neg: toNeg - neg})
			up, neg = toUp, toNeg
		}
	}
	for i := range r.Values {
		v, n, state := r.At(i)
		if state == live.Unknown {
			continue
		}
		at = p.Time + int64(i)*live.Step
		if state == live.Some {
			add(min(max(v, up), p.Sum-p.Neg), max(min(n, neg), p.Neg))
		}
		at += live.Step
	}
	if up == 0 && neg == 0 { // it stands where it always did, its sum unrounded
		p.Time = at
		return append(out, p)
	}
	add(p.Sum-p.Neg, p.Neg)
	return out
}

// appendLevels adds a gauge's value of each second of a bucket from its first one
// on.
func appendLevels(out []block.Point, p block.Point, r *live.Row) []block.Point {
	at := p.Time
	for i := range r.Values {
		v, _, state := r.At(i)
		if state == live.Unknown {
			continue
		}
		at = p.Time + int64(i)*live.Step
		if state == live.Some {
			out = append(out, block.Point{Kind: block.Gauge, Time: at, N: 1, Sum: v, Min: v, Max: v, Last: v, LastAt: at})
		}
		at += live.Step
	}
	p.Time = at
	return append(out, p)
}

func appendShares(out []block.Point, p block.Point, r *live.Row, width int64) []block.Point {
	whole, err := histogram.Decode(p.Sketch)
	if err != nil {
		return append(out, p)
	}
	list, rest := shares(whole, r, p.Time+width)
	at := p.Time
	for _, s := range list {
		out = append(out, distribution(s.at-live.Step, s.hist))
		at = s.at
	}
	if rest.Count > 0 {
		out = append(out, distribution(at, rest))
	}
	return out
}

func distribution(at int64, h *histogram.Histogram) block.Point {
	return block.Point{
		Kind: block.Histogram, Time: at, N: 1, Count: h.Count, Sum: h.Sum(), Min: h.Min, Max: h.Max, Sketch: h.AppendBinary(nil),
	}
}
