// Package event reads events and service checks: what the lanes and the collector
// still hold, and what is stored, as one list, newest first. An event is listed
// from the moment in which it was logged.
//
// Every event comes once: the window is read first and says which generation of
// this daemon is the last in the store; events of later ones are left out there.
package event

import (
	"context"
	"fmt"
	"slices"

	"example.com/nexusctl/daemon/aggregate"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/record"
	"example.com/nexusctl/storage"
)

// Row is an event of a writer's generation as the store has it.
func Row(writer string, generation uint64, e aggregate.Event) (storage.Event, error) {
	r, err := record.DecodeEvent(e.Body)
	if err != nil {
		return storage.Event{}, fmt.Errorf("event %d of lane %d in generation %d: %w", e.Number, e.Lane, generation, err)
	}
	s := storage.Event{
		EventID: storage.EventID{At: e.At, Writer: writer, Seq: generation, Lane: e.Lane, Number: e.Number},
		Kind:    r.Kind.String(), Status: r.Status.String(), Priority: "normal", Title: string(r.Title), Text: string(r.Text),
		Host: string(r.Host), Key: string(r.Key), Source: string(r.Source), Container: string(r.Container),
		Tags: make(map[string]string, len(r.Tags)),
	}
	if r.Low {
		s.Priority = "low"
	}
	for _, t := range r.Tags {
		s.Tags[string(t.Key)] = string(t.Value)
	}
	return s, nil
}

// Window is what is not in the store yet: lane.Set.
type Window interface {
	Events(ctx context.Context) (lane.EventWindow, error)
}

// Store is what is: storage.Store.
type Store interface {
	Events(ctx context.Context, q storage.EventQuery, take func(*storage.Event) bool) (stopped *storage.EventID, err error)
}

// Reader lists events.
type Reader struct {
	window Window
	store  Store
	writer string // this daemon's log
}

// NewReader returns a reader for the daemon whose log is named writer.
func NewReader(w Window, s Store, writer string) *Reader { return &Reader{w, s, writer} }

// Filter asks for events. Title, where it is set, says which titles are wanted,
// and every tag has to be there; both are compared event by event.
type Filter struct {
	storage.EventQuery
	Title func(title string) bool
	Tags  map[string]string
	Limit int
}

// Page is some events, newest first. Next, where it is set, is where the next
// page begins: it is behind the last event, or behind the last one that was
// looked at where few of many match, so a page may be short, and empty.
type Page struct {
	Events []storage.Event
	Next   *storage.EventID
}

// List returns one page.
func (r *Reader) List(ctx context.Context, f Filter) (Page, error) {
	win, err := r.window.Events(ctx)
	if err != nil {
		return Page{}, err
	}
	f.Writer, f.Behind = r.writer, win.Flushed
	recent, err := r.recent(win, &f)
	if err != nil {
		return Page{}, err
	}
	m := merge{filter: &f, recent: recent}
	stopped, err := r.store.Events(ctx, f.EventQuery, m.take)
	if err != nil {
		return Page{}, err
	}
	m.rest(stopped)
	return m.page(stopped), nil
}

// recent returns what matches of the window, newest first.
func (r *Reader) recent(win lane.EventWindow, f *Filter) ([]storage.Event, error) {
	var list []storage.Event
	for _, g := range win.Generations {
		for _, e := range g.Events {
			if e.At < f.From || e.At >= f.To {
				continue
			}
			row, err := Row(r.writer, g.Number, e)
			if err != nil {
				return nil, err
			}
			if f.Matches(&row) && f.matches(&row) {
				list = append(list, row)
			}
		}
	}
	slices.SortFunc(list, func(a, b storage.Event) int { return b.Compare(a.EventID) })
	return list, nil
}

func (f *Filter) matches(e *storage.Event) bool {
	if f.Title != nil && !f.Title(e.Title) {
		return false
	}
	for k, v := range f.Tags {
		if have, ok := e.Tags[k]; !ok || have != v {
			return false
		}
	}
	return true
}

// merge puts stored events, which come newest first, among the recent ones.
type merge struct {
	filter *Filter
	recent []storage.Event
	list   []storage.Event
	more   bool // something follows the list
}

// take adds a stored event; false where the page is full.
func (m *merge) take(e *storage.Event) bool {
	m.rest(&e.EventID)
	if m.more {
		return false
	}
	if m.filter.matches(e) {
		m.add(e)
	}
	return !m.more
}

// rest adds the recent events that come before another one, or all that are left.
func (m *merge) rest(before *storage.EventID) {
	for len(m.recent) > 0 && !m.more && (before == nil || m.recent[0].Compare(*before) > 0) {
		m.add(&m.recent[0])
		m.recent = m.recent[1:]
	}
}

func (m *merge) add(e *storage.Event) {
	if len(m.list) == m.filter.Limit {
		m.more = true
		return
	}
	m.list = append(m.list, *e)
}

func (m *merge) page(stopped *storage.EventID) Page {
	p := Page{Events: m.list, Next: stopped}
	if m.more {
		p.Next = &m.list[len(m.list)-1].EventID
	}
	return p
}
