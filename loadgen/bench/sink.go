package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/nexusctl/loadgen"
)

// Beside is what a process does that reads the same bytes and looks at none: what
// is left of the cost where a daemon does nothing. Rate and CPU are the daemon's
// over its.
type Beside struct {
	PerSecond      float64 `json:"per_second"`
	CPUSPerMillion float64 `json:"cpu_s_per_million"`
	Rate           float64 `json:"rate"`
	CPU            float64 `json:"cpu"`
}

// sinkBuffer is as large as the daemon's chunks.
const sinkBuffer = 64 << 10

// Sink reads what comes over connections to l and forgets it, until ctx ends.
func Sink(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("sink: %w", err)
		}
		wg.Go(func() { swallow(ctx, c) })
	}
}

// swallow reads a connection to its end. That is all there is to tell of it: the
// sender sees what was not read.
func swallow(ctx context.Context, c net.Conn) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	buf := make([]byte, sinkBuffer)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// startSink starts a sink as a process of its own.
func startSink(ctx context.Context, c Child) (*daemon, error) {
	dir, err := os.MkdirTemp(c.Dir, "nexusctl-sink-")
	if err != nil {
		return nil, fmt.Errorf("sink's directory: %w", err)
	}
	d := &daemon{dir: dir, done: make(chan struct{})}
	if d.addr, err = freeAddr(); err == nil {
		err = d.spawn(c.Executable, "bench", "sink", "--listen", d.addr)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := d.answers(ctx); err != nil {
		return nil, errors.Join(err, d.stop())
	}
	return d, nil
}

// answers waits until the process takes connections.
func (d *daemon) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", d.addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-d.done:
			return fmt.Errorf("the sink ended at its start: %w: %s", errors.Join(d.end, io.ErrUnexpectedEOF), d.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the sink takes no connection: %w", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// besideSink sends the same load to a sink and holds the daemon's result r to it.
func besideSink(ctx context.Context, c Child, shape loadgen.Shape, l load, length time.Duration, r Result) (b *Beside, err error) {
	d, err := startSink(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	before, err := processCPU(d.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	run, err := l.send(ctx, d.addr, shape, length)
	if err != nil {
		return nil, err
	}
	after, err := processCPU(d.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	b = &Beside{PerSecond: run.Rate, CPUSPerMillion: (after - before).Seconds() / float64(run.Sent) * 1e6, Rate: r.PerSecond / run.Rate}
	if b.CPUSPerMillion > 0 {
		b.CPU = r.CPUSPerMillion / b.CPUSPerMillion
	}
	return b, nil
}
