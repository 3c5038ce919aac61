package telemetry

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Fast is how long a request may take to count as fast in the daemon's own
// latency objective.
const Fast = 100 * time.Millisecond

// unmatched stands for every path that is no route: paths that clients make up
// must not make up series.
const unmatched = "none"

// Requests counts HTTP requests, for Prometheus, for the overview and for the
// daemon's own objectives.
type Requests struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	window   Window
	classes  [6]atomic.Uint64 // by the status' first digit; those that objectives count
	fast     atomic.Uint64
	now      func() time.Time
}

// NewRequests returns counters that stand at nothing.
func NewRequests(now func() time.Time) *Requests {
	return &Requests{
		now: now,
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nexus_api_requests_total", Help: "HTTP requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "nexus_request_duration_seconds", Help: "Time from a request's arrival to the end of its answer.",
			Buckets:                     []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"route", "method"}),
	}
}

// Describe sends the descriptions of both families.
func (r *Requests) Describe(ch chan<- *prometheus.Desc) {
	r.total.Describe(ch)
	r.duration.Describe(ch)
}

// Collect sends both families.
func (r *Requests) Collect(ch chan<- prometheus.Metric) {
	r.total.Collect(ch)
	r.duration.Collect(ch)
}

// Observe counts one answered request. route is the pattern that matched, ""
// for none; probe says that it asked for the daemon's health or exposition,
// which no objective is about.
func (r *Requests) Observe(route, method string, status int, took time.Duration, probe bool) {
	if route == "" {
		route, method = unmatched, unmatched
	}
	r.total.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	r.duration.WithLabelValues(route, method).Observe(took.Seconds())
	if probe {
		return
	}
	r.window.Observe(r.now(), took)
	r.classes[min(max(status/100, 0), 5)].Add(1)
	if took <= Fast {
		r.fast.Add(1)
	}
}

// Window returns the latencies of the last minute, probes left out.
func (r *Requests) Window() *Window { return &r.window }

// Counts returns the requests so far by the first digit of their status, and
// how many of all were fast; probes left out.
func (r *Requests) Counts() (classes [6]uint64, fast uint64) {
	for i := range r.classes {
		classes[i] = r.classes[i].Load()
	}
	return classes, r.fast.Load()
}
