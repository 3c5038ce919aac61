package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage"
)

var (
	problemInternal = api.Problem{
		Status: http.StatusInternalServerError, Title: "Internal fault",
		Detail: "The daemon met a fault of its own; its log says which, by the X-Request-Id of this answer.",
	}
	problemStore = api.Problem{
		Status: http.StatusServiceUnavailable, Title: "Store unavailable",
		Detail: "The store does not answer. What is sent is kept in the log; reads come back with the store.", Fix: "Try again.",
	}
	problemSlow = api.Problem{
		Status: http.StatusRequestTimeout, Title: "Too slow", Detail: "The body did not come in time; nothing of it was taken.",
		Field: "body", Rule: "ingest.line_timeout, and ingest.min_rate beyond it", Fix: "Send it again, or several smaller ones.",
	}
	problemStopping = api.Problem{
		Status: http.StatusServiceUnavailable, Title: "Stopping", Detail: "The daemon is stopping.", Fix: "Try again in a moment.",
	}
)

// bad returns a problem with one field of the request.
func bad(field, rule, fix string) api.Problem {
	return api.Problem{Status: http.StatusBadRequest, Title: "Bad request", Detail: field + ": " + rule, Field: field, Rule: rule, Fix: fix}
}

func (s *Server) problem(w http.ResponseWriter, r *http.Request, p api.Problem) {
	p.Type = "about:blank"
	p.Instance = r.URL.Path
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone, or has it
}

// fail maps an error of the layers below to a problem, once and here.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var expr *query.ExprError
	switch {
	case errors.As(err, &expr):
		s.problem(w, r, bad("query", expr.Error(), "Write a PromQL expression, or the name of a metric."))
	case errors.Is(err, query.ErrTooMany):
		s.problem(w, r, api.Problem{Status: http.StatusUnprocessableEntity, Title: "Too many series", Detail: err.Error(), Fix: "Name the metric, or add tags."})
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrBusy):
		s.problem(w, r, problemStore)
	case errors.Is(err, lane.ErrClosed):
		s.problem(w, r, problemStopping)
	// Whoever closed one half of the connection is no longer waited for, and may
	// still read: silence would be taken for 200.
	case errors.Is(err, lane.ErrUnsettled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.problem(w, r, api.Problem{Status: http.StatusServiceUnavailable, Title: "Not in time", Detail: "No answer was had in time.", Fix: "Try again."})
	default:
		s.opts.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err, "request_id", w.Header().Get(requestIDHeader))
		s.problem(w, r, problemInternal)
	}
}

// notFound answers where no route matches; where one would under another
// method, it says which.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "/" {
			w.Header().Add("Allow", method)
		}
	}
	if allowed := strings.Join(w.Header().Values("Allow"), ", "); allowed != "" {
		s.problem(w, r, api.Problem{Status: http.StatusMethodNotAllowed, Title: "Method not allowed", Detail: "This route has other methods.", Field: "method", Rule: "is none of " + allowed, Fix: "docs/api.md lists the routes."})
		return
	}
	if strings.HasPrefix(r.URL.Path, "/prometheus/api/") { // clients of Prometheus read its errors alone
		s.promFail(w, http.StatusNotFound, "not_found", "the daemon has no such route of Prometheus's; docs/api.md lists those it has")
		return
	}
	s.problem(w, r, api.Problem{Status: http.StatusNotFound, Title: "Not found", Detail: "There is no such route.", Fix: "docs/api.md lists the routes."})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
