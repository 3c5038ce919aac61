package block

import "example.com/nexusctl/protocol/histogram"

// Merge combines two partials of one series and bucket that the same writer
// stored, b after a: a gauge's last value is b's. Raw points never merge.
func Merge(a, b Point) Point { return merge(a, b, b) }

// MergeWriters combines partials of different writers, or of a chunk and what
// came after it: a gauge's last value is the one that was seen later, and b's
// where both were seen at once.
func MergeWriters(a, b Point) Point {
	if a.Kind == Gauge && a.LastAt > b.LastAt {
		return merge(a, b, a)
	}
	return merge(a, b, b)
}

func merge(a, b, last Point) Point {
	out := Point{Series: a.Series, Time: a.Time, Kind: a.Kind, N: a.N + b.N}
	switch a.Kind {
	case Counter:
		out.Sum, out.Neg = a.Sum+b.Sum, a.Neg+b.Neg
	case Gauge:
		out.Sum = a.Sum + b.Sum
		out.Min, out.Max = min(a.Min, b.Min), max(a.Max, b.Max)
		out.Last, out.LastAt = last.Last, last.LastAt
	case Histogram:
		out.Count, out.Sum = a.Count+b.Count, a.Sum+b.Sum
		out.Min, out.Max = min(a.Min, b.Min), max(a.Max, b.Max)
		out.Sketch = mergeHistograms(a.Sketch, b.Sketch)
	case Set:
		out.Sketch = mergeSets(a.Sketch, b.Sketch)
	default:
		return b
	}
	return out
}

// mergeHistograms keeps a readable sketch where the other is damaged: the
// block's own checksum has vouched for both, so this guards against bugs alone.
func mergeHistograms(a, b []byte) []byte {
	x, err := histogram.Decode(a)
	if err != nil {
		return b
	}
	y, err := histogram.Decode(b)
	if err != nil {
		return a
	}
	x.Merge(y)
	return x.AppendBinary(nil)
}

func mergeSets(a, b []byte) []byte {
	x, err := histogram.DecodeSet(a)
	if err != nil {
		return b
	}
	y, err := histogram.DecodeSet(b)
	if err != nil {
		return a
	}
	x.Merge(y)
	return x.AppendBinary(nil)
}
