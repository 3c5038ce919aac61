package api

import (
	"net/http"
	"strconv"
	"time"

	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol/api"
)

// maxPoints bounds the points of one series in one answer.
const maxPoints = 11_000

// history answers with one value a step: for a counter the sum in the step,
// for a gauge the last value, for a distribution the mean, for a set the
// number of members.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	now := s.opts.Now()
	to, p := timeParam(r, "to", now)
	if p == nil {
		var from time.Time
		from, p = timeParam(r, "from", to.Add(-time.Hour))
		if p == nil {
			s.historyRange(w, r, from, to)
			return
		}
	}
	s.problem(w, r, *p)
}

func (s *Server) historyRange(w http.ResponseWriter, r *http.Request, from, to time.Time) {
	step, p := stepParam(r, s.opts.Reader.Resolution())
	if p == nil {
		p = checkRange(from, to, step)
	}
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	list, ok := s.named(w, r, from.UnixMilli(), to.UnixMilli(), step.Milliseconds())
	if !ok {
		return
	}
	h := api.History{Name: list[0].Key.Name, Step: step.Seconds(), Series: []api.HistorySeries{}}
	for i := range list {
		h.Series = append(h.Series, historySeries(&list[i], from, to, step))
	}
	s.answer(w, r, http.StatusOK, h)
}

func historySeries(q *query.Series, from, to time.Time, step time.Duration) api.HistorySeries {
	out := api.HistorySeries{Type: q.Key.Type.String(), Tags: map[string]string{}, Points: [][2]float64{}}
	for _, t := range q.Key.Tags {
		out.Tags[t.Key] = t.Value
	}
	for _, v := range q.Values(from.UnixMilli(), to.UnixMilli(), step.Milliseconds()) {
		out.Points = append(out.Points, [2]float64{float64(v.Time) / 1000, v.Value})
	}
	return out
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
