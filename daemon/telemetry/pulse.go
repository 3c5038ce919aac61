package telemetry

import (
	"sync"
	"time"

	"example.com/nexusctl/protocol/api"
)

// Reading is what the daemon had counted at one moment, and how full it was.
// Counts are since the start.
type Reading struct {
	At       time.Time
	Units    uint64 // received by this daemon
	Bytes    uint64
	Rejected map[string]uint64
	Shed     map[string]uint64
	Requests [6]uint64 // by the first digit of the status
	Fast     uint64
	Process  Process

	Connections int64
	Queue       float64 // of the fullest lane, 0 to 1
	Waiting     int     // generations not in the store
	LogBytes    int64
}

func (r *Reading) requests() (all, failed uint64) {
	for _, n := range r.Requests {
		all += n
	}
	return all, r.Requests[5]
}

func sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// rateSeconds is the span that current rates are of: long enough that one
// scheduling hiccup is not a dip, short enough to be now.
const rateSeconds = 5

// Pulse keeps a reading a second, for rates and for the recent past. It is
// safe for concurrent use.
type Pulse struct {
	requests *Requests
	ingest   *Window

	mu   sync.Mutex
	ring []Reading // oldest first, at most windowSeconds+1
	p99  []float64 // of HTTP, a second each, beside ring
}

// NewPulse returns a pulse that has not beaten.
func NewPulse(r *Requests, ingest *Window) *Pulse { return &Pulse{requests: r, ingest: ingest} }

// Beat adds a reading and returns the one before; ok is false for the first.
func (p *Pulse) Beat(r Reading) (last Reading, ok bool) {
	var p99 float64
	if l := latency(p.requests.window.Second(r.At.Add(-time.Second))); l != nil {
		p99 = l.P99
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if ok = len(p.ring) > 0; ok {
		last = p.ring[len(p.ring)-1]
	}
	p.ring, p.p99 = append(p.ring, r), append(p.p99, p99)
	if len(p.ring) > windowSeconds+1 {
		p.ring, p.p99 = p.ring[1:], p.p99[1:]
	}
	return last, ok
}

// Golden returns the golden signals as of now. Rates are of the last few
// seconds, percentiles of the last minute.
func (p *Pulse) Golden(now time.Time) api.Golden {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := api.Golden{
		WindowS: windowSeconds,
		Latency: api.Latencies{HTTP: p.requests.window.Latency(now), Ingest: p.ingest.Latency(now)},
		History: p.recent(),
	}
	if len(p.ring) == 0 {
		return g
	}
	last := &p.ring[len(p.ring)-1]
	first := &p.ring[max(len(p.ring)-1-rateSeconds, 0)]
	g.Traffic, g.Errors = rates(first, last)
	g.Saturation = saturation(first, last)
	return g
}

// perSecond returns a function that turns a growth between two readings into
// a rate.
func perSecond(a, b *Reading) func(from, to uint64) float64 {
	span := b.At.Sub(a.At).Seconds()
	return func(from, to uint64) float64 {
		if span <= 0 || to < from {
			return 0
		}
		return float64(to-from) / span
	}
}

func rates(a, b *Reading) (api.Traffic, api.Errors) {
	rate := perSecond(a, b)
	all0, failed0 := a.requests()
	all1, failed1 := b.requests()
	e := api.Errors{
		Rejected: rate(sum(a.Rejected), sum(b.Rejected)), Shed: rate(sum(a.Shed), sum(b.Shed)), Requests: rate(failed0, failed1),
	}
	if all1 > all0 {
		e.Ratio = float64(failed1-failed0) / float64(all1-all0)
	}
	return api.Traffic{
		Metrics: rate(a.Units, b.Units), Bytes: rate(a.Bytes, b.Bytes), Requests: rate(all0, all1), Connections: b.Connections,
	}, e
}

func saturation(a, b *Reading) api.Saturation {
	p := &b.Process
	return api.Saturation{
		CPU: cpuShare(a, b), Cores: Cores(), MemoryBytes: p.Resident, MemoryLimit: p.MemoryLimit, Queue: b.Queue,
		Waiting: b.Waiting, LogBytes: b.LogBytes, DiskFree: p.DiskFree, DiskTotal: p.DiskTotal,
	}
}

// cpuShare is the processor time between two readings, of all cores.
func cpuShare(a, b *Reading) float64 {
	span := b.At.Sub(a.At)
	if span <= 0 {
		return 0
	}
	return float64(b.Process.CPU-a.Process.CPU) / float64(span) / float64(Cores())
}

// recent lays the readings out as values a second.
func (p *Pulse) recent() api.Recent {
	r := api.Recent{StepS: 1, Metrics: []float64{}, P99: []float64{}, Errors: []float64{}, CPU: []float64{}}
	for i := 1; i < len(p.ring); i++ {
		t, e := rates(&p.ring[i-1], &p.ring[i])
		r.Metrics = append(r.Metrics, t.Metrics)
		r.P99 = append(r.P99, p.p99[i])
		r.Errors = append(r.Errors, e.Rejected+e.Shed+e.Requests)
		r.CPU = append(r.CPU, cpuShare(&p.ring[i-1], &p.ring[i]))
	}
	return r
}
