// Package gateway is the doors of other ecosystems: Prometheus remote write
// 1.0 and 2.0, OTLP metrics over HTTP, Influx line protocol, and Prometheus's
// text. Each decodes a body into series and samples, which is pure, and hands
// them to a lane, where the one decision is made that lines meet too.
//
// A request is answered when what was taken is durable. What comes again is
// recognised by series, time and value, and counted as a duplicate.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
)

// Lanes is where requests go: lane.Set.
type Lanes interface {
	Assign() int
	Submit(lane int, j lane.Job)
}

// Options are what the doors need.
type Options struct {
	Lanes   Lanes
	Durable func(context.Context, wal.Position) error
	MaxBody int64 // bytes, as sent; see expansion
	Logger  *slog.Logger
	Now     func() time.Time
}

// Stats count requests by door, those refused whole, and bytes of bodies.
type Stats struct {
	Requests, Refused [numDoors]atomic.Uint64
	Bytes             atomic.Uint64
}

// Door names one way in.
type Door int

// The doors.
const (
	RemoteWrite Door = iota
	OTLP
	Influx
	Text
	numDoors
)

var doorNames = [numDoors]string{"remote_write", "otlp", "influx", "prometheus_text"}

// Doors lists all doors.
func Doors() []Door { return []Door{RemoteWrite, OTLP, Influx, Text} }

func (d Door) String() string { return doorNames[d] }

// Gateway serves the doors.
type Gateway struct {
	opts    Options
	maxBody atomic.Int64
	stats   Stats
	remote  http.Handler
	meta    *Metadata
}

// New returns a gateway.
func New(o Options) *Gateway {
	g := &Gateway{opts: o, meta: NewMetadata()}
	g.maxBody.Store(o.MaxBody)
	g.remote = g.remoteHandler()
	return g
}

// SetMaxBody changes the largest body, bytes.
func (g *Gateway) SetMaxBody(n int64) { g.maxBody.Store(n) }

// Stats returns the counters.
func (g *Gateway) Stats() *Stats { return &g.stats }

// Metadata returns what senders said of their metrics.
func (g *Gateway) Metadata() *Metadata { return g.meta }

// Route is a pattern of net/http and its handler.
type Route struct {
	Pattern string
	Handle  http.HandlerFunc
}

// Routes lists the doors' routes.
func (g *Gateway) Routes() []Route {
	return []Route{
		{"POST /prometheus/api/v1/write", g.writeRemote},
		{"POST /v1/metrics", g.writeOTLP},
		{"POST /write", g.writeInflux1},
		{"POST /api/v2/write", g.writeInflux2},
		{"POST /api/v1/import/prometheus", g.writeText},
	}
}

// intake is what a door understood of a request.
type intake struct {
	series     []rawSeries
	increments []increment
	refused    []refusal
	// claim stands for the request where it holds increments: samples with
	// times are recognised when they come again, increments are not.
	claim *lane.Delivery
}

// rawSeries is samples of one series. weight is how many units of the door's
// own count, as OTLP's data points, are lost with each that is refused.
type rawSeries struct {
	key     series.Key
	samples []record.Raw
	weight  int
}

// increment is a value to be folded.
type increment struct {
	key   series.Key // with its type
	value protocol.Value
	time  int64
}

// refusal is units that could not be understood.
type refusal struct {
	reason protocol.Reason
	units  int
}

func (in *intake) refuse(why protocol.Reason, units int) {
	in.refused = append(in.refused, refusal{why, units})
}

// job is an intake on its way through a lane.
type job struct {
	in      *intake
	outcome lane.RawOutcome
	lost    int // weight of what was refused
	log     wal.Position
	err     error
	done    chan struct{}
}

func (j *job) Take(t *lane.Taker) {
	if j.in.claim != nil {
		t.Deliver(j.in.claim)
	}
	t.Tell(&j.outcome)
	for _, r := range j.in.refused {
		t.RejectRaw(r.reason, r.units)
	}
	for i := range j.in.series {
		j.series(t, &j.in.series[i])
	}
	for i := range j.in.increments {
		if in := &j.in.increments[i]; t.Increment(&in.key, in.value, in.time) != protocol.Accepted {
			j.lost++
		}
	}
}

func (j *job) series(t *lane.Taker, s *rawSeries) {
	ref, why := t.RawSeries(&s.key)
	if why != protocol.Accepted {
		t.RejectRaw(why, len(s.samples))
		j.lost += s.weight * len(s.samples)
		return
	}
	for _, one := range s.samples {
		one.Ref = ref
		if t.RawSample(one) != protocol.Accepted {
			j.lost += s.weight
		}
	}
}

func (j *job) Done(log wal.Position, err error) {
	j.log, j.err = log, err
	close(j.done)
}

// submit runs an intake on a lane and waits until it is durable.
func (g *Gateway) submit(ctx context.Context, in *intake) (*job, error) {
	j := &job{in: in, done: make(chan struct{})}
	g.opts.Lanes.Submit(g.opts.Lanes.Assign(), j)
	<-j.done
	if j.err == nil {
		j.err = g.opts.Durable(ctx, j.log)
	}
	return j, j.err
}

// why names the reasons for which samples were refused, for people.
func (j *job) why() (text string) {
	for i, n := range j.outcome.Rejected {
		if n == 0 {
			continue
		}
		if text != "" {
			text += "; "
		}
		f := protocol.Fault{Reason: protocol.Reason(i)}
		text += f.Reason.String() + ": " + plural(n)
	}
	return text
}
