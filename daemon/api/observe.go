package api

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"example.com/nexusctl/daemon/console"
	"example.com/nexusctl/protocol/api"
)

// requestIDHeader carries the name of one request, the client's or ours.
const requestIDHeader = "X-Request-Id"

// recorder remembers the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Flush sends what was written: who compresses answers looks for it.
func (r *recorder) Flush() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_ = http.NewResponseController(r.ResponseWriter).Flush() // the next write says that the client is gone
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observe tells Options.Observe of a request that has been answered. The mux
// has left the pattern that matched in the request.
func (s *Server) observe(r *http.Request, rec *recorder, began time.Time) {
	took := time.Since(began)
	route := r.Pattern
	if route == "/" {
		route = ""
	}
	_, path, _ := strings.Cut(route, " ")
	if s.opts.Observe != nil {
		s.opts.Observe(path, r.Method, rec.status, took, isProbe(path))
	}
	if !s.opts.Logger.Enabled(r.Context(), slog.LevelDebug) { // else each request would pay for what nobody reads
		return
	}
	s.opts.Logger.Debug("request", "method", r.Method, "path", r.URL.Path, "status", rec.status, "took", took,
		"remote", r.RemoteAddr, "request_id", rec.Header().Get(requestIDHeader))
}

// isProbe reports the routes that watch the daemon instead of using it, and the
// stream, which lasts as long as its client: no latency is in that.
func isProbe(path string) bool {
	switch path {
	case "/health", "/ready", "/metrics", "/api/v1/health", "/api/v1/ready", "/-/healthy", "/-/ready", "/prometheus/-/healthy", "/prometheus/-/ready", api.StreamPath:
		return true
	}
	return path == "/{$}" || strings.HasPrefix(path, console.Root)
}

// requestID returns the client's id of the request where it is harmless, else
// a new one.
func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	if len(id) > 0 && len(id) <= 64 && strings.IndexFunc(id, unsafeInID) < 0 {
		return id
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	var text [2 * len(b)]byte
	hex.Encode(text[:], b[:])
	return string(text[:])
}

func unsafeInID(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
