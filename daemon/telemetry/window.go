package telemetry

import (
	"sync"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/histogram"
)

// windowSeconds is how far back a Window reaches.
const windowSeconds = 60

// windowSchema keeps a quantile within 1.1 %.
const windowSchema = 5

// Window is the distribution of durations over the last minute, a histogram a
// second: percentiles of now, which forget what was. It is safe for concurrent
// use.
type Window struct {
	mu    sync.Mutex
	slots [windowSeconds]second
}

// second is what was observed in one second.
type second struct {
	at int64 // Unix seconds
	h  *histogram.Histogram
}

// Observe adds a duration that ended now.
func (w *Window) Observe(now time.Time, d time.Duration) {
	at := now.Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.slots[at%windowSeconds]
	if s.at != at || s.h == nil {
		*s = second{at: at, h: histogram.New(windowSchema)}
	}
	s.h.Add(float64(d)/float64(time.Millisecond), 1)
}

// Latency returns the percentiles of the last minute, nil where nothing was
// observed.
func (w *Window) Latency(now time.Time) *api.Latency {
	all := histogram.New(windowSchema)
	w.mu.Lock()
	for i := range w.slots {
		if age := now.Unix() - w.slots[i].at; age >= 0 && age < windowSeconds && w.slots[i].h != nil {
			all.Merge(w.slots[i].h)
		}
	}
	w.mu.Unlock()
	return latency(all)
}

// Second returns what was observed in the second of at, in milliseconds; nil
// where nothing was.
func (w *Window) Second(at time.Time) *histogram.Histogram {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.slots[at.Unix()%windowSeconds]
	if s.at != at.Unix() || s.h == nil {
		return nil
	}
	all := histogram.New(windowSchema)
	all.Merge(s.h)
	return all
}

func latency(h *histogram.Histogram) *api.Latency {
	if h == nil || h.Count == 0 {
		return nil
	}
	at := func(q float64) float64 { v, _ := h.Quantile(q); return v }
	return &api.Latency{P50: at(0.50), P95: at(0.95), P99: at(0.99), Count: uint64(h.Count)}
}
