package loadgen

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencyMax bounds the histograms, in microseconds.
const latencyMax = int64(time.Hour / time.Microsecond)

// recorder gathers latencies of several connections: a histogram is too large
// for each to have its own.
type recorder struct {
	mu     sync.Mutex
	lines  *hdrhistogram.Histogram // from when a line was due
	writes *hdrhistogram.Histogram // from when a write was begun
}

func newRecorder() *recorder {
	return &recorder{lines: hdrhistogram.New(1, latencyMax, 3), writes: hdrhistogram.New(1, latencyMax, 3)}
}

// group is lines with one latency.
type group struct {
	late  time.Duration
	lines int64
}

func (r *recorder) record(groups []group, write time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range groups {
		_ = r.lines.RecordValues(microseconds(g.late), g.lines) // within bounds
	}
	if write > 0 {
		_ = r.writes.RecordValue(microseconds(write))
	}
}

func microseconds(d time.Duration) int64 {
	return min(max(int64(d/time.Microsecond), 1), latencyMax)
}

func (r *recorder) merge(o *recorder) {
	r.lines.Merge(o.lines)
	r.writes.Merge(o.writes)
}

func inMilliseconds(h *hdrhistogram.Histogram) LatencyMS {
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return LatencyMS{P50: ms(50), P95: ms(95), P99: ms(99), Max: float64(h.Max()) / 1000}
}

// maxGroups bounds the groups a batch is recorded in. Within a group all lines
// count as long as its first, which waited longest.
const maxGroups = 16

// lateness returns the latencies of the connection's sends [from, to), taken
// at the time taken since the start.
func (r *run) lateness(dst []group, connection, from, to int64, taken time.Duration) []group {
	step := max((to-from+maxGroups-1)/maxGroups, 1)
	for n := from; n < to; n += step {
		due := r.opts.Pacer.At(r.deal.number(connection, n))
		dst = append(dst, group{taken - due, min(step, to-n)})
	}
	return dst
}
