package gateway

import (
	promhistogram "github.com/prometheus/prometheus/model/histogram"

	"example.com/nexusctl/protocol/histogram"
)

func tooManyBuckets(h *promhistogram.FloatHistogram) bool {
	const most = histogram.MaxNativeBuckets
	return len(h.PositiveBuckets) > most || len(h.NegativeBuckets) > most || len(h.CustomValues) > most ||
		len(h.PositiveSpans) > most || len(h.NegativeSpans) > most
}
