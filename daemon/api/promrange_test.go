package api_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"
)

// TestPromListsKeepToTheirRange: series and labels are those that had a value
// between start and end.
func TestPromListsKeepToTheirRange(t *testing.T) {
	s := start(t)
	now := time.Now().Unix()
	old := now - 50*60
	s.post(fmt.Sprintf("r.old:1|c|#was:there|T%d\nr.new:1|g|#is:here\n", old))
	type list struct{ Data []any }
	count := func(route string, from, to int64) int {
		t.Helper()
		q := url.Values{"match[]": {`{__name__=~"r_.*"}`}}
		if from != 0 {
			q.Set("start", fmt.Sprint(from))
		}
		if to != 0 {
			q.Set("end", fmt.Sprint(to))
		}
		r := s.get("/prometheus/api/v1/" + route + "?" + q.Encode())
		r.expect(t, route, 200, plainJSON)
		return len(decode[list](t, r).Data)
	}
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			route    string
			from, to int64
			want     int
		}{
			{"series", 0, 0, 2}, {"series", now - 60, now + 60, 1}, {"series", old - 60, old + 60, 1}, {"series", old - 60, 0, 2},
			{"series", old - 600, old - 300, 0}, {"series", old + 1200, now - 600, 0}, {"series", 0, old + 60, 1},
			{"labels", now - 60, now + 60, 2}, {"labels", 0, 0, 3}, {"label/was/values", now - 60, now + 60, 0}, {"label/was/values", old - 60, old + 60, 1},
			{"label/__name__/values", now - 60, now + 60, 1}, {"label/__name__/values", old - 60, old + 60, 1},
		} {
			if got := count(c.route, c.from, c.to); got != c.want {
				t.Errorf("%s, %s from %d to %d: %d, want %d", when, c.route, c.from-now, c.to-now, got, c.want)
			}
		}
	}
	check("live")
	s.stored()
	check("stored")
	for _, q := range []string{"start=x", "end=yesterday", "start=20&end=10"} {
		if r := s.get("/prometheus/api/v1/labels?" + q); r.status != 400 {
			t.Errorf("%s: %d %s", q, r.status, r.body)
		}
	}
}
