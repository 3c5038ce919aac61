// Package loadgen makes load and holds the daemon to its word: it sends at a
// rate that does not wait for the daemon (an open loop), measures latency from
// the moment a send was due, and compares the daemon's ledger with its own.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/nexusctl/protocol/client"
)

// Options are a run's settings.
type Options struct {
	Addr        string // host:port
	Rate        float64
	Duration    time.Duration
	Connections int
	Shape       Shape
	// Progress, where set, is called about every half second.
	Progress func(Progress)
}

const (
	// batchEvery is the least time between two writes of one connection: the
	// cost at high rates is per write, not per line.
	batchEvery = time.Millisecond
	// maxBatchBytes bounds one write.
	maxBatchBytes = 64 << 10
	// latencyMax bounds the latency histogram, in microseconds.
	latencyMax = int64(10 * time.Minute / time.Microsecond)
)

// Run sends until the duration is over or ctx ends, and returns what it did;
// the result is true for an early end as well. The sources hold what was sent
// for each series.
func Run(ctx context.Context, o Options) (Result, []*Source, error) {
	senders, err := dial(ctx, o)
	if err != nil {
		return Result{}, nil, err
	}
	var sent atomic.Int64
	ctx, cancel := context.WithTimeout(ctx, o.Duration)
	defer cancel()
	start := time.Now()
	var wg sync.WaitGroup
	for _, s := range senders {
		wg.Go(func() { s.run(ctx, start, o.Duration, &sent) })
	}
	stopProgress := report(o, start, &sent)
	wg.Wait()
	elapsed := time.Since(start)
	stopProgress()
	return finish(o, senders, elapsed)
}

func dial(ctx context.Context, o Options) ([]*sender, error) {
	var senders []*sender
	for i := range o.Connections {
		c, err := client.Dial(ctx, o.Addr)
		if err != nil {
			for _, s := range senders {
				err = errors.Join(err, s.conn.Close())
			}
			return nil, fmt.Errorf("connection %d of %d: %w", i+1, o.Connections, err)
		}
		shape := o.Shape
		shape.Seed += uint64(i)
		senders = append(senders, &sender{
			conn: c, pacer: Pacer{Rate: o.Rate / float64(o.Connections)}, source: NewSource(shape),
			latency: hdrhistogram.New(1, latencyMax, 3),
		})
	}
	return senders, nil
}

// sender is one connection.
type sender struct {
	conn    *client.Lines
	pacer   Pacer
	source  *Source
	latency *hdrhistogram.Histogram
	sent    int64
	bytes   int64
	failed  error
	buf     []byte
}

// run sends whatever is due, batch by batch. A write that blocks makes later
// sends late; they are sent as soon as they can be, and count from when they
// were due.
func (s *sender) run(ctx context.Context, start time.Time, length time.Duration, total *atomic.Int64) {
	for ctx.Err() == nil {
		due := s.pacer.Due(min(time.Since(start), length))
		if s.sent >= due {
			wait := max(s.pacer.At(s.sent)-time.Since(start), batchEvery)
			sleep(ctx, wait)
			continue
		}
		first := s.sent
		n := s.fill(due - s.sent)
		if _, err := s.conn.Write(s.buf); err != nil {
			s.failed = err
			return
		}
		s.sent += n
		s.bytes += int64(len(s.buf))
		total.Add(n)
		late := time.Since(start) - s.pacer.At(first)
		_ = s.latency.RecordValue(min(max(int64(late/time.Microsecond), 1), latencyMax))
	}
}

// fill renders up to n lines.
func (s *sender) fill(n int64) (lines int64) {
	s.buf = s.buf[:0]
	for lines < n && len(s.buf) < maxBatchBytes-512 {
		s.buf = s.source.Append(s.buf)
		lines++
	}
	return lines
}

func sleep(ctx context.Context, d time.Duration) {
	if d < 50*time.Microsecond {
		runtime.Gosched()
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func report(o Options, start time.Time, sent *atomic.Int64) (stop func()) {
	if o.Progress == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				o.Progress(Progress{Elapsed: time.Since(start), Total: o.Duration, Sent: sent.Load()})
			}
		}
	}()
	return func() { close(done); <-ended }
}

func finish(o Options, senders []*sender, elapsed time.Duration) (Result, []*Source, error) {
	r := Result{TargetRate: o.Rate, DurationS: elapsed.Seconds()}
	latency := hdrhistogram.New(1, latencyMax, 3)
	var sources []*Source
	var errs []error
	for _, s := range senders {
		err := errors.Join(s.failed, s.conn.Close())
		if err != nil {
			r.Errors++
			errs = append(errs, err)
		}
		r.Sent += s.sent
		r.Bytes += s.bytes
		r.Missed += max(s.pacer.Due(min(elapsed, o.Duration))-1-s.sent, 0)
		latency.Merge(s.latency)
		sources = append(sources, s.source)
	}
	r.Rate = float64(r.Sent) / elapsed.Seconds()
	ms := func(q float64) float64 { return float64(latency.ValueAtQuantile(q)) / 1000 }
	r.LatencyMS = LatencyMS{P50: ms(50), P95: ms(95), P99: ms(99), Max: float64(latency.Max()) / 1000}
	if len(errs) > 0 && r.Sent == 0 {
		return r, sources, errs[0]
	}
	return r, sources, nil
}
