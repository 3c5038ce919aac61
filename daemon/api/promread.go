package api

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage"
)

// promRoutes are what Grafana asks a Prometheus for beside queries.
func (s *Server) promRoutes() []route {
	const at = "/prometheus/api/v1/"
	return []route{
		{"GET " + at + "series", s.promSeries}, {"POST " + at + "series", s.promSeries},
		{"GET " + at + "labels", s.promLabels}, {"POST " + at + "labels", s.promLabels},
		{"GET " + at + "label/{name}/values", s.promValues},
		{"GET " + at + "metadata", s.promMetadata},
		{"GET " + at + "format_query", s.promFormat}, {"POST " + at + "format_query", s.promFormat},
		{"GET " + at + "query_exemplars", s.promExemplars}, {"POST " + at + "query_exemplars", s.promExemplars},
		{"GET " + at + "status/buildinfo", s.promBuild},
	}
}

// promListing is what a list of series or labels is asked for.
type promListing struct {
	selectors [][]*labels.Matcher
	in        *query.Range // nil where neither start nor end is given
	limit     int
}

// promRanged reads start and end.
func (s *Server) promRanged(r *http.Request) (*query.Range, *api.Problem) {
	if r.Form.Get("start") == "" && r.Form.Get("end") == "" {
		return nil, nil
	}
	from, p := timeParam(r, "start", time.UnixMilli(0))
	if p != nil {
		return nil, p
	}
	to, p := timeParam(r, "end", s.opts.Now())
	if p == nil && to.Before(from) {
		fault := bad("end", "is before start", "Swap them.")
		p = &fault
	}
	return &query.Range{From: from.UnixMilli(), To: to.UnixMilli()}, p
}

// promSelectors reads match[], start, end and limit.
func (s *Server) promSelectors(w http.ResponseWriter, r *http.Request) (q promListing, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, 4*maxExpr)
	if err := r.ParseForm(); err != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", "the parameters cannot be read: "+err.Error())
		return q, false
	}
	var err error
	q.selectors, err = s.opts.Engine.ParseMatchers(r.Form["match[]"])
	if err != nil {
		s.promError(w, err)
		return q, false
	}
	if text := r.Form.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 0 {
			s.promFail(w, http.StatusBadRequest, "bad_data", `invalid parameter "limit": it is no whole number from 0 on`)
			return q, false
		}
	}
	in, p := s.promRanged(r)
	if p != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", p.Detail)
		return q, false
	}
	q.in = in
	return q, true
}

// promList answers with a list, and says where it was cut, or is of all times.
func (s *Server) promList(w http.ResponseWriter, list any, more, allTimes bool, err error) {
	if err != nil {
		s.promError(w, err)
		return
	}
	a := promAnswer{Status: "success", Data: list}
	if more {
		a.Warnings = append(a.Warnings, "results truncated due to limit")
	}
	if allTimes {
		a.Warnings = append(a.Warnings, query.RangeWarning)
	}
	s.promWrite(w, http.StatusOK, a)
}

func (s *Server) promSeries(w http.ResponseWriter, r *http.Request) {
	q, ok := s.promSelectors(w, r)
	if !ok {
		return
	}
	if len(q.selectors) == 0 {
		s.promFail(w, http.StatusBadRequest, "bad_data", "no match[] parameter provided")
		return
	}
	found, err := s.opts.Engine.Series(r.Context(), q.selectors, q.in, q.limit)
	out := make([]map[string]string, 0, len(found.List))
	for _, l := range found.List {
		out = append(out, l.Map())
	}
	s.promList(w, out, found.More, found.AllTimes, err)
}

func (s *Server) promLabels(w http.ResponseWriter, r *http.Request) {
	if q, ok := s.promSelectors(w, r); ok {
		found, err := s.opts.Engine.LabelNames(r.Context(), q.selectors, q.in, q.limit)
		s.promList(w, found.List, found.More, found.AllTimes, err)
	}
}

func (s *Server) promValues(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if decoded, ok := strings.CutPrefix(name, "U__"); ok {
		name = unescapeLabel(decoded)
	}
	if q, ok := s.promSelectors(w, r); ok {
		found, err := s.opts.Engine.LabelValues(r.Context(), name, q.selectors, q.in, q.limit)
		s.promList(w, found.List, found.More, found.AllTimes, err)
	}
}

// unescapeLabel reads a name with other characters than a path likes, as
// Prometheus 3 escapes it: _2e_ is a dot, __ an underscore.
func unescapeLabel(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		switch {
		case strings.HasPrefix(s, "__"):
			b.WriteByte('_')
			s = s[2:]
		case s[0] == '_' && strings.IndexByte(s[1:], '_') > 0:
			end := 1 + strings.IndexByte(s[1:], '_')
			if code, err := strconv.ParseUint(s[1:end], 16, 21); err == nil {
				b.WriteRune(rune(code))
				s = s[end+1:]
				continue
			}
			fallthrough
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}

type promMeta struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// promMetadata says of each metric what people said of it, else its sender, else
// how it is kept.
func (s *Server) promMetadata(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if r.FormValue("limit") == "" {
		limit, err = -1, nil
	}
	if err != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", `invalid parameter "limit": it is no whole number`)
		return
	}
	only := r.FormValue("metric")
	metrics, err := s.opts.Engine.Metrics(r.Context())
	if err != nil {
		s.promError(w, err)
		return
	}
	about, err := s.descriptions(r.Context())
	if err != nil {
		s.promError(w, err)
		return
	}
	out := map[string][]promMeta{}
	add := func(name string, m promMeta) {
		if _, known := out[name]; !known && (only == "" || name == only) && (limit < 0 || len(out) < limit) {
			out[name] = []promMeta{m}
		}
	}
	for _, m := range metrics {
		meta := promMeta{Type: promType(m)}
		if a := s.opts.Gateway.Metadata().Of(m.Name); a.Type != "" {
			meta = promMeta{a.Type, a.Help, a.Unit}
		}
		if a, ok := about[m.Sent]; ok { // people know better than senders
			meta.Help, meta.Unit = a.Description, a.Unit
		}
		add(m.Name, meta)
	}
	s.promWrite(w, http.StatusOK, promAnswer{Status: "success", Data: out})
}

// descriptions are what people said of metrics, by the name as sent.
func (s *Server) descriptions(ctx context.Context) (map[string]storage.Meta, error) {
	list, err := s.opts.Editor.Descriptions(ctx, "")
	about := make(map[string]storage.Meta, len(list))
	for _, m := range list {
		about[m.Name] = m
	}
	return about, err
}

func promType(m query.Metric) string {
	switch {
	case m.Type == protocol.Counter:
		return "counter"
	case m.Type == protocol.Gauge, m.Type == protocol.Set:
		return "gauge"
	case m.Type.IsHistogram():
		return "histogram"
	}
	return "unknown"
}

func (s *Server) promFormat(w http.ResponseWriter, r *http.Request) {
	expr, ok := s.promExpr(w, r)
	if !ok {
		return
	}
	text, err := s.opts.Engine.Format(expr)
	s.promList(w, text, false, false, err)
}

// promExemplars answers that there are none: no door reads trace ids, so that the
// daemon keeps no exemplars. What is asked is held to Prometheus's rules all the
// same: Grafana shows a fault in an expression where it is.
func (s *Server) promExemplars(w http.ResponseWriter, r *http.Request) {
	expr, ok := s.promExpr(w, r)
	if !ok {
		return
	}
	if _, p := s.promRanged(r); p != nil {
		s.promFail(w, http.StatusBadRequest, "bad_data", p.Detail)
		return
	}
	_, err := s.opts.Engine.Format(expr)
	s.promList(w, []any{}, false, false, err)
}

// promBuild tells Grafana which Prometheus it may take the daemon for: that of
// the engine.
func (s *Server) promBuild(w http.ResponseWriter, _ *http.Request) {
	s.promWrite(w, http.StatusOK, promAnswer{Status: "success", Data: map[string]string{
		"version": query.EngineVersion, "revision": "nexusctl " + s.opts.Version, "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}})
}
