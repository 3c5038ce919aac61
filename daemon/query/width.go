package query

import (
	"time"

	promstorage "github.com/prometheus/prometheus/storage"
)

// lookback is how far back the engine looks for a sample: Prometheus's own
// default, which NewEngine leaves.
const lookback = int64(5 * time.Minute / time.Millisecond)

// widths are those of the coarser tiers, milliseconds.
var widths = []int64{int64(time.Hour / time.Millisecond), int64(time.Minute / time.Millisecond)}

// perWindow is how many buckets a window must hold at least: a rate goes by what
// lies between its first and last sample, so that it can miss a bucket's worth.
const perWindow = 100

// width returns the step that a selector's points may have: 0 for the finest.
// Wider buckets serve where every moment that is asked for is the end of one:
// a value there is the same whichever width it was read with. Over a window
// that is true of what a counter has gathered alone; the highest or the mean
// of a gauge would be taken of its last values.
func width(h *promstorage.SelectHints) int64 {
	if h == nil || h.Step <= 0 {
		return 0
	}
	window := h.Range
	if window == 0 {
		window = lookback
	} else if h.Func != "rate" && h.Func != "increase" {
		return 0
	}
	first := h.Start - 1 + window
	for _, w := range widths {
		if h.Step%w != 0 || first%w != 0 {
			continue
		}
		if h.Range == 0 || h.Range%w == 0 && h.Range >= perWindow*w {
			return w
		}
	}
	return 0
}
