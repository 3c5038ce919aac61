package api

import (
	"net/http"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/protocol/api"
)

// refusedFrom returns the level of pressure from which on a request is refused;
// None is never. Health, readiness, exposition and the overview tell how the
// daemon is, the ledger is its audit, and objectives are what alerts hang on:
// those are answered to the last.
func refusedFrom(pattern string, r *http.Request) pressure.Level {
	method, path, _ := strings.Cut(pattern, " ")
	switch path {
	case "/health", "/ready", "/api/v1/health", "/api/v1/ready", "/-/healthy", "/-/ready", "/prometheus/-/healthy", "/prometheus/-/ready",
		"/api/v1/overview", "/api/v1/ledger", "/api/v1/slos", "/api/v1/slos/{name}":
		return pressure.None
	case "/metrics", "/api/v1/metrics", "/api/metrics":
		return refusedMetrics(method, path, r)
	case "/api/v1/cardinality":
		return pressure.Debug
	case "/v1/metrics", "/write", "/api/v2/write", "/api/v1/import/prometheus", "/prometheus/api/v1/write":
		return pressure.Newcomers // what they bring is acknowledged once it is durable
	case "/prometheus/api/v1/query", "/prometheus/api/v1/query_range":
		return pressure.Reads
	}
	switch {
	case strings.HasPrefix(path, "/prometheus/"): // lists for completion
		return pressure.Debug
	case method == http.MethodGet:
		return pressure.Reads
	}
	return pressure.None // control: it may be what ends the pressure
}

// refusedMetrics is refusedFrom of the routes that bring metrics and list them.
func refusedMetrics(method, path string, r *http.Request) pressure.Level {
	switch {
	case method == http.MethodGet && path == "/metrics":
		return pressure.None // the exposition
	case method == http.MethodGet:
		return pressure.Reads
	case r.Header.Get(keyHeader) != "":
		return pressure.Newcomers
	}
	return pressure.Text
}

// guard refuses a request where the daemon is pressed too hard, before anything of
// it is read.
func (s *Server) guard(pattern string, handle http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := refusedFrom(pattern, r)
		if from == pressure.None || !s.opts.Pressure.Refuses(from) {
			handle(w, r)
			return
		}
		cause := s.opts.Pressure.State().Cause
		w.Header().Set("Retry-After", strconv.Itoa(int(pressure.RetryAfter.Seconds())))
		if strings.HasPrefix(r.URL.Path, "/prometheus/api/") {
			s.promFail(w, http.StatusServiceUnavailable, "unavailable", pressureCode(cause)+": "+pressureDetail(cause))
			return
		}
		s.problem(w, r, api.Problem{
			Status: http.StatusServiceUnavailable, Title: "Under pressure", Code: pressureCode(cause), Detail: pressureDetail(cause),
			Fix: "Try again after the time that Retry-After says.",
		})
	}
}

func pressureCode(c pressure.Cause) string { return c.String() + "_pressure" }

func pressureDetail(c pressure.Cause) string {
	if c == pressure.Disk {
		return "Little of the disk is free, so that the daemon refuses what it can do without."
	}
	return "The daemon's memory is near its limit, so that it refuses what it can do without."
}
