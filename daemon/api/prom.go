package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/storage"
)

// maxExpr bounds a quarter of a form's body, in bytes: query.max_length is at
// most this, and an expression may be escaped.
const maxExpr = 1 << 20

// The answers under /prometheus follow Prometheus's own API to the letter,
// errors included: Grafana and promtool read them.
type promAnswer struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
}

type promData struct {
	ResultType parser.ValueType `json:"resultType"`
	Result     any              `json:"result"`
}

func (s *Server) promQuery(w http.ResponseWriter, r *http.Request) {
	expr, ok := s.promExpr(w, r)
	if !ok {
		return
	}
	at, p := timeParam(r, "time", s.opts.Now())
	if p != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", p.Detail)
		return
	}
	ctx, cancel := promContext(r)
	defer cancel()
	res, done, err := s.opts.Engine.Instant(ctx, expr, at)
	s.promAnswer(w, expr, res, done, err)
}

func (s *Server) promRange(w http.ResponseWriter, r *http.Request) {
	expr, ok := s.promExpr(w, r)
	if !ok {
		return
	}
	to, p := timeParam(r, "end", s.opts.Now())
	if p == nil {
		var from time.Time
		from, p = timeParam(r, "start", to.Add(-time.Hour))
		if p == nil {
			s.promRangeOf(w, r, expr, from, to)
			return
		}
	}
	s.promFail(w, http.StatusBadRequest, "bad_data", p.Detail)
}

func (s *Server) promRangeOf(w http.ResponseWriter, r *http.Request, expr string, from, to time.Time) {
	step, p := stepParam(r, s.opts.Reader.Resolution())
	if p == nil {
		p = checkRange(from, to, step)
	}
	if p != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", p.Detail)
		return
	}
	ctx, cancel := promContext(r)
	defer cancel()
	res, done, err := s.opts.Engine.Range(ctx, expr, from, to, step)
	s.promAnswer(w, expr, res, done, err)
}

func (s *Server) promExpr(w http.ResponseWriter, r *http.Request) (string, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxExpr)
	expr := r.FormValue("query")
	switch {
	case expr == "":
		s.promFail(w, http.StatusBadRequest, "bad_data", `invalid parameter "query": it is empty`)
	default:
		return expr, true
	}
	return "", false
}

// promContext ends with the request, and with the timeout it asks for.
func promContext(r *http.Request) (context.Context, context.CancelFunc) {
	if d, err := time.ParseDuration(r.FormValue("timeout")); err == nil && d > 0 {
		return context.WithTimeout(r.Context(), d)
	}
	return context.WithCancel(r.Context())
}

func (s *Server) promAnswer(w http.ResponseWriter, expr string, res *promql.Result, done func(), err error) {
	if err != nil {
		s.promError(w, err)
		return
	}
	defer done()
	warnings, infos := res.Warnings.AsStrings(expr, 10, 10)
	s.promWrite(w, http.StatusOK, promAnswer{
		Status: "success", Warnings: warnings, Infos: infos,
		Data: promData{ResultType: res.Value.Type(), Result: promValue(res.Value)},
	})
}

func (s *Server) promError(w http.ResponseWriter, err error) {
	var expr *query.ExprError
	var canceled promql.ErrQueryCanceled
	var timeout promql.ErrQueryTimeout
	var reading promql.ErrStorage
	switch {
	case errors.As(err, &expr):
		s.promFail(w, http.StatusBadRequest, "bad_data", expr.Error())
	case errors.As(err, &canceled), errors.As(err, &timeout):
		s.promFail(w, http.StatusServiceUnavailable, "timeout", err.Error())
	case errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrBusy):
		w.Header().Set("Retry-After", "1")
		s.promFail(w, http.StatusServiceUnavailable, "unavailable", problemStore.Detail)
	case errors.Is(err, query.ErrTooMany):
		s.promFail(w, http.StatusUnprocessableEntity, "execution", err.Error())
	case !errors.As(err, &reading): // the expression's own fault, which the engine names
		s.promFail(w, http.StatusUnprocessableEntity, "execution", err.Error())
	default:
		s.opts.Logger.Warn("a query failed", "error", err)
		s.promFail(w, http.StatusUnprocessableEntity, "execution", "the query could not be evaluated; the daemon's log says why")
	}
}

func (s *Server) promFail(w http.ResponseWriter, status int, kind, text string) {
	s.promWrite(w, status, promAnswer{Status: "error", ErrorType: kind, Error: text})
}

func (s *Server) promWrite(w http.ResponseWriter, status int, a promAnswer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a)
}

// promValue renders a result as Prometheus does: values are strings, so that
// NaN and infinities have a form.
func promValue(v parser.Value) any {
	switch v := v.(type) {
	case promql.Vector:
		list := make([]any, 0, len(v))
		for _, s := range v {
			list = append(list, vectorSample(s))
		}
		return list
	case promql.Matrix:
		list := make([]any, 0, len(v))
		for _, s := range v {
			list = append(list, matrixSeries(s))
		}
		return list
	case promql.Scalar:
		return [2]any{seconds(v.T), number(v.V)}
	case promql.String:
		return [2]any{seconds(v.T), v.V}
	}
	return nil
}

func vectorSample(s promql.Sample) map[string]any {
	m := map[string]any{"metric": s.Metric.Map()}
	if s.H != nil {
		m["histogram"] = [2]any{seconds(s.T), histogramOf(s.H)}
	} else {
		m["value"] = [2]any{seconds(s.T), number(s.F)}
	}
	return m
}

func matrixSeries(s promql.Series) map[string]any {
	m := map[string]any{"metric": s.Metric.Map()}
	if len(s.Floats) > 0 {
		values := make([][2]any, 0, len(s.Floats))
		for _, p := range s.Floats {
			values = append(values, [2]any{seconds(p.T), number(p.F)})
		}
		m["values"] = values
	}
	if len(s.Histograms) > 0 {
		values := make([][2]any, 0, len(s.Histograms))
		for _, p := range s.Histograms {
			values = append(values, [2]any{seconds(p.T), histogramOf(p.H)})
		}
		m["histograms"] = values
	}
	return m
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
