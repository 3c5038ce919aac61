package e2e_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// receiver is an OTLP receiver over gRPC that keeps every span.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu    sync.Mutex
	spans map[string][]*tracev1.Span // by name
}

func (r *receiver) Export(_ context.Context, req *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				r.spans[s.Name] = append(r.spans[s.Name], s)
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

func (r *receiver) named(name string) []*tracev1.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans[name]
}

func startReceiver(t *testing.T) (*receiver, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{spans: map[string][]*tracev1.Span{}}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, r)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return r, "http://" + l.Addr().String()
}

// TestSpansArrive sends a request that names its trace, and lines; spans of
// both, and of the flush, arrive at a receiver.
func TestSpansArrive(t *testing.T) {
	t.Parallel()
	r, endpoint := startReceiver(t)
	p := start(t, t.TempDir(), "sqlite:nexus.db", "--set", "tracing.endpoint="+endpoint, "--set", "tracing.sample=1", "--set", "aggregate.resolution=1s")
	const id = "0af7651916cd43dd8448eb211c80319c"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url("/api/v1/ledger"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Trace-Id", id)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if got := res.Header.Get("X-Trace-Id"); got != id {
		t.Errorf("X-Trace-Id is answered with %q", got)
	}
	for i := range 20 {
		p.sendAll(fmt.Appendf(nil, "traced:%d|c\n", i))
	}
	p.until("a flush's span", func() bool { return len(r.named("flush generation")) > 0 })
	p.stop() // sends what waits

	requests := r.named("GET /api/v1/ledger")
	if len(requests) == 0 {
		t.Fatalf("no span of the request; there are %v", r.spans)
	}
	found := false
	for _, s := range requests {
		found = found || hex.EncodeToString(s.TraceId) == id
	}
	if !found {
		t.Errorf("no span of the request bears the trace %s", id)
	}
	for _, name := range []string{"ingest batch", "parse and admit", "append to the log", "fold", "flush generation", "commit"} {
		if len(r.named(name)) == 0 {
			t.Errorf("no span %q", name)
		}
	}
}

// TestReceiverAway holds a daemon whose receiver does not answer to a clean
// stop.
func TestReceiverAway(t *testing.T) {
	p := start(t, t.TempDir(), "sqlite:nexus.db", "--set", "tracing.endpoint=http://127.0.0.1:1", "--set", "tracing.sample=1")
	p.sendAll([]byte("a:1|c\n"))
	p.stop()
}
