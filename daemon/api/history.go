package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
)

// maxPoints bounds the points of one series in one answer.
const maxPoints = 11_000

const (
	// maxValues bounds the values of all series of one answer.
	maxValues = 1_000_000
	// maxBy bounds the tags by which series are put together.
	maxBy = 16
)

// history answers with one value a step, of each series or of those that agree in
// the tags by: the sum, mean, a percentile and so on, as agg says.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	q, p := s.historyQuestion(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	_, m, ok := s.metricName(w, r)
	if !ok {
		return
	}
	list, err := s.opts.Reader.Steps(r.Context(), []series.Matcher{m}, q.steps)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(list) == 0 {
		s.noMetric(w, r)
		return
	}
	groups, err := query.Aggregate(list, q.agg, q.by, q.steps, maxValues)
	switch {
	case errors.Is(err, query.ErrTooMuch):
		s.problem(w, r, api.Problem{Status: http.StatusUnprocessableEntity, Title: "Too much", Detail: err.Error(), Field: "step", Rule: "at most 1000000 values", Fix: "Take a longer step, a shorter range, or put series together with by."})
	case len(groups) == 0:
		s.problem(w, r, bad("agg", "is not for metrics of this type", "Leave it out, or see what docs/api.md has for the type."))
	default:
		h := q.body(list[0].Key.Name, groups)
		s.data(w, r, q.form, &h, func() [][]string { return historyRows(&h) }, func() []any { return historyLines(&h) })
	}
}

type historyQuestion struct {
	form  media
	agg   query.Aggregation
	named string // the aggregation's name
	by    []string
	steps query.Steps
}

func (s *Server) historyQuestion(r *http.Request) (q historyQuestion, p *api.Problem) {
	if q.form, p = negotiate(r, dataMedia); p != nil {
		return q, p
	}
	to, p := timeParam(r, "to", s.opts.Now())
	if p != nil {
		return q, p
	}
	from, p := timeParam(r, "from", to.Add(-time.Hour))
	if p != nil {
		return q, p
	}
	step, p := stepParam(r, s.opts.Reader.Resolution())
	if p == nil {
		p = checkRange(from, to, step)
	}
	if p != nil {
		return q, p
	}
	q.steps = query.Steps{From: from.UnixMilli(), To: to.UnixMilli(), Width: step.Milliseconds()}
	q.named = asked(r).Get("agg")
	var err error
	if q.agg, err = query.ParseAggregation(q.named); err != nil {
		fault := bad("agg", err.Error(), "Name one of them, or leave it out.")
		return q, &fault
	}
	q.by, p = byParam(r)
	return q, p
}

// byParam reads tags to put series together by: several parameters, or several
// keys in one, separated by commas. An empty one puts all together.
func byParam(r *http.Request) ([]string, *api.Problem) {
	values, given := asked(r)["by"]
	if !given {
		return nil, nil
	}
	by := []string{}
	for _, v := range values {
		for key := range strings.SplitSeq(v, ",") {
			if key != "" {
				by = append(by, key)
			}
		}
	}
	if len(by) > maxBy {
		p := bad("by", "names more than "+strconv.Itoa(maxBy)+" tags", "Name fewer.")
		return nil, &p
	}
	return by, nil
}

func (q *historyQuestion) body(name string, groups []query.Group) api.History {
	h := api.History{Name: name, Step: float64(q.steps.Width) / 1000, Agg: q.named, By: q.by, Series: make([]api.HistorySeries, 0, len(groups))}
	for _, g := range groups {
		one := api.HistorySeries{Type: g.Type.String(), Tags: tagMap(g.Tags), RelativeError: g.Error, Points: make([][2]float64, 0, len(g.Values))}
		for _, v := range g.Values {
			one.Points = append(one.Points, [2]float64{float64(v.Time) / 1000, v.Value})
		}
		h.Series = append(h.Series, one)
	}
	return h
}

func historyRows(h *api.History) [][]string {
	rows := [][]string{{"name", "type", "tags", "time", "value"}}
	for _, s := range h.Series {
		tags := tagText(s.Tags)
		for _, p := range s.Points {
			rows = append(rows, []string{h.Name, s.Type, tags, decimal(p[0]), decimal(p[1])})
		}
	}
	return rows
}

// historyLine is one series of a history as a line of its own.
type historyLine struct {
	Name string  `json:"name"`
	Step float64 `json:"step"`
	api.HistorySeries
}

func historyLines(h *api.History) []any {
	lines := make([]any, len(h.Series))
	for i, s := range h.Series {
		lines[i] = historyLine{h.Name, h.Step, s}
	}
	return lines
}

func checkRange(from, to time.Time, step time.Duration) *api.Problem {
	switch {
	case to.Before(from):
		p := bad("to", "is before from", "Swap them.")
		return &p
	case to.Sub(from)/step >= maxPoints:
		p := bad("step", "gives more than "+strconv.Itoa(maxPoints)+" points", "Take a longer step or a shorter range.")
		return &p
	}
	return nil
}

// timeParam reads Unix seconds, with a fraction or without, or RFC 3339.
func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, *api.Problem) {
	s := r.FormValue(name)
	if s == "" {
		return otherwise, nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > -1e11 && f < 1e11 {
		return time.UnixMilli(int64(f * 1000)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	p := bad(name, "is no time", "Write Unix seconds or RFC 3339, such as 2026-11-24T08:00:00Z.")
	return otherwise, &p
}

// stepParam reads a duration, as 10s, or a number of seconds.
func stepParam(r *http.Request, otherwise time.Duration) (time.Duration, *api.Problem) {
	s := r.FormValue("step")
	if s == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(s)
	if f, ferr := strconv.ParseFloat(s, 64); ferr == nil && f > 0 && f < 1e9 {
		d, err = time.Duration(f*float64(time.Second)), nil
	}
	if err != nil || d < time.Millisecond || d > 366*24*time.Hour {
		p := bad("step", "is no duration from 1ms to a year", "Write 10s, 1m or 1h.")
		return 0, &p
	}
	return d, nil
}
