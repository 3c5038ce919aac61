package query

import (
	"context"
	"math"
	"slices"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// Resolution returns the bucket width.
func (r *Reader) Resolution() time.Duration {
	return time.Duration(r.opts.Resolution) * time.Millisecond
}

// Local returns series of this process with their points from from to to, Unix
// milliseconds, in the order given.
func (r *Reader) Local(ctx context.Context, local []*admit.Series, from, to int64) ([]Series, error) {
	list := make([]Series, 0, len(local))
	for _, s := range local {
		key, err := series.Parse([]byte(s.Key))
		if err != nil {
			return nil, err
		}
		list = append(list, Series{ID: s.ID(), Key: key, local: s})
	}
	if len(list) == 0 {
		return list, nil
	}
	return list, r.Fill(ctx, list, from, to)
}

// Latest returns the matching series with what Last needs: the newest value of
// today, and of the idle time before that.
func (r *Reader) Latest(ctx context.Context, ms []series.Matcher) ([]Series, error) {
	list, err := r.Find(ctx, ms)
	if err != nil || len(list) == 0 {
		return list, err
	}
	return list, r.latest(ctx, list, 0)
}

// latest reads the newest points of series, from since on one by one where that is
// not 0, Unix milliseconds.
func (r *Reader) latest(ctx context.Context, list []Series, since int64) error {
	now := r.opts.Now().UnixMilli()
	x := r.held(now-latestBack, now, 0)
	x.detail = aggregate.Totals // of a distribution the mean is shown
	if x.need = now; since > 0 && since < now {
		x.need, x.day = since, min(x.day, startOfDay(since-r.idle.Load()))
	}
	return r.fill(ctx, list, x)
}

// latestBack is how far back a last value is looked for on any day, milliseconds.
const latestBack = 60 * 60 * 1000

// Last returns the newest value of the series and when it was, Unix
// milliseconds: a counter's total, a gauge's value, the mean of a
// distribution's newest bucket, the members of a set's. ok is false where
// nothing is known.
func (s *Series) Last() (v float64, at int64, ok bool) {
	if len(s.Points) == 0 {
		if s.Key.Type == protocol.Counter && s.Base.Sum != 0 {
			return s.Base.Sum, 0, true
		}
		return 0, 0, false
	}
	p := s.Points[len(s.Points)-1]
	if s.Key.Type != protocol.Counter {
		v, ok = value(p)
		return v, max(p.Time, p.LastAt), ok
	}
	v = s.Base.Sum
	for _, p := range s.Points {
		v += p.Sum
	}
	return v, p.Time, finite(v)
}

// Values returns one value a step over [from, to], Unix milliseconds, without
// steps in which nothing happened. Steps are aligned to the clock.
func (s *Series) Values(from, to, step int64) (out []Sample) {
	points := s.Points
	for len(points) > 0 {
		begin := points[0].Time / step * step
		n := 1
		for n < len(points) && points[n].Time < begin+step {
			n++
		}
		if last := points[n-1].Time; last >= from && begin <= to {
			if v, ok := value(fold(points[:n])); ok {
				out = append(out, Sample{Time: begin, Value: v})
			}
		}
		points = points[n:]
	}
	return out
}

// fold merges the points of one step; the last sample is the step's last.
func fold(points []block.Point) block.Point {
	if newest := points[len(points)-1]; newest.Kind == block.Raw {
		return newest
	}
	all := slices.Clone(points)
	for i := range all {
		all[i].Time = points[0].Time
	}
	all = reduce(all, block.Merge)
	return all[len(all)-1]
}

// finite reports a value that JSON can hold: sums can pass what a float does.
func finite(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) }

// value is the one number that stands for a point, where it has a finite one.
func value(p block.Point) (float64, bool) {
	switch p.Kind {
	case block.Counter:
		return p.Sum, finite(p.Sum)
	case block.Gauge:
		return p.Last, finite(p.Last)
	case block.Raw:
		return rawValue(p)
	case block.Histogram:
		return p.Sum / p.Count, finite(p.Sum / p.Count)
	}
	set, err := histogram.DecodeSet(p.Sketch)
	if err != nil {
		return 0, false
	}
	n, _ := set.Estimate()
	return float64(n), true
}
