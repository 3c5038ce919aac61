package api

import "github.com/prometheus/prometheus/model/histogram"

// Boundary rules of a bucket, as Prometheus's API numbers them.
const (
	openLeft   = 0 // (lower, upper]
	openRight  = 1 // [lower, upper)
	closedBoth = 3 // [lower, upper]
)

// histogramOf renders a native histogram: count, sum and the buckets that hold
// something, each [boundaries, lower, upper, count].
func histogramOf(h *histogram.FloatHistogram) map[string]any {
	buckets := [][4]any{}
	for it := h.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		rule := openLeft
		switch {
		case b.LowerInclusive && b.UpperInclusive:
			rule = closedBoth
		case b.LowerInclusive:
			rule = openRight
		}
		buckets = append(buckets, [4]any{rule, number(b.Lower), number(b.Upper), number(b.Count)})
	}
	m := map[string]any{"count": number(h.Count), "sum": number(h.Sum)}
	if len(buckets) > 0 {
		m["buckets"] = buckets
	}
	return m
}
