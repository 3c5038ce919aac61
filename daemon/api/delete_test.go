package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// eachDatabase runs a test on either.
func eachDatabase(t *testing.T, test func(t *testing.T, store string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:nexus.db") })
	t.Run("postgres", func(t *testing.T) { test(t, pgtest.DSN(t)) })
}

// last returns the last value of each series of a metric, by the tag i.
func (s *stack) last(name string) map[string]float64 {
	s.t.Helper()
	r := s.get("/api/v1/metrics/" + name)
	if r.status == 404 {
		return nil
	}
	found := map[string]float64{}
	for _, one := range decode[api.MetricDetail](s.t, r).Series {
		found[one.Tags["i"]] = -1
		if one.Last != nil {
			found[one.Tags["i"]] = *one.Last
		}
	}
	return found
}

func (s *stack) delete(target string) api.Deletion {
	s.t.Helper()
	r := s.do("DELETE", "/api/v1/metrics/"+target, "", "")
	r.expect(s.t, "DELETE "+target, 200, plainJSON)
	return decode[api.Deletion](s.t, r)
}

func (s *stack) expectLast(what, name string, want map[string]float64) {
	s.t.Helper()
	if got := s.last(name); fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: %s is %v, want %v", what, name, got, want)
	}
}

// awaitLast is expectLast of what another daemon did: it is seen at the next look.
func (s *stack) awaitLast(what, name string, want map[string]float64) {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && fmt.Sprint(s.last(name)) != fmt.Sprint(want); {
		time.Sleep(50 * time.Millisecond)
	}
	s.expectLast(what, name, want)
}

// names are the metric names that PromQL knows.
func (s *stack) names() string {
	s.t.Helper()
	return s.get("/prometheus/api/v1/label/__name__/values").body
}

// TestDelete: what is deleted is gone, from the store and from what waits to be
// stored, and a series that comes again is new; what was not meant stays, and so
// does the ledger, over a restart too.
func TestDelete(t *testing.T) {
	eachDatabase(t, func(t *testing.T, store string) {
		dir := t.TempDir()
		s, stop := startOn(t, dir, store)
		s.post("c:1|c|#i:a\nc:2|c|#i:b\ng:100|g\ng:+1|g\nstays:7|g\n")
		s.stored()
		s.post("c:10|c|#i:a\nc:20|c|#i:b\nfresh:5|g|#i:x\n") // in the open bucket
		before := s.lawful()
		if d := s.delete("c?dry_run=true"); d.Series != 2 || !d.DryRun {
			t.Errorf("a dry run says %+v", d)
		}
		s.expectLast("after a dry run", "c", map[string]float64{"a": 11, "b": 22})

		if d := s.delete("c?tag=i:a"); d.Series != 1 || d.More {
			t.Errorf("deleted %+v", d)
		}
		s.expectLast("after a tag", "c", map[string]float64{"b": 22})
		if d := s.delete("fresh?match=" + url.QueryEscape(`{i=~"x|y"}`)); d.Series != 1 {
			t.Errorf("deleted %+v", d)
		}
		s.expectLast("of what was never stored before", "fresh", nil)
		s.delete("g")
		for _, path := range []string{"g", "g/history"} {
			if r := s.get("/api/v1/metrics/" + path); r.status != 404 {
				t.Errorf("%s: %d %s", path, r.status, r.body)
			}
		}
		if names := s.names(); strings.Contains(names, `"g"`) || strings.Contains(names, "fresh") || !strings.Contains(names, "stays") {
			t.Errorf("the names are %s", names)
		}
		if l := s.lawful(); l.Received != before.Received || l.Received != l.Stored+l.Pending {
			t.Errorf("the ledger says %+v, and said %+v", l, before)
		}

		s.post("c:3|c|#i:a\ng:+5|g\n")
		s.expectLast("at once", "c", map[string]float64{"a": 3, "b": 22})
		s.expectLast("a delta of a deleted gauge", "g", map[string]float64{"": 5})
		if names := s.names(); !strings.Contains(names, `"g"`) {
			t.Errorf("the names are %s", names)
		}
		s.stored()
		s.expectLast("when it is stored", "c", map[string]float64{"a": 3, "b": 22})
		if r := s.get("/prometheus/api/v1/query?query=" + url.QueryEscape(`c_total{i="a"}`)); !strings.Contains(r.body, `"3"`) {
			t.Errorf("PromQL says %s", r.body)
		}
		stop()

		s, stop = startOn(t, dir, store)
		defer stop()
		s.post("g:+1|g\n")
		s.expectLast("after a restart", "g", map[string]float64{"": 6})
		s.expectLast("after a restart", "c", map[string]float64{"a": 3, "b": 22})
		s.expectLast("after a restart", "fresh", nil)
		s.lawful()
	})
}

// TestDeleteFreesBudgets: what is deleted makes room at once, for new names and for
// those that went to overflow series until then, and only as much as it took.
func TestDeleteFreesBudgets(t *testing.T) {
	eachDatabase(t, func(t *testing.T, store string) {
		s, stop := startOn(t, t.TempDir(), store, "ingest.max_series=3")
		defer stop()
		const late = "late:1|c|#i:x\nlate:1|c|#i:y\n"
		s.post("old:1|c|#i:a\nold:1|c|#i:b\nkept:1|c|#i:k\n" + late)
		s.expectLast("beyond the budget", "late", nil)
		s.expectLast("beyond the budget", "nexus.overflow", map[string]float64{"": 2})
		s.stored()
		if c := s.cardinality(); c.Series != 3 || c.Overflowed != 2 || len(c.Offenders) != 1 {
			t.Errorf("beyond the budget: %+v", c)
		}

		s.delete("old?tag=i:a")
		s.post("new:1|c|#i:n\n" + late)
		s.expectLast("in the place of one", "new", map[string]float64{"n": 1})
		s.expectLast("with no place left", "late", nil)
		s.delete("old")
		if c := s.cardinality(); c.Series != 2 || c.Deleted != 2 || len(c.Offenders) != 0 {
			t.Errorf("with a place free: %+v", c)
		}
		s.post(late)
		s.expectLast("the first that comes again", "late", map[string]float64{"x": 1, "": 1})
		s.post("old:1|c|#i:a\n")
		s.expectLast("deleted, with no place left", "old", map[string]float64{"": 1})
		if c := s.cardinality(); c.Series != 3 || c.Budgets.Series != 3 || len(c.Offenders) != 2 {
			t.Errorf("at the end: %+v", c)
		}
		s.stored()
		s.lawful()
	})
}

func (s *stack) cardinality() api.Cardinality {
	s.t.Helper()
	r := s.get("/api/v1/cardinality")
	r.expect(s.t, "cardinality", 200, plainJSON)
	return decode[api.Cardinality](s.t, r)
}

// TestDeleteBesideSenders: while lines come in, series are deleted again and
// again; no value is counted twice or lost to the ledger, what is sent behind the
// last deletion is all that is left, and other series never lack anything.
func TestDeleteBesideSenders(t *testing.T) {
	s := start(t)
	var senders sync.WaitGroup
	const senderCount, posts = 3, 40
	for range senderCount {
		senders.Go(func() {
			for range posts {
				s.post("churn:1|c|#i:a\nchurn:1|c|#i:b\nkept:1|c|#i:k\n")
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	s.post("churn:1|c|#i:a\n")
	for range 5 {
		if r := s.do("DELETE", "/api/v1/metrics/churn", "", ""); r.status != 200 && r.status != 404 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	senders.Wait()
	s.delete("churn")
	s.post("churn:4|c|#i:a\n")
	s.expectLast("behind the last deletion", "churn", map[string]float64{"a": 4})
	s.expectLast("at the end", "kept", map[string]float64{"k": senderCount * posts})
	s.stored()
	s.expectLast("when all is stored", "churn", map[string]float64{"a": 4})
	s.expectLast("when all is stored", "kept", map[string]float64{"k": senderCount * posts})
	if l := s.lawful(); l.Received != 2+3*senderCount*posts || l.Stored != l.Received {
		t.Errorf("the ledger says %+v", l)
	}
}

// TestDeleteByAnotherDaemon: a daemon learns with its next flush what another one
// on its store has deleted, and names the series anew.
func TestDeleteByAnotherDaemon(t *testing.T) {
	dsn := pgtest.DSN(t)
	one, stop := startOn(t, t.TempDir(), dsn)
	defer stop()
	two, stopTwo := startOn(t, t.TempDir(), dsn)
	defer stopTwo()
	before := two.cardinality()
	two.post("shared:5|c|#i:a\n")
	two.stored()
	one.awaitLast("what the other stored", "shared", map[string]float64{"a": 5})
	one.delete("shared")
	two.awaitLast("deleted by the other", "shared", nil)
	for range 2 { // the second of these generations was opened after the deletion
		two.post("other:1|c\n")
		two.stored()
	}
	if c := two.cardinality(); c.Series != before.Series+1 || c.Deleted != before.Deleted+1 {
		t.Errorf("the budgets count %d series and %d deleted ones, before %d and %d", c.Series, c.Deleted, before.Series, before.Deleted)
	}
	two.post("shared:2|c|#i:a\n")
	two.stored()
	for _, s := range []*stack{one, two} {
		s.awaitLast("when it came again", "shared", map[string]float64{"a": 2})
	}
}

// TestDeleteFaults: what is not understood deletes nothing.
func TestDeleteFaults(t *testing.T) {
	s := start(t)
	s.post("a.b:1|c|#i:a\n")
	for target, field := range map[string]string{
		"a.b?tag=i": "tag", "a.b?match=x(": "match", "a.b?tags=i:a": "tags", "a.b?dry_run=maybe": "dry_run",
		"nexus.up": "name", strings.Repeat("n", 1025): "name",
	} {
		s.do("DELETE", "/api/v1/metrics/"+target, "", "").problem(t, target, 400, field)
	}
	for _, target := range []string{"nosuch", "a.b?tag=i:b"} {
		s.do("DELETE", "/api/v1/metrics/"+target, "", "").problem(t, target, 404, "name")
	}
	s.expectLast("after all of it", "a.b", map[string]float64{"a": 1})
}

// TestDescribe: a description and a unit are kept, shown, and go with the metric.
func TestDescribe(t *testing.T) {
	eachDatabase(t, func(t *testing.T, store string) {
		s, stop := startOn(t, t.TempDir(), store)
		defer stop()
		s.post("req.time:1|c\n")
		put := func(target, body string) reply {
			return s.do("PUT", "/api/v1/metrics/"+target, "application/json", body)
		}
		put("req.time", `{"description":"how long","unit":"seconds"}`).expect(t, "PUT", 200, plainJSON)
		for _, when := range []string{"before it is stored", "after"} {
			d := decode[api.MetricDetail](t, s.get("/api/v1/metrics/req.time"))
			if d.Description != "how long" || d.Unit != "seconds" {
				t.Errorf("%s: %+v", when, d)
			}
			if r := s.get("/prometheus/api/v1/metadata?metric=req_time_total"); !strings.Contains(r.body, `{"type":"counter","help":"how long","unit":"seconds"}`) {
				t.Errorf("%s: %s", when, r.body)
			}
			s.stored()
		}
		put("nosuch", `{"description":"x"}`).problem(t, "no such metric", 404, "name")
		for body, field := range map[string]string{
			``: "body", `{`: "body", `{"descripton":"x"}`: "body", `{} {}`: "body", `{"name":"b"}`: "name", `{"unit":"\u0000"}`: "unit",
			`{"description":"` + strings.Repeat("x", 1025) + `"}`: "description",
		} {
			put("req.time", body).problem(t, body, 400, field)
		}
		put("req.time", `{"description":"`+strings.Repeat("x", 20_000)+`"}`).problem(t, "a large body", 413, "body")
		s.do("PUT", "/api/v1/metrics/req.time", "text/plain", "x").problem(t, "text", 415, "Content-Type")
		s.delete("req.time")
		s.post("req.time:1|c\n")
		if d := decode[api.MetricDetail](t, s.get("/api/v1/metrics/req.time")); d.Description != "" {
			t.Errorf("a new metric has the old description: %+v", d)
		}
	})
}
