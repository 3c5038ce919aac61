package storagetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/storage"
)

func event(at int64, writer string, seq uint64, number int) storage.Event {
	return storage.Event{
		EventID: storage.EventID{At: at, Writer: writer, Seq: seq, Number: number},
		Kind:    "event", Status: "info", Priority: "normal", Title: fmt.Sprint("t", number),
	}
}

// listed returns the titles of what a query finds, up to a number.
func listed(t *testing.T, s *storage.Store, q storage.EventQuery, limit int) (titles []string) {
	t.Helper()
	_, err := s.Events(t.Context(), q, func(e *storage.Event) bool {
		titles = append(titles, e.Title)
		return len(titles) < limit
	})
	if err != nil {
		t.Fatal(err)
	}
	return titles
}

func testEvents(t *testing.T, open Open) {
	s, _ := open(t)
	ctx := t.Context()
	full := storage.Event{
		EventID: storage.EventID{At: 2000, Writer: "w", Seq: 1, Lane: 1, Number: 3}, Kind: "check", Status: "critical", Priority: "low",
		Title: "db.up", Text: "line\nand é and '; DROP TABLE event; --", Host: "web-1", Key: "k", Source: "src", Container: "abc",
		Tags: map[string]string{"env": "prod", "": "x", "ä\"": "\\"},
	}
	f := storage.Flush{Writer: "w", To: 10, Seq: 1, Hour: hour, Counts: storage.Counts{Stored: 4}, Events: []storage.Event{
		event(1000, "w", 1, 0), event(3000, "w", 1, 1), event(1000, "w", 1, 2), full,
	}}
	for range 2 { // the second is in the store already
		must[bool](t)(s.Commit(ctx, f))
	}
	all := storage.EventQuery{From: 0, To: 1 << 60}
	if got := listed(t, s, all, 100); !slices.Equal(got, []string{"t1", "db.up", "t2", "t0"}) {
		t.Errorf("newest first came %q", got)
	}
	var found []storage.Event
	_, err := s.Events(ctx, storage.EventQuery{From: 2000, To: 2001, Kind: "check", Status: "critical", Host: "web-1", Key: "k", Source: "src"},
		func(e *storage.Event) bool { found = append(found, *e); return true })
	if err != nil || len(found) != 1 || found[0].EventID != full.EventID || found[0].Text != full.Text || !maps.Equal(found[0].Tags, full.Tags) ||
		found[0].Priority != "low" || found[0].Container != "abc" {
		t.Errorf("%+v, %v", found, err)
	}
	for what, q := range map[string]storage.EventQuery{
		"other kind": {To: 1 << 60, Kind: "checks"}, "other status": {To: 1 << 60, Status: "ok"}, "other host": {To: 1 << 60, Host: "web"},
		"before all": {To: 1000}, "behind all": {From: 3001, To: 1 << 60}, "own and new": {To: 1 << 60, Writer: "w", Behind: 0},
	} {
		if got := listed(t, s, q, 100); len(got) != 0 {
			t.Errorf("%s: found %q", what, got)
		}
	}
	if got := listed(t, s, storage.EventQuery{To: 1 << 60, Writer: "w", Behind: 1}, 100); len(got) != 4 {
		t.Errorf("up to a generation came %q", got)
	}
	testEventPages(t, s, all)
	testEventRefused(t, s)
	testEventsDropped(t, s, all)
}

// testEventPages goes through the list one by one.
func testEventPages(t *testing.T, s *storage.Store, q storage.EventQuery) {
	t.Helper()
	var titles []string
	for range 5 {
		_, err := s.Events(t.Context(), q, func(e *storage.Event) bool {
			titles = append(titles, e.Title)
			q.Before = &e.EventID
			return false
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(titles, " "); got != "t1 db.up t2 t0" {
		t.Errorf("page by page came %s", got)
	}
}

// testEventRefused: events that the store does not take leave nothing of their
// flush behind.
func testEventRefused(t *testing.T, s *storage.Store) {
	t.Helper()
	f := storage.Flush{Writer: "w", From: 10, To: 20, Seq: 2, Hour: hour, Events: []storage.Event{event(5000, "w", 2, 0), event(5000, "w", 2, 0)}}
	if _, err := s.Commit(t.Context(), f); !errors.Is(err, storage.ErrRefused) {
		t.Errorf("one event twice: %v", err)
	}
	if w := must[storage.Writer](t)(s.Writer(t.Context(), "w")); w.Position != 10 {
		t.Errorf("the writer is at %d", w.Position)
	}
}

func testEventsDropped(t *testing.T, s *storage.Store, all storage.EventQuery) {
	t.Helper()
	for _, want := range []int64{1, 1, 0} {
		if n := must[int64](t)(s.DropEvents(t.Context(), 2000, 1)); n != want {
			t.Errorf("dropped %d, want %d", n, want)
		}
	}
	if got := listed(t, s, all, 100); !slices.Equal(got, []string{"t1", "db.up"}) {
		t.Errorf("left are %q", got)
	}
}
