package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Timer is durations for Prometheus, since the start, and for the overview,
// over the last minute.
type Timer struct {
	prometheus.Histogram
	window Window
}

// NewTimer returns a timer of a metric in seconds, with classic buckets for
// those who cannot read native ones.
func NewTimer(name, help string) *Timer {
	return &Timer{Histogram: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets:                     []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	})}
}

// Took adds a duration that ended now.
func (t *Timer) Took(now time.Time, d time.Duration) {
	t.Observe(d.Seconds())
	t.window.Observe(now, d)
}

// Window returns the durations of the last minute.
func (t *Timer) Window() *Window { return &t.window }
