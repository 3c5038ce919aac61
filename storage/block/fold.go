package block

import "example.com/nexusctl/protocol/histogram"

// Fold merges points of one series and kind, sorted by time, into one a bucket
// of width milliseconds. A raw sample is not merged: the last one of a bucket
// stands for it, at its own time. The points given are left as they are.
func Fold(points []Point, width int64) (out []Point) {
	for len(points) > 0 {
		start := Floor(points[0].Time, width)
		n := 1
		for n < len(points) && points[n].Time < start+width {
			n++
		}
		out = append(out, foldOne(points[:n], start))
		points = points[n:]
	}
	return out
}

// Floor returns the start of t's bucket of width.
func Floor(t, width int64) int64 {
	start := t / width * width
	if start > t {
		start -= width
	}
	return start
}

func foldOne(points []Point, start int64) Point {
	last := points[len(points)-1]
	if last.Kind == Raw {
		return last
	}
	f := fold{out: points[0]}
	f.out.Time = start
	f.sum.add(f.out.Sum)
	f.neg.add(f.out.Neg)
	for i := range points[1:] {
		f.add(&points[i+1])
	}
	return f.end(points)
}

// fold gathers the points of one bucket.
type fold struct {
	out      Point
	sum, neg sum
}

func (f *fold) add(p *Point) {
	f.sum.add(p.Sum)
	f.neg.add(p.Neg)
	f.out.N += p.N
	f.out.Count += p.Count
	f.out.Min, f.out.Max = min(f.out.Min, p.Min), max(f.out.Max, p.Max)
	if p.LastAt >= f.out.LastAt {
		f.out.Last, f.out.LastAt = p.Last, p.LastAt
	}
}

func (f *fold) end(points []Point) Point {
	f.out.Sum, f.out.Neg = f.sum.value(), f.neg.value()
	if len(points) > 1 {
		switch f.out.Kind {
		case Histogram:
			f.out.Sketch = foldHistograms(points)
		case Set:
			f.out.Sketch = foldSets(points)
		}
	}
	return f.out
}

// foldHistograms decodes each sketch once: merging pair by pair would decode
// and encode the growing sum with every point.
func foldHistograms(points []Point) []byte {
	var all *histogram.Histogram
	for i := range points {
		h, err := histogram.Decode(points[i].Sketch)
		switch {
		case err != nil: // the chunk's checksum has vouched for it; see mergeHistograms
		case all == nil:
			all = h
		default:
			all.Merge(h)
		}
	}
	if all == nil {
		return points[0].Sketch
	}
	return all.AppendBinary(nil)
}

func foldSets(points []Point) []byte {
	var all *histogram.Set
	for i := range points {
		s, err := histogram.DecodeSet(points[i].Sketch)
		switch {
		case err != nil:
		case all == nil:
			all = s
		default:
			all.Merge(s)
		}
	}
	if all == nil {
		return points[0].Sketch
	}
	return all.AppendBinary(nil)
}

// sum adds floats that are short decimals as whole numbers, so that what is a
// short decimal stays one: 0.1 + 0.2 as floats has seventeen digits, and takes
// eight bytes on disk instead of one.
type sum struct {
	mantissa int64
	decimals int
	plain    float64
	inexact  bool
}

func (s *sum) add(v float64) {
	s.plain += v
	if s.inexact || v == 0 {
		return
	}
	// Most have as many decimals as those before, or fewer.
	if m, ok := mantissa(v, s.decimals); ok && m < surely && m > -surely && s.mantissa < surely && s.mantissa > -surely {
		s.mantissa += m
		return
	}
	m, d, ok := decimal(v)
	if !ok {
		s.inexact = true
		return
	}
	for ; s.decimals < d; s.decimals++ {
		if !small(s.mantissa) {
			s.inexact = true
			return
		}
		s.mantissa *= 10
	}
	for ; d < s.decimals; d++ {
		if !small(m) {
			s.inexact = true
			return
		}
		m *= 10
	}
	s.mantissa += m
	s.inexact = s.mantissa >= maxMantissa || s.mantissa <= -maxMantissa
}

// surely bounds mantissas of which there is no second one that gives the same
// float, and two of which can be added.
const surely = 1 << 50

// small reports a mantissa that can be ten times as much.
func small(m int64) bool { return m < maxMantissa/10 && m > -maxMantissa/10 }

func (s *sum) value() float64 {
	if s.inexact {
		return s.plain
	}
	return float64(s.mantissa) / pow10[s.decimals]
}
