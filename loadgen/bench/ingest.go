package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol/api"
)

// Child says how a daemon is started for a benchmark.
type Child struct {
	Executable string // nexusctl itself
	Dir        string // where its data goes; made and removed
}

// ingestConnections is how many connections the load comes over.
const ingestConnections = 4

// Ingest measures the whole daemon: a process of its own on an empty data
// directory, fed over loopback as fast as it reads, its ledger compared with
// what was sent. Sender and daemon share the machine.
func Ingest(c Child) []Stage {
	return []Stage{
		{"ingest/plain-1k", ingest(c, plain)},
		{"ingest/tags-100k", ingest(c, tagged)},
	}
}

func ingest(c Child, shape loadgen.Shape) func(context.Context, time.Duration) (Result, error) {
	return func(ctx context.Context, length time.Duration) (r Result, err error) {
		d, err := startDaemon(ctx, c)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, d.stop()) }()
		// The first round makes the series known; what that costs is paid once
		// in a daemon's life and not part of the figure.
		if _, _, err := d.feed(ctx, shape, length/4); err != nil {
			return r, err
		}
		cpu, logged, err := d.used(ctx)
		if err != nil {
			return r, err
		}
		run, v, err := d.feed(ctx, shape, length)
		if err != nil {
			return r, err
		}
		cpuAfter, loggedAfter, err := d.used(ctx)
		if err != nil {
			return r, err
		}
		sent := float64(run.Sent)
		return Result{
			Ops: run.Sent, PerSecond: run.Rate, NsPerOp: 1e9 / run.Rate,
			CPUSPerMillion: (cpuAfter - cpu).Seconds() / sent * 1e6, SenderCPUSPerMillion: run.SenderCPUSPerMillion,
			LogBytesPerOp: (loggedAfter - logged) / sent, LineBytes: float64(run.Bytes) / sent,
			Series: shape.Series, Verify: &v,
		}, nil
	}
}

// feed sends flat out and verifies.
func (d *daemon) feed(ctx context.Context, shape loadgen.Shape, length time.Duration) (r loadgen.Result, v loadgen.Verdict, err error) {
	var before api.Ledger
	if before, err = d.http.Ledger(ctx); err != nil {
		return r, v, err
	}
	r, _, err = loadgen.Run(ctx, loadgen.Options{
		Addr: d.addr, Pacer: loadgen.Unpaced(max(length, 100*time.Millisecond)), Connections: ingestConnections, Shape: shape, Prerendered: true,
	})
	switch {
	case err != nil:
		return r, v, err
	case r.Interrupted:
		return r, v, context.Canceled
	case r.Errors > 0:
		return r, v, fmt.Errorf("%d connections failed: %s", r.Errors, r.Error)
	}
	if v, _, err = loadgen.Verify(ctx, d.http, before, r.Sent); err == nil && !v.OK {
		err = fmt.Errorf("the ledger differs from what was sent: %s", v)
	}
	return r, v, err
}
