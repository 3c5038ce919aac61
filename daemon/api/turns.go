package api

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"example.com/nexusctl/daemon/fairqueue"
	"example.com/nexusctl/protocol/api"
)

// takesTurns reports a route whose answer can cost much processor time or memory,
// so that few are worked on at once. What comes in, and what tells how the daemon
// is, waits for nobody.
func takesTurns(pattern string) bool {
	switch pattern {
	case "GET /api/v1/metrics", "GET /api/metrics", "GET /api/v1/metrics/{name}", "GET /api/v1/metrics/{name}/history", "GET /api/v1/events",
		"GET /api/v1/slos/{name}", "GET /api/v1/slos/{name}/report":
		return true
	}
	_, path, _ := strings.Cut(pattern, " ")
	switch strings.TrimPrefix(path, "/prometheus/api/v1/") {
	case "query", "query_range", "series", "labels", "label/{name}/values":
		return true
	}
	return false
}

// inTurn has a route's requests wait for their turn, by client.
func (s *Server) inTurn(pattern string, handle http.HandlerFunc) http.HandlerFunc {
	if s.opts.Turns == nil || !takesTurns(pattern) {
		return handle
	}
	return func(w http.ResponseWriter, r *http.Request) {
		turn, err := s.opts.Turns.Enter(r.Context(), clientOf(r.RemoteAddr))
		if err != nil {
			s.noTurn(w, r, err)
			return
		}
		defer turn.Leave()
		ctx, work := s.opts.Pace.Begin(r.Context())
		defer work.End()
		handle(&holding{w, turn}, r.WithContext(ctx))
	}
}

// clientOf names who asks: an address, and of IPv6 the network of 64 bits, for
// that is what one client has.
func clientOf(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return "" // a Unix socket
	}
	a := at.Addr()
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64) // of an IPv6 address there is one
		return p.String()
	}
	return a.String()
}

func (s *Server) noTurn(w http.ResponseWriter, r *http.Request, err error) {
	p := api.Problem{Status: http.StatusServiceUnavailable, Title: "Too busy", Detail: "As many questions wait as may: " + err.Error() + ".", Fix: "Try again after the time that Retry-After says."}
	switch {
	case errors.Is(err, fairqueue.ErrCrowded):
		p.Status, p.Title, p.Detail = http.StatusTooManyRequests, "Too many questions", "Half of the questions that may wait, or of the answers that may be on their way, are this address's."
	case errors.Is(err, fairqueue.ErrLate):
		p.Detail = "The question waited for query.timeout, and its turn did not come."
	case !errors.Is(err, fairqueue.ErrFull): // the client went
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Retry-After", strconv.Itoa(s.opts.Turns.RetryAfter()))
	if strings.HasPrefix(r.URL.Path, "/prometheus/") {
		s.promFail(w, p.Status, "unavailable", p.Detail)
		return
	}
	s.problem(w, r, p)
}

// holding tells the queue what of an answer is on its way. An answer is made whole
// before its first byte is written, so from then on it takes memory alone.
type holding struct {
	http.ResponseWriter
	turn *fairqueue.Turn
}

func (h *holding) Write(b []byte) (int, error) {
	h.turn.Hold(len(b))
	return h.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (h *holding) Unwrap() http.ResponseWriter { return h.ResponseWriter }
