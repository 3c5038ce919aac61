package api

import (
	"net/http"

	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/protocol/api"
)

// health says that the process lives and answers.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, api.Status{Status: "ok", Version: s.opts.Version})
}

// ready says whether the daemon can take and keep data, and why not.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	reasons := s.opts.Ready(r.Context())
	status := api.Status{Status: "ready", Version: s.opts.Version, Reasons: reasons}
	if s.opts.Fleet != nil {
		status.Role, status.Silent = s.opts.Fleet()
	}
	if len(reasons) == 0 {
		s.answer(w, r, http.StatusOK, status)
		return
	}
	status.Status = "not_ready"
	s.answer(w, r, http.StatusServiceUnavailable, status)
}

// overview answers with everything that `nexusctl top` shows.
func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	o, err := s.opts.Overview(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, o)
}

func (s *Server) ledger(w http.ResponseWriter, r *http.Request) {
	l, err := s.opts.Ledger(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, LedgerBody(l))
}

// LedgerBody returns a statement as it is sent.
func LedgerBody(l ledger.Statement) api.Ledger {
	return api.Ledger{
		Received: l.Received, Stored: l.Stored, Pending: l.Pending, Rejected: l.Rejected, Shed: l.Shed,
		Dead: l.Dead, Lost: l.Lost, Duplicates: l.Duplicates,
	}
}
