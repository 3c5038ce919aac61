package bench

import (
	"context"
	"io"
	"math"
	"net"
	"testing"
)

const exposed = `# TYPE nexus_log_appended_bytes_total counter
nexus_log_appended_bytes_total 1.5e+06
nexus_log_frames_total 12
nexus_ingest_duration_seconds_bucket{le="0.001"} 2
nexus_ingest_duration_seconds_bucket{le="0.01"} 10
nexus_ingest_duration_seconds_bucket{le="+Inf"} 10
nexus_ingest_duration_seconds_count 10
`

func TestReadUsage(t *testing.T) {
	u, err := readUsage([]byte(exposed))
	if err != nil || u.logged != 1.5e6 || u.frames != 12 || len(u.taken) != 3 || u.taken[1] != (bucket{0.01, 10}) || !math.IsInf(u.taken[2].le, 1) {
		t.Errorf("%+v, %v", u, err)
	}
	for _, bad := range []string{
		"", "nexus_log_frames_total 1\n",
		"nexus_log_appended_bytes_total x\n", exposed + "nexus_ingest_duration_seconds_bucket{le=\"x\"} 1\n", exposed + "nexus_ingest_duration_seconds_bucket{le=\"1\" 1\n",
	} {
		if _, err := readUsage([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestLatency(t *testing.T) {
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		before, after []bucket
		p50, p99      float64
	}{
		"even":            {nil, []bucket{{0.001, 0}, {0.002, 100}, {inf, 100}}, 1.5, 1.99},
		"since before":    {[]bucket{{0.001, 50}, {0.002, 50}, {inf, 50}}, []bucket{{0.001, 50}, {0.002, 150}, {inf, 150}}, 1.5, 1.99},
		"two buckets":     {nil, []bucket{{0.001, 90}, {0.002, 100}, {inf, 100}}, 0.5 / 0.9, 1.9},
		"beyond the last": {nil, []bucket{{0.001, 10}, {0.002, 10}, {inf, 100}}, 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			l := latency(c.before, c.after)
			if l == nil || math.Abs(l.P50-c.p50) > 1e-9 || math.Abs(l.P99-c.p99) > 1e-9 {
				t.Errorf("%+v, want %v and %v", l, c.p50, c.p99)
			}
		})
	}
	same := []bucket{{0.001, 3}, {inf, 3}}
	if l := latency(same, same); l != nil {
		t.Errorf("%+v of nothing", l)
	}
}

// TestSink: what is sent is read to its end, and the end of the context is the
// sink's.
func TestSink(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Sink(ctx, l) }()
	read, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := read.Write(make([]byte, 3*sinkBuffer)); err != nil {
		t.Fatal(err)
	}
	if err := read.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, read); n != 0 || err != nil {
		t.Errorf("%d bytes, %v: want the end, and all of what was sent read before", n, err)
	}
	open, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestBatchingStages: every setting under every load, each with a name of its own.
func TestBatchingStages(t *testing.T) {
	names := map[string]bool{}
	for _, s := range Batching(Child{}) {
		names[s.Name] = true
	}
	if len(names) != len(batchings)*len(batchingLoads) || !names["batching/trickle/adaptive"] || !names["batching/flood/fixed-1000"] {
		t.Errorf("%v", names)
	}
}
