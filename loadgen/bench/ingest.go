package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol/api"
)

// Child says how a daemon is started for a benchmark.
type Child struct {
	Executable string // nexusctl itself
	Dir        string // where its data goes; made and removed

	settings []string // of the daemon, as --set takes them
}

// ingestConnections is how many connections the load comes over.
const ingestConnections = 8

// ingestShapes are what the daemon is fed with, by name.
var ingestShapes = []struct {
	name  string
	shape loadgen.Shape
}{
	{"plain-1k", plain},
	{"tags-100k", tagged},
	{"json-1k", object},
	{"tags-1m", uniform},
}

// Ingest measures the whole daemon: a process of its own on an empty data
// directory, fed over loopback as fast as it reads, its ledger compared with
// what was sent. Sender and daemon share the machine. Each shape comes again to a
// daemon that logs only what it acknowledges: what the log costs is the difference.
// A million series, which take long to be stored, are large.
func Ingest(c Child, large bool) (stages []Stage) {
	unlogged := c
	unlogged.settings = append(slices.Clone(c.settings), "wal.record=acked")
	for _, s := range ingestShapes {
		if s.shape.Series > 100_000 && !large {
			continue
		}
		stages = append(stages, Stage{"ingest/" + s.name, ingest(c, s.shape)}, Stage{"ingest/" + s.name + "/unlogged", ingest(unlogged, s.shape)})
	}
	return stages
}

func ingest(c Child, shape loadgen.Shape) func(context.Context, time.Duration) (Result, error) {
	l := load{pacer: flood, connections: ingestConnections}
	return func(ctx context.Context, length time.Duration) (Result, error) {
		r, err := measured(ctx, c, shape, l, length)
		if err == nil {
			r.Sink, err = besideSink(ctx, c, shape, l, length, r)
		}
		return r, err
	}
}

// load is what is sent, for a length of time.
type load struct {
	pacer       func(length time.Duration) (loadgen.Pacer, error)
	connections int
}

// flood sends as fast as is read.
func flood(length time.Duration) (loadgen.Pacer, error) { return loadgen.Unpaced(length), nil }

// at sends at a rate, in lines a second.
func at(rate float64) func(length time.Duration) (loadgen.Pacer, error) {
	return func(length time.Duration) (loadgen.Pacer, error) { return loadgen.Profile("constant", rate, length) }
}

// measured starts a daemon and feeds it.
func measured(ctx context.Context, c Child, shape loadgen.Shape, l load, length time.Duration) (r Result, err error) {
	d, err := startDaemon(ctx, c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	// The first round makes the series known; what that costs is paid once
	// in a daemon's life and not part of the figure.
	if _, _, err := d.feed(ctx, shape, load{flood, ingestConnections}, length/4); err != nil {
		return r, err
	}
	before, err := d.used(ctx)
	if err != nil {
		return r, err
	}
	run, v, err := d.feed(ctx, shape, l, length)
	if err != nil {
		return r, err
	}
	after, err := d.used(ctx)
	if err != nil {
		return r, err
	}
	sent := float64(run.Sent)
	return Result{
		Ops: run.Sent, PerSecond: run.Rate, NsPerOp: 1e9 / run.Rate,
		CPUSPerMillion: (after.cpu - before.cpu).Seconds() / sent * 1e6, SenderCPUSPerMillion: run.SenderCPUSPerMillion,
		LogBytesPerOp: (after.logged - before.logged) / sent, LogFramesPerOp: (after.frames - before.frames) / sent,
		LineBytes: float64(run.Bytes) / sent, LatencyMS: latency(before.taken, after.taken),
		Series: shape.Series, Verify: &v,
	}, nil
}

// feed sends and verifies.
func (d *daemon) feed(ctx context.Context, shape loadgen.Shape, l load, length time.Duration) (r loadgen.Result, v loadgen.Verdict, err error) {
	var before api.Ledger
	if before, err = d.http.Ledger(ctx); err != nil {
		return r, v, err
	}
	if r, err = l.send(ctx, d.addr, shape, length); err != nil {
		return r, v, err
	}
	if v, _, err = loadgen.Verify(ctx, d.http, before, r.Sent); err == nil && !v.OK {
		err = fmt.Errorf("the ledger differs from what was sent: %s", v)
	}
	return r, v, err
}

// send sends the load to an address.
func (l load) send(ctx context.Context, addr string, shape loadgen.Shape, length time.Duration) (r loadgen.Result, err error) {
	pacer, err := l.pacer(max(length, 100*time.Millisecond))
	if err != nil {
		return r, err
	}
	r, _, err = loadgen.Run(ctx, loadgen.Options{Addr: addr, Pacer: pacer, Connections: l.connections, Shape: shape, Prerendered: true})
	switch {
	case err != nil:
		return r, err
	case r.Interrupted:
		return r, context.Canceled
	case r.Errors > 0:
		return r, fmt.Errorf("%d connections failed: %s", r.Errors, r.Error)
	}
	return r, nil
}
