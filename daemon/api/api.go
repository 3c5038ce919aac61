// Package api is the daemon's HTTP side: routes, handlers, problems. Handlers
// turn requests into calls and answers into the DTOs of protocol/api; they
// decide nothing about metrics.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/ingest"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
)

// Options are what the handlers call.
type Options struct {
	Lanes   ingest.Lanes
	Reader  *query.Reader
	Engine  *query.Engine
	Ledger  func(context.Context) (ledger.Statement, error)
	Ready   func(context.Context) []api.Reason // empty: ready
	Metrics http.Handler                       // the daemon's own exposition
	Limits  protocol.Limits
	MaxBody int64
	Logger  *slog.Logger
	Version string
	Now     func() time.Time
}

// Stats are the counters of all requests.
type Stats struct {
	Panics atomic.Uint64
}

// Server is the route table.
type Server struct {
	opts  Options
	mux   *http.ServeMux
	stats Stats
}

// New returns the handler of every route.
func New(o Options) *Server {
	s := &Server{opts: o, mux: http.NewServeMux()}
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.pattern, r.handle)
	}
	s.mux.HandleFunc("/", s.notFound)
	return s
}

// Stats returns the counters.
func (s *Server) Stats() *Stats { return &s.stats }

type route struct {
	pattern string
	handle  http.HandlerFunc
}

func (s *Server) routes() []route {
	return []route{
		{"GET /health", s.health},
		{"GET /ready", s.ready},
		{"GET /metrics", s.opts.Metrics.ServeHTTP},
		{"POST /metrics", s.postForm},
		{"GET /api/v1/health", s.health},
		{"GET /api/v1/ready", s.ready},
		{"GET /api/v1/ledger", s.ledger},
		{"POST /api/v1/metrics", s.postMetrics},
		{"POST /api/metrics", s.postMetrics},
		{"GET /api/v1/metrics", s.listMetrics},
		{"GET /api/metrics", s.listMetrics},
		{"GET /api/v1/metrics/{name}", s.getMetric},
		{"GET /api/v1/metrics/{name}/history", s.history},
		{"GET /prometheus/api/v1/query", s.promQuery},
		{"POST /prometheus/api/v1/query", s.promQuery},
		{"GET /prometheus/api/v1/query_range", s.promRange},
		{"POST /prometheus/api/v1/query_range", s.promRange},
	}
}

// ServeHTTP contains panics: one request ends, the daemon goes on, nothing of
// the stack reaches the client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.stats.Panics.Add(1)
		s.opts.Logger.Error("panic in a request was contained", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
		s.problem(w, r, problemInternal)
	}()
	s.mux.ServeHTTP(w, r)
}
