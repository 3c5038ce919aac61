package api

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/daemon/cursor"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	maxName      = 1 << 10
)

// maxBack is how far back updated_since may lie: values are read from there on.
const maxBack = 48 * time.Hour

// listMetrics lists series: filters name (a glob), type, tag (k:v, repeated) and
// updated_since, and pages by cursor.
func (s *Server) listMetrics(w http.ResponseWriter, r *http.Request) {
	form, p := negotiate(r, dataMedia)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	q, p := s.listQuestion(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	list, next, err := s.opts.Reader.Page(r.Context(), q.filter, q.from, q.limit)
	if errors.Is(err, query.ErrAnotherProcess) {
		s.problem(w, r, badCursor(err))
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := api.MetricPage{Data: make([]api.Metric, 0, len(list))}
	for i := range list {
		page.Data = append(page.Data, metricOf(&list[i]))
	}
	if next != nil {
		page.NextCursor = s.cursors.Seal(question(r), placeBytes(*next))
		linkNext(w, r, page.NextCursor)
	}
	s.data(w, r, form, &page, func() [][]string { return metricRows(page.Data) }, func() []any { return eachMetric(page.Data) })
}

// listQuestion is a list that was asked for.
type listQuestion struct {
	filter query.Filter
	from   query.Place
	limit  int
}

func (s *Server) listQuestion(r *http.Request) (q listQuestion, p *api.Problem) {
	if q.filter.Matchers, p = listMatchers(r); p != nil {
		return q, p
	}
	if q.filter.Since, p = s.since(r); p != nil {
		return q, p
	}
	if q.limit, p = intParam(r, "limit", defaultLimit, 1, maxLimit); p != nil {
		return q, p
	}
	payload, p := s.openCursor(r)
	if p != nil || payload == nil {
		return q, p
	}
	place, ok := placeOf(payload)
	if !ok {
		fault := badCursor(cursor.ErrForged)
		return q, &fault
	}
	q.from = place
	return q, nil
}

func (s *Server) since(r *http.Request) (int64, *api.Problem) {
	if asked(r).Get("updated_since") == "" {
		return 0, nil
	}
	now := s.opts.Now()
	at, p := timeParam(r, "updated_since", now)
	if p == nil && now.Sub(at) > maxBack {
		fault := bad("updated_since", "lies more than 48 hours back", "Take a later time, or leave it out.")
		p = &fault
	}
	return at.UnixMilli(), p
}

func listMatchers(r *http.Request) (ms []series.Matcher, p *api.Problem) {
	add := func(field, tag string, op series.MatchOp, value string) {
		m, err := series.NewMatcher(tag, op, value)
		if err != nil && p == nil {
			fault := bad(field, err.Error(), "Write it shorter.")
			p = &fault
		}
		ms = append(ms, m)
	}
	q := asked(r)
	if name := q.Get("name"); strings.ContainsAny(name, "*?") {
		add("name", series.NameTag, series.Regexp, globPattern(name))
	} else if name != "" {
		add("name", series.NameTag, series.Equal, name)
	}
	if typ := q.Get("type"); typ != "" {
		t, ok := protocol.ParseType(typ)
		if !ok {
			fault := bad("type", "is none of counter, gauge, histogram, timer, distribution, set", "Name one of them.")
			return nil, &fault
		}
		add("type", series.TypeTag, series.Equal, t.String())
	}
	for _, tag := range q["tag"] {
		key, value, ok := strings.Cut(tag, ":")
		if !ok || key == "" {
			fault := bad("tag", "is not key:value", "Write tag=env:prod.")
			return nil, &fault
		}
		add("tag", key, series.Equal, value)
	}
	return ms, p
}

// globPattern turns * and ? into a regular expression and quotes the rest.
func globPattern(glob string) string {
	var b strings.Builder
	for _, r := range glob {
		switch r {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		default:
			if strings.ContainsRune(`\.+()|[]{}^$`, r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

func intParam(r *http.Request, name string, otherwise, low, high int) (int, *api.Problem) {
	s := asked(r).Get(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		p := bad(name, "is no whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high), "Leave it out, or take what the last page gave.")
		return 0, &p
	}
	return n, nil
}

func (s *Server) getMetric(w http.ResponseWriter, r *http.Request) {
	name, m, ok := s.metricName(w, r)
	if !ok {
		return
	}
	list, err := s.opts.Reader.Latest(r.Context(), []series.Matcher{m})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(list) == 0 {
		s.noMetric(w, r)
		return
	}
	d := api.MetricDetail{Name: name}
	about, err := s.opts.Editor.Descriptions(r.Context(), name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(about) > 0 {
		d.Description, d.Unit = about[0].Description, about[0].Unit
	}
	for i := range list {
		d.Series = append(d.Series, metricOf(&list[i]))
		if t := list[i].Key.Type.String(); !slices.Contains(d.Types, t) {
			d.Types = append(d.Types, t)
		}
	}
	s.steady(w, r, &d)
}

// noTags are the tags of what has none, which nobody writes to.
var noTags = map[string]string{}

func tagMap(list []series.Tag) map[string]string {
	if len(list) == 0 {
		return noTags
	}
	tags := make(map[string]string, len(list))
	for _, t := range list {
		tags[t.Key] = t.Value
	}
	return tags
}

func metricOf(q *query.Series) api.Metric {
	m := api.Metric{Name: q.Key.Name, Type: q.Key.Type.String(), Tags: tagMap(q.Key.Tags)}
	if v, at, ok := q.Last(); ok {
		m.Last = &v
		m.UpdatedAt = float64(at) / 1000
	}
	return m
}
