package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"example.com/nexusctl/daemon/flush"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
)

// Editor changes and deletes what is known of metrics: the daemon.
type Editor interface {
	CountSeries(ctx context.Context, ms []series.Matcher) (int, error)
	// DeleteSeries deletes the series that match; more says that some are left,
	// for it works for a bounded time.
	DeleteSeries(ctx context.Context, ms []series.Matcher) (deleted int, more bool, err error)
	Describe(ctx context.Context, name, description, unit string) error
	// Descriptions are those of one name, or of every one where it is empty.
	Descriptions(ctx context.Context, name string) ([]storage.Meta, error)
}

const (
	maxDescription = 1 << 10
	maxUnit        = 64
	maxEdit        = 16 << 10 // bytes of a body
)

// metricName reads the name in the path; it answers itself where it is none.
func (s *Server) metricName(w http.ResponseWriter, r *http.Request) (string, series.Matcher, bool) {
	name := r.PathValue("name")
	if name == "" || len(name) > maxName {
		s.problem(w, r, bad("name", "is empty or longer than 1024 bytes", "Name a metric."))
		return "", series.Matcher{}, false
	}
	m, err := series.NewMatcher(series.NameTag, series.Equal, name)
	if err != nil {
		s.problem(w, r, bad("name", err.Error(), "Name a metric."))
		return "", series.Matcher{}, false
	}
	return name, m, true
}

// putMetric sets a metric's description and unit.
func (s *Server) putMetric(w http.ResponseWriter, r *http.Request) {
	name, m, ok := s.metricName(w, r)
	if !ok {
		return
	}
	about, p := readDescription(w, r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	n, err := s.opts.Editor.CountSeries(r.Context(), []series.Matcher{m})
	switch {
	case err != nil:
		s.fail(w, r, err)
		return
	case n == 0:
		s.noMetric(w, r)
		return
	}
	if err := s.opts.Editor.Describe(r.Context(), name, about.Description, about.Unit); err != nil {
		s.fail(w, r, err)
		return
	}
	about.Name = name
	s.answer(w, r, http.StatusOK, about)
}

func (s *Server) noMetric(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, api.Problem{Status: http.StatusNotFound, Title: "No such metric", Detail: "No series has this name.", Field: "name", Fix: "GET /api/v1/metrics lists what there is."})
}

func readDescription(w http.ResponseWriter, r *http.Request) (about api.Description, p *api.Problem) {
	fault := func(field, rule, fix string) (api.Description, *api.Problem) {
		one := bad(field, rule, fix)
		return about, &one
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind != "application/json" {
		one := api.Problem{Status: http.StatusUnsupportedMediaType, Title: "Unsupported type", Detail: "The body is not application/json.", Field: "Content-Type", Fix: "Send JSON."}
		return about, &one
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxEdit))
	dec.DisallowUnknownFields()
	err := dec.Decode(&about)
	if err == nil && dec.More() {
		err = errors.New("something follows the object")
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		one := api.Problem{Status: http.StatusRequestEntityTooLarge, Title: "Too large", Detail: "The body is longer than 16 KiB.", Field: "body", Fix: "Write a shorter description."}
		return about, &one
	case errors.Is(err, io.EOF):
		return fault("body", "is empty", `Send {"description":"…","unit":"…"}.`)
	case err != nil:
		return fault("body", "is not what is expected: "+err.Error(), `Send {"description":"…","unit":"…"}.`)
	case about.Name != "":
		return fault("name", "is in the address alone", "Leave it out of the body.")
	case badText(about.Description, maxDescription):
		return fault("description", "is longer than 1024 bytes, or holds control characters", "Write plain text.")
	case badText(about.Unit, maxUnit):
		return fault("unit", "is longer than 64 bytes, or holds control characters", "Write a unit such as seconds or bytes.")
	}
	return about, nil
}

func badText(text string, most int) bool {
	control := func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 }
	return len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, control)
}

// deleteMetric deletes the series of a metric, or those that tags and a selector
// name of them.
func (s *Server) deleteMetric(w http.ResponseWriter, r *http.Request) {
	name, m, ok := s.metricName(w, r)
	if !ok {
		return
	}
	if strings.HasPrefix(name, protocol.ReservedPrefix) {
		s.problem(w, r, bad("name", "begins with "+protocol.ReservedPrefix+": the daemon's own signals cannot be deleted", "Name a metric that was sent."))
		return
	}
	ms, p := deleteMatchers(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	ms = append([]series.Matcher{m}, ms...)
	dry, p := boolParam(r, "dry_run")
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	n, err := s.opts.Editor.CountSeries(r.Context(), ms)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if n == 0 {
		s.noMetric(w, r)
		return
	}
	answer := api.Deletion{Name: name, Series: n, DryRun: dry}
	if !dry {
		answer.Series, answer.More, err = s.opts.Editor.DeleteSeries(r.Context(), ms)
	}
	if err != nil {
		s.failDelete(w, r, answer.Series, err)
		return
	}
	s.answer(w, r, http.StatusOK, answer)
}

// failDelete says what was deleted before it failed.
func (s *Server) failDelete(w http.ResponseWriter, r *http.Request, deleted int, err error) {
	kept := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, flush.ErrNoRoom) || errors.Is(err, storage.ErrUnavailable) || errors.Is(err, storage.ErrBusy)
	if !kept {
		s.fail(w, r, err)
		return
	}
	s.problem(w, r, api.Problem{
		Status: http.StatusServiceUnavailable, Title: "Not in time",
		Detail: fmt.Sprintf("%d series were deleted; what was sent before has to be stored first, and the store does not take it in time.", deleted), Fix: "Try again.",
	})
}

// deleteMatchers reads tag=key:value, several times, and match={…}.
func deleteMatchers(r *http.Request) (ms []series.Matcher, p *api.Problem) {
	q := r.URL.Query()
	for key := range q {
		if key != "tag" && key != "match" && key != "dry_run" {
			fault := bad(key, "is no parameter: a misspelt condition would delete too much", "Use tag, match and dry_run.")
			return nil, &fault
		}
	}
	for _, tag := range q["tag"] {
		key, value, ok := strings.Cut(tag, ":")
		if !ok || key == "" {
			fault := bad("tag", "is not key:value", "Write tag=env:prod.")
			return nil, &fault
		}
		ms = append(ms, series.Matcher{Tag: key, Op: series.Equal, Value: value})
	}
	for _, selector := range q["match"] {
		more, err := query.ParseSelector(selector)
		if err != nil {
			fault := bad("match", err.Error(), `Write match={env="prod",host=~"web.*"}.`)
			return nil, &fault
		}
		ms = append(ms, more...)
	}
	return ms, nil
}

func boolParam(r *http.Request, name string) (bool, *api.Problem) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		p := bad(name, "is neither true nor false", "Write "+name+"=true, or leave it out.")
		return false, &p
	}
	return v, nil
}
