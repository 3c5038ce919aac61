package api

import (
	"context"
	"errors"
	"net/http"

	"example.com/nexusctl/daemon/objective"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
)

// Objectives are the service level objectives: objective.Keeper.
type Objectives interface {
	Statuses() []api.SLO
	Status(ctx context.Context, name string) (slo.Status, error)
	Report(ctx context.Context, name, month string) (slo.Report, error)
}

// listSLOs answers with every objective as it stood at the last evaluation.
func (s *Server) listSLOs(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, http.StatusOK, api.SLOList{Data: s.opts.Objectives.Statuses()})
}

// getSLO evaluates one objective now.
func (s *Server) getSLO(w http.ResponseWriter, r *http.Request) {
	status, err := s.opts.Objectives.Status(r.Context(), r.PathValue("name"))
	if err != nil {
		s.failSLO(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, status.Summary())
}

// sloReport answers with the report of the month named by the parameter month,
// "2026-10"; the current one without it.
func (s *Server) sloReport(w http.ResponseWriter, r *http.Request) {
	report, err := s.opts.Objectives.Report(r.Context(), r.PathValue("name"), r.URL.Query().Get("month"))
	if err != nil {
		s.failSLO(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, report)
}

func (s *Server) failSLO(w http.ResponseWriter, r *http.Request, err error) {
	var month *objective.MonthError
	switch {
	case errors.Is(err, objective.ErrUnknown):
		s.problem(w, r, api.Problem{Status: http.StatusNotFound, Title: "No such objective", Detail: "No objective has this name.", Field: "name", Fix: "GET /api/v1/slos lists what there is."})
	case errors.As(err, &month):
		s.problem(w, r, bad("month", month.Error(), "Write it as 2026-10."))
	case errors.Is(err, slo.ErrNotBegun):
		s.problem(w, r, bad("month", "lies ahead", "Name a month that has begun."))
	default:
		s.fail(w, r, err)
	}
}
