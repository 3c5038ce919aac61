package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/daemon/cursor"
	"example.com/nexusctl/daemon/event"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage"
)

// Events lists events and service checks: event.Reader.
type Events interface {
	List(ctx context.Context, f event.Filter) (event.Page, error)
}

// listEvents lists events and service checks, newest first: filters kind, status,
// title (a glob), host, key, source, tag (k:v, repeated), a range of time, and
// pages by cursor.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) {
	f, p := s.eventFilter(r)
	if p != nil {
		s.problem(w, r, *p)
		return
	}
	found, err := s.opts.Events.List(r.Context(), f)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page := api.EventPage{Data: make([]api.Event, 0, len(found.Events))}
	for i := range found.Events {
		page.Data = append(page.Data, eventBody(&found.Events[i]))
	}
	if found.Next != nil {
		page.NextCursor = s.cursors.Seal(question(r), []byte(eventPlace(*found.Next)))
		linkNext(w, r, page.NextCursor)
	}
	s.answer(w, r, http.StatusOK, page)
}

func (s *Server) eventFilter(r *http.Request) (f event.Filter, p *api.Problem) {
	now := s.opts.Now()
	to, p := timeParam(r, "to", now.Add(time.Duration(s.opts.Limits.Future)*time.Millisecond+time.Second))
	if p != nil {
		return f, p
	}
	from, p := timeParam(r, "from", now.Add(-24*time.Hour))
	if p != nil {
		return f, p
	}
	if to.Before(from) {
		fault := bad("to", "is before from", "Swap them.")
		return f, &fault
	}
	q := r.URL.Query()
	f.EventQuery = storage.EventQuery{
		From: from.UnixMilli(), To: to.UnixMilli(), Host: q.Get("host"), Key: q.Get("key"), Source: q.Get("source"),
	}
	if f.Limit, p = intParam(r, "limit", defaultLimit, 1, maxLimit); p != nil {
		return f, p
	}
	for _, one := range []struct {
		name  string
		to    *string
		known []string
	}{
		{"kind", &f.Kind, []string{"event", "check"}},
		{"status", &f.Status, []string{"info", "success", "warning", "error", "ok", "critical", "unknown"}},
	} {
		if *one.to, p = wordParam(r, one.name, one.known); p != nil {
			return f, p
		}
	}
	if f.Before, p = s.eventCursor(r); p != nil {
		return f, p
	}
	return f, narrow(r, &f)
}

// narrow adds what is compared event by event.
func narrow(r *http.Request, f *event.Filter) *api.Problem {
	q := r.URL.Query()
	if title := q.Get("title"); title != "" {
		if len(title) > maxName {
			p := bad("title", "is longer than 1024 bytes", "Write it shorter.")
			return &p
		}
		re, err := regexp.Compile("(?s)^(?:" + globPattern(title) + ")$")
		if err != nil {
			p := bad("title", "is no pattern", "Write plain characters, * and ?.")
			return &p
		}
		f.Title = re.MatchString
	}
	for _, tag := range q["tag"] {
		key, value, ok := strings.Cut(tag, ":")
		if !ok || key == "" {
			p := bad("tag", "is not key:value", "Write tag=env:prod.")
			return &p
		}
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		f.Tags[key] = value
	}
	return nil
}

func wordParam(r *http.Request, name string, known []string) (string, *api.Problem) {
	v := r.URL.Query().Get(name)
	if v == "" {
		return "", nil
	}
	for _, k := range known {
		if v == k {
			return v, nil
		}
	}
	p := bad(name, "is none of "+strings.Join(known, ", "), "Name one of them.")
	return "", &p
}

func eventPlace(id storage.EventID) string {
	return fmt.Sprintf("%d.%d.%d.%d.%s", id.At, id.Seq, id.Lane, id.Number, id.Writer)
}

func (s *Server) eventCursor(r *http.Request) (*storage.EventID, *api.Problem) {
	payload, p := s.openCursor(r)
	if p != nil || payload == nil {
		return nil, p
	}
	parts := strings.SplitN(string(payload), ".", 5)
	var n [4]int64
	ok := len(parts) == 5 && len(parts[4]) <= 64
	for i := 0; ok && i < len(n); i++ {
		v, err := strconv.ParseInt(parts[i], 10, 63)
		n[i], ok = v, err == nil
	}
	if !ok {
		fault := badCursor(cursor.ErrForged)
		return nil, &fault
	}
	return &storage.EventID{At: n[0], Seq: uint64(n[1]), Lane: int(n[2]), Number: int(n[3]), Writer: parts[4]}, nil
}

func eventBody(e *storage.Event) api.Event {
	return api.Event{
		At: float64(e.At) / 1000, Kind: e.Kind, Status: e.Status, Priority: e.Priority, Title: e.Title, Text: e.Text,
		Host: e.Host, Key: e.Key, Source: e.Source, Container: e.Container, Tags: e.Tags,
	}
}
