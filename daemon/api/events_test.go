package api_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// titles reads the events of a page.
func (s *stack) titles(query string) (titles []string, next string) {
	s.t.Helper()
	r := s.do("GET", "/api/v1/events?"+query, "", "")
	r.expect(s.t, query, 200, plainJSON)
	page := decode[api.EventPage](s.t, r)
	for _, e := range page.Data {
		titles = append(titles, e.Title)
	}
	return titles, page.NextCursor
}

// TestEvents lists events from the moment they are logged, before and behind a
// flush, by every filter and page by page.
func TestEvents(t *testing.T) {
	s := start(t)
	now := time.Now().Unix()
	lines := fmt.Sprintf("_e{6,4}:deploy|v1|2|d:%d|h:web-1|k:rel|s:ci|t:success|#env:prod,blue|c:abc\n", now-30) +
		fmt.Sprintf("_e{3,0}:é!||d:%d|p:low\n_sc|db up|2|d:%d|h:web-2|m:slow\\nand late|#env:dev\n", now-20, now-10) +
		"_sc|db up|7\n_e{1,1}:ab|c\n"
	r := s.do("POST", "/api/v1/metrics", "text/plain", lines)
	r.expect(t, "the lines", 200, plainJSON)
	if got := decode[api.IngestResult](t, r); got.Accepted != 3 || len(got.Rejected) != 2 ||
		got.Rejected[0].Reason != "service_check" || got.Rejected[1].Reason != "event" {
		t.Errorf("%s", r.body)
	}
	check := func(state string) {
		for query, want := range map[string][]string{
			"":                          {"db up", "é!", "deploy"},
			"kind=check":                {"db up"},
			"kind=event&status=success": {"deploy"},
			"host=web-2":                {"db up"},
			"key=rel&source=ci":         {"deploy"},
			"title=d*":                  {"db up", "deploy"},
			"title=%3F!":                {"é!"},
			"tag=env:prod&tag=blue:":    {"deploy"},
			"tag=env:prod&tag=env2:":    nil,
			fmt.Sprintf("from=%d&to=%d", now-25, now-10): {"é!"},
		} {
			if got, next := s.titles(query); !slices.Equal(got, want) || next != "" {
				t.Errorf("%s, %s: %q and then %q, want %q", state, query, got, next, want)
			}
		}
		var all []string
		cursor := ""
		for range 3 {
			got, next := s.titles("limit=1&cursor=" + url.QueryEscape(cursor))
			all = append(all, got...)
			cursor = next
		}
		if strings.Join(all, " ") != "db up é! deploy" || cursor != "" {
			t.Errorf("%s: page by page %q, and then %q", state, all, cursor)
		}
	}
	check("waiting")
	s.stored()
	check("stored")
	r = s.get("/api/v1/events?kind=check")
	want := api.Event{At: float64(now - 10), Kind: "check", Status: "critical", Priority: "normal", Title: "db up", Text: "slow\nand late", Host: "web-2"}
	got := decode[api.EventPage](t, r).Data[0]
	if tags := got.Tags; len(tags) != 1 || tags["env"] != "dev" {
		t.Errorf("tags %v", tags)
	}
	if got.Tags = nil; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	l, err := s.http.Ledger(t.Context())
	if err != nil || l.Check() != nil || l.Stored != 3 || l.Rejected["event"] != 1 || l.Rejected["service_check"] != 1 {
		t.Errorf("%+v, %v", l, err)
	}
}

// TestEventFaults names the field of each parameter that cannot be read.
func TestEventFaults(t *testing.T) {
	s := start(t)
	for query, field := range map[string]string{
		"kind=thing": "kind", "status=bad": "status", "limit=0": "limit", "limit=1001": "limit", "from=yesterday": "from", "to=x": "to",
		"from=20&to=10": "to", "tag=novalue": "tag", "tag=:v": "tag", "cursor=7": "cursor", "cursor=a.b.c.d.e": "cursor",
		"cursor=1.2.3.4." + strings.Repeat("w", 65): "cursor", "title=" + strings.Repeat("t", 1025): "title",
	} {
		s.do("GET", "/api/v1/events?"+query, "", "").problem(t, query, 400, field)
	}
}
