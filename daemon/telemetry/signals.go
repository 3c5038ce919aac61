package telemetry

import (
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
)

// Names of the daemon's own signals, as they are found in its own store. The
// objectives that ship are made of some of them.
const (
	UpSignal       = "nexus.up" // one a second: how long the daemon was there to see
	UnitsSignal    = "nexus.ingest.units"
	BytesSignal    = "nexus.ingest.bytes"
	RejectedSignal = "nexus.ingest.rejected" // by reason
	ShedSignal     = "nexus.ingest.shed"     // by reason
	RequestsSignal = "nexus.http.requests"   // by class: 2xx, 4xx, 5xx …
	FastSignal     = "nexus.http.requests.fast"
)

// signals gathers metrics in a form that a lane takes.
type signals struct{ list []protocol.Metric }

func (s *signals) add(t protocol.Type, name string, v float64, tags ...protocol.Tag) {
	s.list = append(s.list, protocol.Metric{
		Name: []byte(name), Type: t, Values: []protocol.Value{{Number: v}}, Tags: tags, Rate: 1,
	})
}

// count adds a counter's growth, where it grew.
func (s *signals) count(name string, from, to uint64, tags ...protocol.Tag) {
	if to > from {
		s.add(protocol.Counter, name, float64(to-from), tags...)
	}
}

func (s *signals) counts(name, tag string, from, to map[string]uint64) {
	for _, k := range slices.Sorted(maps.Keys(to)) {
		s.count(name, from[k], to[k], protocol.Tag{Key: []byte(tag), Value: []byte(k)})
	}
}

// distribution adds a histogram bucket by bucket. A bucket's count goes as
// samples whose weights are powers of two, which a sampling rate carries
// without rounding: the sum of weights is the count, exactly.
func (s *signals) distribution(name string, h *histogram.Histogram) {
	if h == nil {
		return
	}
	h.Buckets(func(low, high, count float64) bool {
		for n := uint64(count); n > 0; n &= n - 1 {
			weight := uint64(1) << bits.TrailingZeros64(n)
			s.add(protocol.Histogram, name, (low+high)/2)
			s.list[len(s.list)-1].Rate = 1 / float64(weight)
		}
		return true
	})
}

// Signals returns what the daemon records of itself between two readings.
func (p *Pulse) Signals(last, now Reading) []protocol.Metric {
	var s signals
	if up := now.At.Unix() - last.At.Unix(); up > 0 {
		s.add(protocol.Counter, UpSignal, float64(up))
	}
	s.count(UnitsSignal, last.Units, now.Units)
	s.count(BytesSignal, last.Bytes, now.Bytes)
	s.counts(RejectedSignal, "reason", last.Rejected, now.Rejected)
	s.counts(ShedSignal, "reason", last.Shed, now.Shed)
	for i := range now.Requests {
		s.count(RequestsSignal, last.Requests[i], now.Requests[i], protocol.Tag{Key: []byte("class"), Value: []byte(strconv.Itoa(i) + "xx")})
	}
	s.count(FastSignal, last.Fast, now.Fast)
	s.gauges(&last, &now)
	for at := last.At; at.Unix() < now.At.Unix() && now.At.Sub(at) < windowSeconds*time.Second; at = at.Add(time.Second) {
		s.distribution("nexus.http.duration", p.requests.window.Second(at))
		s.distribution("nexus.ingest.latency", p.ingest.Second(at))
	}
	return s.list
}

func (s *signals) gauges(last, now *Reading) {
	for _, g := range []struct {
		name  string
		value float64
	}{
		{"nexus.connections", float64(now.Connections)},
		{"nexus.cpu.ratio", cpuShare(last, now)},
		{"nexus.memory.bytes", float64(now.Process.Resident)},
		{"nexus.lane.queue.ratio", now.Queue},
		{"nexus.flush.waiting", float64(now.Waiting)},
		{"nexus.log.bytes", float64(now.LogBytes)},
		{"nexus.disk.free.bytes", float64(now.Process.DiskFree)},
	} {
		s.add(protocol.Gauge, g.name, g.value)
	}
}
