package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/nexusctl/protocol/api"
)

// maxAnswer bounds what a client reads of one answer.
const maxAnswer = 256 << 20

// HTTP is a client of the API. It may be used from several goroutines.
type HTTP struct {
	base   *url.URL
	client *http.Client
}

// NewHTTP returns a client for a server: a URL, or host:port.
func NewHTTP(server string) (*HTTP, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no server: write http://host:port or host:port", server)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return &HTTP{base: u, client: &http.Client{Timeout: time.Minute}}, nil
}

// Addr returns host:port, for lines over TCP to the same server.
func (h *HTTP) Addr() string {
	if h.base.Port() != "" {
		return h.base.Host
	}
	port := "80"
	if h.base.Scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(h.base.Hostname(), port)
}

// ProblemError is an error that the server answered.
type ProblemError struct{ api.Problem }

func (e *ProblemError) Error() string {
	s := e.Title
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Fix != "" {
		s += " " + e.Fix
	}
	return s
}

// Ledger reads the accounting law.
func (h *HTTP) Ledger(ctx context.Context) (l api.Ledger, err error) {
	return l, h.get(ctx, api.LedgerPath, nil, &l)
}

// Metrics reads one page of series.
func (h *HTTP) Metrics(ctx context.Context, filter url.Values) (p api.MetricPage, err error) {
	return p, h.get(ctx, api.MetricsPath, filter, &p)
}

// Metric reads everything of one name.
func (h *HTTP) Metric(ctx context.Context, name string) (d api.MetricDetail, err error) {
	return d, h.get(ctx, api.MetricsPath+"/"+url.PathEscape(name), nil, &d)
}

// Describe sets what people say of a metric.
func (h *HTTP) Describe(ctx context.Context, name, description, unit string) (d api.Description, err error) {
	body, err := json.Marshal(api.Description{Description: description, Unit: unit})
	if err != nil {
		return d, err
	}
	return d, h.ask(ctx, http.MethodPut, api.MetricsPath+"/"+url.PathEscape(name), nil, body, &d)
}

// Delete deletes the series of a metric that the filter names: tag=key:value,
// match={…}; with dry_run=true it counts them.
func (h *HTTP) Delete(ctx context.Context, name string, filter url.Values) (d api.Deletion, err error) {
	return d, h.ask(ctx, http.MethodDelete, api.MetricsPath+"/"+url.PathEscape(name), filter, nil, &d)
}

// Overview reads the daemon at one glance.
func (h *HTTP) Overview(ctx context.Context) (o api.Overview, err error) {
	return o, h.get(ctx, api.OverviewPath, nil, &o)
}

// SLOs reads how every objective stood at its last evaluation.
func (h *HTTP) SLOs(ctx context.Context) (l api.SLOList, err error) {
	return l, h.get(ctx, api.SLOsPath, nil, &l)
}

// SLO evaluates one objective now and decodes the answer, a slo.Summary, into
// v.
func (h *HTTP) SLO(ctx context.Context, name string, v any) error {
	return h.get(ctx, api.SLOsPath+"/"+url.PathEscape(name), nil, v)
}

// SLOReport reads the report of a month, "2026-10", or of the current one, and
// decodes it, a slo.Report, into v.
func (h *HTTP) SLOReport(ctx context.Context, name, month string, v any) error {
	query := url.Values{}
	if month != "" {
		query.Set("month", month)
	}
	return h.get(ctx, api.SLOsPath+"/"+url.PathEscape(name)+"/report", query, v)
}

// Status asks whether the daemon lives, or, where ready, whether it can take
// and keep data. A daemon that is not ready answers too.
func (h *HTTP) Status(ctx context.Context, ready bool) (s api.Status, err error) {
	path := api.Health
	if ready {
		path = api.Ready
	}
	status, body, err := h.do(ctx, path, nil)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Status == "" {
		return s, unexpected(status, body)
	}
	return s, nil
}

// QueryData is a PromQL result, as Prometheus renders it.
type QueryData struct {
	ResultType string          `json:"resultType"`
	Result     json.RawMessage `json:"result"`

	// Notes are the answer's warnings and infos: what was left out, and how
	// exact an estimate is.
	Notes []string `json:"-"`
}

type promAnswer struct {
	Status    string    `json:"status"`
	Warnings  []string  `json:"warnings"`
	Infos     []string  `json:"infos"`
	Data      QueryData `json:"data"`
	ErrorType string    `json:"errorType"`
	Error     string    `json:"error"`
}

// Query evaluates PromQL at one time; the zero time is now.
func (h *HTTP) Query(ctx context.Context, expr string, at time.Time) (QueryData, error) {
	form := url.Values{"query": {expr}}
	if !at.IsZero() {
		form.Set("time", unix(at))
	}
	return h.prom(ctx, api.PromQuery, form)
}

// QueryRange evaluates PromQL at every step of a range.
func (h *HTTP) QueryRange(ctx context.Context, expr string, from, to time.Time, step time.Duration) (QueryData, error) {
	form := url.Values{"query": {expr}, "start": {unix(from)}, "end": {unix(to)}, "step": {fmt.Sprint(step.Seconds())}}
	return h.prom(ctx, api.PromQueryRange, form)
}

func unix(t time.Time) string { return fmt.Sprintf("%.3f", float64(t.UnixMilli())/1000) }

func (h *HTTP) prom(ctx context.Context, path string, form url.Values) (QueryData, error) {
	var a promAnswer
	status, body, err := h.do(ctx, path, form)
	if err != nil {
		return a.Data, err
	}
	if err := json.Unmarshal(body, &a); err != nil || a.Status != "success" && a.ErrorType == "" {
		return a.Data, unexpected(status, body)
	}
	if a.Status != "success" {
		return a.Data, &ProblemError{api.Problem{Status: status, Title: a.ErrorType, Detail: a.Error}}
	}
	a.Data.Notes = append(a.Warnings, a.Infos...)
	return a.Data, nil
}

func (h *HTTP) get(ctx context.Context, path string, query url.Values, v any) error {
	return h.ask(ctx, http.MethodGet, path, query, nil, v)
}

func (h *HTTP) ask(ctx context.Context, method, path string, query url.Values, send []byte, v any) error {
	status, body, err := h.send(ctx, method, path, query, send)
	if err != nil {
		return err
	}
	if status/100 == 2 {
		if err := json.Unmarshal(body, v); err != nil {
			return fmt.Errorf("read the answer to %s: %w", path, err)
		}
		return nil
	}
	var p api.Problem
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return unexpected(status, body)
	}
	return &ProblemError{p}
}

func unexpected(status int, body []byte) error {
	text := strings.TrimSpace(string(body[:min(len(body), 200)]))
	return fmt.Errorf("the server answered %d, and not as a nexusctl daemon does: %q", status, text)
}

func (h *HTTP) do(ctx context.Context, path string, query url.Values) (status int, body []byte, err error) {
	return h.send(ctx, http.MethodGet, path, query, nil)
}

func (h *HTTP) send(ctx context.Context, method, path string, query url.Values, send []byte) (status int, body []byte, err error) {
	u := *h.base
	unescaped, err := url.PathUnescape(path)
	if err != nil {
		return 0, nil, fmt.Errorf("request %s: %w", path, err)
	}
	u.RawPath, u.Path = u.Path+path, u.Path+unescaped
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(send))
	if err != nil {
		return 0, nil, fmt.Errorf("request %s: %w", path, err)
	}
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := h.client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return 0, nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, h.base.Host, op)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return 0, nil, fmt.Errorf("%w at %s: no answer in time", ErrUnreachable, h.base.Host)
		}
		return 0, nil, fmt.Errorf("request %s: %w", path, err)
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return res.StatusCode, body, nil
}
