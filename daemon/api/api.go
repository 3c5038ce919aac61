// Package api is the daemon's HTTP side: routes, handlers, problems. Handlers
// turn requests into calls and answers into the DTOs of protocol/api; they
// decide nothing about metrics.
package api

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/console"
	"example.com/nexusctl/daemon/cursor"
	"example.com/nexusctl/daemon/fairqueue"
	"example.com/nexusctl/daemon/gateway"
	"example.com/nexusctl/daemon/ingest"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/openapi"
	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
)

// Options are what the handlers call.
type Options struct {
	Lanes      ingest.Lanes
	Reader     *query.Reader
	Engine     *query.Engine
	Ledger     func(context.Context) (ledger.Statement, error)
	Objectives Objectives
	Events     Events
	Editor     Editor
	// Cardinality reports with up to limit entries in each list.
	Cardinality func(limit int) admit.Cardinality
	// Durable waits until the log is durable up to a position.
	Durable func(context.Context, wal.Position) error
	// Stream tells clients what changes.
	Stream *stream.Hub
	// Beat is how often a stream says that it is there; 0: every 15 seconds.
	Beat time.Duration
	// Overview answers for the whole daemon at one glance.
	Overview func(context.Context) (api.Overview, error)
	// Observe, where set, is told of every answered request: the pattern of
	// its route, "" for none, and whether it only watches the daemon.
	Observe func(route, method string, status int, took time.Duration, probe bool)
	Ready   func(context.Context) []api.Reason // empty: ready
	Fleet   func() (role string, silent []string)
	About   func() About // the server itself, for tools of Prometheus
	Metrics http.Handler // the daemon's own exposition
	Limits  protocol.Limits
	MaxBody int64    // bytes
	Hosts   []string // see SetHosts
	// Patience is how long clients are waited for.
	Patience Patience
	Logger   *slog.Logger
	Version  string
	Now      func() time.Time
	// Gateway is the doors of other ecosystems.
	Gateway *gateway.Gateway
	// Pressure says what is to be refused; nil: nothing ever.
	Pressure *pressure.Gauge
	// Turns is where questions that cost much wait; nil: nowhere.
	Turns *fairqueue.Queue
	// Pace is what their work is held to when it takes long; nil: to nothing.
	Pace *pace.Pacer
	// CursorKey seals the cursors of lists; without one they end with the process.
	CursorKey []byte
}

// Stats are the counters of all requests.
type Stats struct {
	Panics atomic.Uint64
	Bytes  atomic.Uint64 // of bodies that brought metrics

	Misdirected atomic.Uint64 // requests for another host
	SlowBodies  atomic.Uint64 // bodies that came too slowly, and were not taken
	SlowReaders atomic.Uint64 // answers that were not read in time
}

// Server is the route table.
type Server struct {
	opts  Options
	mux   *http.ServeMux
	stats Stats

	cursors *cursor.Sealer
	answers http.Handler // the routes, their answers compressed
	// document is made when it is first asked for.
	document func() *openapi.Document

	maxBody, maxForm atomic.Int64 // bytes
	hosts            atomic.Pointer[[]string]
	patience         patience
	beat             time.Duration // of streams
}

// New returns the handler of every route.
func New(o Options) *Server {
	if o.Pressure == nil {
		o.Pressure = new(pressure.Gauge)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{opts: o, mux: http.NewServeMux(), cursors: cursor.New(o.CursorKey, o.Now), beat: cmp.Or(o.Beat, streamBeat)}
	s.SetLimits(o.MaxBody, o.Limits.MaxLine)
	s.SetHosts(o.Hosts)
	s.SetPatience(o.Patience)
	for _, r := range s.routes() {
		s.mux.HandleFunc(r.pattern, s.guard(r.pattern, s.inTurn(r.pattern, r.handle)))
	}
	s.mux.HandleFunc("/", s.notFound)
	for _, r := range s.consoleRoutes() {
		s.mux.HandleFunc(r.pattern, r.handle)
	}
	s.document = sync.OnceValue(func() *openapi.Document {
		list, _ := s.describe()
		return openapi.New(info(o.Version), list)
	})
	s.answers = compressed(s.guarded(http.HandlerFunc(s.contain)))
	return s
}

// SetLimits changes the largest body of metrics and the longest line, which a
// form stands for, in bytes.
func (s *Server) SetLimits(maxBody int64, maxLine int) {
	s.maxBody.Store(maxBody)
	s.maxForm.Store(int64(maxLine))
	if s.opts.Gateway != nil {
		s.opts.Gateway.SetMaxBody(maxBody)
	}
}

// Stats returns the counters.
func (s *Server) Stats() *Stats { return &s.stats }

type route struct {
	pattern string
	handle  http.HandlerFunc
}

func (s *Server) routes() []route {
	list := []route{
		{"GET /health", s.health},
		{"GET /ready", s.ready},
		{"GET /metrics", s.opts.Metrics.ServeHTTP},
		{"POST /metrics", s.postForm},
		{"GET /api/v1/health", s.health},
		{"GET /api/v1/ready", s.ready},
		{"GET /api/v1/ledger", s.ledger},
		{"GET /api/v1/overview", s.overview},
		{"GET /api/v1/openapi.json", s.documentJSON},
		{"GET /api/v1/openapi.yaml", s.documentYAML},
		{"GET /docs", s.docs},
		{"GET /api/v1/events", s.listEvents},
		{"GET /api/v1/stream", s.stream},
		{"GET /api/v1/cardinality", s.cardinality},
		{"GET /api/v1/slos", s.listSLOs},
		{"GET /api/v1/slos/{name}", s.getSLO},
		{"GET /api/v1/slos/{name}/report", s.sloReport},
		{"POST /api/v1/metrics", s.postMetrics},
		{"POST /api/metrics", s.postMetrics},
		{"GET /api/v1/metrics", s.listMetrics},
		{"GET /api/metrics", s.listMetrics},
		{"GET /api/v1/metrics/{name}", s.getMetric},
		{"PUT /api/v1/metrics/{name}", s.putMetric},
		{"DELETE /api/v1/metrics/{name}", s.deleteMetric},
		{"GET /api/v1/metrics/{name}/history", s.history},
		{"GET /prometheus/api/v1/query", s.promQuery},
		{"POST /prometheus/api/v1/query", s.promQuery},
		{"GET /prometheus/api/v1/query_range", s.promRange},
		{"POST /prometheus/api/v1/query_range", s.promRange},
	}
	for _, r := range s.opts.Gateway.Routes() {
		list = append(list, route{r.Pattern, r.Handle})
	}
	return slices.Concat(list, s.promRoutes(), s.promServerRoutes())
}

// consoleRoutes are the pages. They ask the routes of the API in the process, and
// link to the API's reference where there is a route for it.
func (s *Server) consoleRoutes() []route {
	_, docs := s.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: console.DocsPath}})
	c := console.New(console.Options{API: s.mux, Version: s.opts.Version, Docs: docs != "/", Now: s.opts.Now, Logger: s.opts.Logger})
	var list []route
	for _, r := range c.Routes() {
		list = append(list, route{r.Pattern, r.Handle})
	}
	return list
}

// ServeHTTP answers a request. A panic is contained: one request ends, the
// daemon goes on, nothing of the stack reaches the client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.exchange(w, r)
	defer x.end()
	rec := &recorder{ResponseWriter: x}
	defer s.observe(r, rec, time.Now())
	rec.Header().Set(requestIDHeader, requestID(r))
	s.answers.ServeHTTP(rec, r)
}

// contain answers a panic with a problem, where nothing was said yet; else the
// client must see a broken answer, and no whole one that is wrong.
func (s *Server) contain(w http.ResponseWriter, r *http.Request) {
	said := &recorder{ResponseWriter: w}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v == http.ErrAbortHandler {
			panic(v)
		}
		s.stats.Panics.Add(1)
		s.opts.Logger.Error("panic in a request was contained", "method", r.Method, "path", r.URL.Path, "panic", v, "request_id", w.Header().Get(requestIDHeader), "stack", string(debug.Stack()))
		if said.status != 0 {
			panic(http.ErrAbortHandler)
		}
		for _, h := range []string{"Content-Length", "Content-Encoding", "ETag", "Cache-Control", "Link"} {
			w.Header().Del(h) // they were of the answer that did not come
		}
		s.problem(w, r, problemInternal)
	}()
	s.mux.ServeHTTP(said, r)
}
