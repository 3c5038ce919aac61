package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/nexusctl/loadgen"
)

// ask is one kind of request: the path of each, counted from 0.
type ask struct {
	name string
	path func(n int) string
}

// askers is how many connections a request is made over, in turn: a late answer holds
// up the one behind the next.
const askers = 4

const (
	askBuffer  = 64 << 10
	askTimeout = 2 * time.Minute // for one answer: a machine that stood still is not a daemon that hangs
	askLongest = int64(time.Minute / time.Microsecond)
)

// answered is what came of a request. Times are microseconds from when it was due.
type answered struct {
	mu    sync.Mutex
	times *hdrhistogram.Histogram
}

// askAgain makes a request at a rate for a length of time. Any answer but 200 ends it
// with an error.
func askAgain(ctx context.Context, addr string, path func(n int) string, rate float64, length time.Duration) (Result, error) {
	// A connection sleeps in the system, which keeps its processor of the runtime.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(askers + 2))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	every := time.Duration(float64(time.Second) / rate)
	start := time.Now().Add(20 * time.Millisecond)
	to := &answered{times: hdrhistogram.New(1, askLongest, 3)}
	errs := make([]error, askers)
	var wg sync.WaitGroup
	for k := range askers {
		s := schedule{start.Add(time.Duration(k) * every), every * askers, start.Add(length)}
		wg.Go(func() {
			if errs[k] = askOne(ctx, addr, func(n int) string { return path(n*askers + k) }, s, to); errs[k] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return Result{}, fmt.Errorf("%s: %w", path(0), err)
	}
	return to.result(length), nil
}

// schedule says when requests are due.
type schedule struct {
	first time.Time
	every time.Duration
	end   time.Time
}

// askOne makes one connection's requests.
func askOne(ctx context.Context, addr string, path func(n int) string, s schedule, to *answered) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, askBuffer)
	for n, due := 0, s.first; due.Before(s.end); n, due = n+1, due.Add(s.every) {
		request := []byte("GET " + path(n) + " HTTP/1.1\r\nHost: " + addr + "\r\nAccept: application/json\r\n\r\n")
		for left := time.Until(due); left > 0; left = time.Until(due) {
			loadgen.Sleep(left)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := exchange(conn, request, answers); err != nil {
			return err
		}
		to.add(time.Since(due))
	}
	return nil
}

// exchange makes one request and reads its answer to the last byte.
func exchange(conn net.Conn, request []byte, answers *bufio.Reader) error {
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 500))
		return fmt.Errorf("%s: %s", res.Status, said)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

func (a *answered) add(took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.times.RecordValue(min(max(int64(took/time.Microsecond), 1), askLongest)) // within bounds
}

func (a *answered) result(length time.Duration) Result {
	ms := func(q float64) float64 { return float64(a.times.ValueAtQuantile(q)) / 1000 }
	n := a.times.TotalCount()
	return Result{
		Ops: n, PerSecond: float64(n) / length.Seconds(), NsPerOp: a.times.Mean() * 1000,
		LatencyMS: &Latency{P50: ms(50), P95: ms(95), P99: ms(99), Max: float64(a.times.Max()) / 1000},
	}
}
