package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	daemonapi "example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/objective"
	"example.com/nexusctl/daemon/query"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
	"example.com/nexusctl/storage"
)

const formType = "application/x-www-form-urlencoded"

// TestRoutes asks every route once well, and in every way that is wrong.
func TestRoutes(t *testing.T) {
	s := start(t)
	s.post("shop.orders:3|c|#env:prod\nshop.stock:7|g\nshop.latency:1:2:3|ms\n")
	for _, c := range []struct {
		method, target, contentType, body string
		status                            int
		has                               string // of the body
	}{
		{"GET", "/health", "", "", 200, `"status":"ok"`},
		{"GET", "/ready", "", "", 200, `"status":"ready"`},
		{"GET", "/api/v1/health", "", "", 200, `"version":"test"`},
		{"GET", "/api/v1/ready", "", "", 200, `"status":"ready"`},
		{"GET", "/api/v1/ledger", "", "", 200, `"received":5`},
		{"GET", "/api/v1/overview", "", "", 200, `"golden":{`},
		{"GET", "/api/v1/slos", "", "", 200, `{"data":[`},
		{"GET", "/api/v1/slos/nexus-latency", "", "", 200, `"name":"nexus-latency"`},
		{"GET", "/api/v1/slos/nexus-latency/report", "", "", 200, `"period":{`},
		{"POST", "/api/v1/metrics", plainJSON, `{"name":"a.b","value":1}`, 202, `{"accepted":1,"rejected":[]}`},
		{"POST", "/api/metrics", plainJSON, `{"name":"a.b","value":1}`, 202, `{"accepted":1,"rejected":[]}`},
		{"POST", "/metrics", formType, "name=a.b&value=1", 202, `{"accepted":1,"rejected":[]}`},
		{"GET", "/api/v1/metrics?name=shop.*", "", "", 200, `"name":"shop.orders"`},
		{"GET", "/api/metrics?type=timer", "", "", 200, `"name":"shop.latency"`},
		{"GET", "/api/v1/metrics/shop.stock", "", "", 200, `"last":7`},
		{"GET", "/api/v1/metrics/shop.orders/history", "", "", 200, `"points":[[`},
		{"GET", "/prometheus/api/v1/query?query=shop_stock", "", "", 200, `"resultType":"vector"`},
		{"POST", "/prometheus/api/v1/query", formType, "query=shop_stock", 200, `"value":[`},
		{"GET", "/prometheus/api/v1/query_range?query=shop_stock", "", "", 200, `"resultType":"matrix"`},
		{"POST", "/prometheus/api/v1/query_range", formType, "query=shop_stock&step=1s", 200, `"values":[[`},
	} {
		what := c.method + " " + c.target
		r := s.do(c.method, c.target, c.contentType, c.body)
		r.expect(t, what, c.status, plainJSON)
		if !strings.Contains(r.body, c.has) {
			t.Errorf("%s: %s, want %s in it", what, r.body, c.has)
		}
		if c.method == "GET" {
			if h := s.do("HEAD", c.target, "", ""); h.status != c.status || h.body != "" {
				t.Errorf("HEAD %s: %d %q", c.target, h.status, h.body)
			}
		}
		other := s.do("PATCH", c.target, "", "")
		other.problem(t, "PATCH "+c.target, http.StatusMethodNotAllowed, "method")
		if !strings.Contains(strings.Join(other.header.Values("Allow"), " "), c.method) {
			t.Errorf("PATCH %s: Allow is %v, want %s in it", c.target, other.header.Values("Allow"), c.method)
		}
	}
	if r := s.get("/"); r.status != 200 || !strings.Contains(r.body, `"console":"/console/"`) {
		t.Errorf("the index: %d %s", r.status, r.body)
	}
	for _, target := range []string{"/console/", "/console/slos", "/console/slos/nexus-latency", "/console/explore?expr=shop_orders_total", "/console/ledger", "/console/cardinality"} {
		r := s.get(target)
		r.expect(t, target, 200, "text/html; charset=utf-8")
		if !strings.Contains(r.body, "</html>") || strings.Contains(r.body, `class="panel trouble" role="alert"`) {
			t.Errorf("%s: the page is not whole, or lacks its figures: %s", target, r.body)
		}
	}
	if r := s.get("/metrics"); r.status != 200 || !strings.Contains(r.body, "nexus_uptime_seconds") || !strings.HasPrefix(r.header.Get("Content-Type"), "text/plain") {
		t.Errorf("the exposition: %d %s", r.status, r.header)
	}
	for _, target := range []string{"/nothing", "/api", "/api/v1", "/api/v1/metric", "/api/v1/metrics/a/b", "/api/v1/metrics/a/history/b", "/prometheus/nothing", "/api/v2/metrics", "/metrics/", "/%00", "/..%2f..%2fetc%2fpasswd"} {
		r := s.get(target)
		r.problem(t, "GET "+target, http.StatusNotFound, "")
		r.secrets(t, target, s.dir)
	}
}

// TestBadParameters holds that each problem names its field, and gives nothing
// away.
func TestBadParameters(t *testing.T) {
	s := start(t)
	s.post("a.b:1|c\n")
	history := "/api/v1/metrics/a.b/history?"
	for _, c := range []struct {
		target string
		status int
		field  string
	}{
		{"/api/v1/metrics?limit=0", 400, "limit"},
		{"/api/v1/metrics?limit=1001", 400, "limit"},
		{"/api/v1/metrics?limit=ten", 400, "limit"},
		{"/api/v1/metrics?limit=-1", 400, "limit"},
		{"/api/v1/metrics?limit=99999999999999999999", 400, "limit"},
		{"/api/v1/metrics?cursor=-1", 400, "cursor"},
		{"/api/v1/metrics?cursor=%27%20OR%201=1", 400, "cursor"},
		{"/api/v1/metrics?type=meter", 400, "type"},
		{"/api/v1/metrics?tag=env", 400, "tag"},
		{"/api/v1/metrics?tag=:prod", 400, "tag"},
		{"/api/v1/metrics?tag=env:prod&tag=broken", 400, "tag"},
		{"/api/v1/metrics?name=" + strings.Repeat("*", 2000), 400, "name"},
		{"/api/v1/metrics/nothing", 404, "name"},
		{"/api/v1/metrics/" + strings.Repeat("x", 1025), 400, "name"},
		{"/api/v1/metrics/nothing/history", 404, "name"},
		{history + "from=yesterday", 400, "from"},
		{history + "to=tomorrow", 400, "to"},
		{history + "to=NaN", 400, "to"},
		{history + "from=1e300", 400, "from"},
		{history + "from=1764000010&to=1764000000", 400, "to"},
		{history + "step=0", 400, "step"},
		{history + "step=-10s", 400, "step"},
		{history + "step=often", 400, "step"},
		{history + "step=0.0001", 400, "step"},
		{history + "step=400d", 400, "step"},
		{history + "step=1e300", 400, "step"},
		{history + "step=1ms", 400, "step"}, // more than 11,000 of them
		{history + "from=1764000000&to=1764011000&step=1s", 400, "step"},
		{"/api/v1/slos/nothing", 404, "name"},
		{"/api/v1/slos/nothing/report", 404, "name"},
		{"/api/v1/slos/nexus-latency/report?month=October", 400, "month"},
		{"/api/v1/slos/nexus-latency/report?month=2026-13", 400, "month"},
		{"/api/v1/slos/nexus-latency/report?month=9999-01", 400, "month"},
	} {
		r := s.get(c.target)
		r.problem(t, c.target, c.status, c.field)
		r.secrets(t, c.target, s.dir)
	}
	if log := s.log.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "panic") {
		t.Errorf("bad parameters are faults of the daemon: %s", log)
	}
}

// TestVerdicts holds statuses and bodies of what is sent.
func TestVerdicts(t *testing.T) {
	s := start(t)
	nd := "application/x-ndjson"
	for _, c := range []struct {
		name, contentType, body string
		status, accepted        int
		rejected                string
	}{
		{"one object", plainJSON, `{"name":"a","value":1}`, 202, 1, ""},
		{"no type", "", `{"name":"a","value":1}`, 202, 1, ""},
		{"curl's type", formType, `{"name":"a","value":1}`, 202, 1, ""},
		{"a type with parameters", "application/json; charset=utf-8", `{"name":"a","value":1}`, 202, 1, ""},
		{"several values", plainJSON, `{"name":"a","values":[1,2,3],"type":"counter"}`, 202, 3, ""},
		{"an array", plainJSON, `[{"name":"a","value":1},{"name":"b","value":2}]`, 202, 2, ""},
		{"an empty array", plainJSON, `[]`, 202, 0, ""},
		{"nothing", plainJSON, ``, 202, 0, ""},
		{"lines of objects", nd, "{\"name\":\"a\",\"value\":1}\n\n{\"name\":\"b\",\"value\":2}\n", 202, 2, ""},
		{"some", plainJSON, `[{"name":"a","value":1},{"name":"b"},{"name":"c","value":3},{"value":4}]`, 200, 2, "1 empty_value, 3 empty_name"},
		{"none", plainJSON, `[{"name":"a"},{"value":1}]`, 422, 0, "0 empty_value, 1 empty_name"},
		{"no object", plainJSON, `42`, 422, 0, "0 json_type"},
		{"a broken array", plainJSON, `[{"name":"a","value":1},{"name":`, 200, 1, "1 json_syntax"},
		{"text under JSON's type", plainJSON, "a:1|c\n", 422, 0, "0 json_syntax"},
		{"text", "text/plain", "a:1|c\nb:2|g\n", 202, 2, ""},
		{"text without a last end", "text/plain; charset=utf-8", "a:1|c\r\nb:2|g", 202, 2, ""},
		{"text of several values", "text/plain", "a:1:2:3|c\n", 202, 3, ""},
		{"text, some", "text/plain", "a:1|c\n\nb|c\nc:x|g\nd:4|g\n", 200, 2, "2 syntax, 3 number"},
		{"text, none", "text/plain", "b|c\n", 422, 0, "0 syntax"},
		{"blank text", "text/plain", "\n \r\n\n", 202, 0, ""},
		{"JSON under text's type", "text/plain", `{"name":"a","value":1}`, 422, 0, "0 name_charset"},
		{"a name of ours", plainJSON, `{"name":"nexus.up","value":1}`, 422, 0, "0 reserved_name"},
	} {
		r := s.do("POST", "/api/v1/metrics", c.contentType, c.body)
		r.expect(t, c.name, c.status, plainJSON)
		got := decode[api.IngestResult](t, r)
		var list []string
		for _, one := range got.Rejected {
			list = append(list, fmt.Sprint(one.Index, " ", one.Reason))
			if one.Detail == "" {
				t.Errorf("%s: a rejection without words: %s", c.name, r.body)
			}
		}
		if rejected := strings.Join(list, ", "); got.Accepted != c.accepted || rejected != c.rejected {
			t.Errorf("%s: accepted %d, rejected %s, want %d, %s", c.name, got.Accepted, rejected, c.accepted, c.rejected)
		}
		if !strings.Contains(r.body, `"rejected":[`) {
			t.Errorf("%s: rejected is no list: %s", c.name, r.body)
		}
	}
	s.lawful()
}

// lawful holds the accounting law.
func (s *stack) lawful() api.Ledger {
	s.t.Helper()
	l, err := s.http.Ledger(context.Background())
	if err == nil {
		err = l.Check()
	}
	if err != nil {
		s.t.Error(err)
	}
	return l
}

// TestRejectionsAreBounded: a thousand are listed, all are counted.
func TestRejectionsAreBounded(t *testing.T) {
	s := start(t)
	r := s.do("POST", "/api/v1/metrics", "text/plain", strings.Repeat("bad\n", 2500)+"a:1|c\n")
	r.expect(t, "2,500 bad lines", 200, plainJSON)
	if got := decode[api.IngestResult](t, r); len(got.Rejected) != 1000 || got.Rejected[999].Index != 999 || got.Accepted != 1 {
		t.Errorf("%d listed, %d accepted", len(got.Rejected), got.Accepted)
	}
	if l := s.lawful(); l.Rejected["syntax"] != 2500 || l.Received != 2501 {
		t.Errorf("the ledger says %+v", l)
	}
}

// TestBodies holds what bodies may be: their size, type and encoding.
func TestBodies(t *testing.T) {
	s := start(t)
	line := "a:1|c\n"
	fits := strings.Repeat(line, maxBody/len(line))
	if r := s.do("POST", "/api/v1/metrics", "text/plain", fits); r.status != 202 {
		t.Errorf("a body of %d bytes: %d %s", len(fits), r.status, r.body)
	}
	before := s.lawful()
	s.do("POST", "/api/v1/metrics", "text/plain", fits+line).problem(t, "a body too large", http.StatusRequestEntityTooLarge, "body")
	for _, typ := range []string{"application/xml", "multipart/form-data; boundary=x", "image/png", "text/html"} {
		s.do("POST", "/api/v1/metrics", typ, line).problem(t, typ, http.StatusUnsupportedMediaType, "Content-Type")
	}
	s.do("POST", "/api/v1/metrics", "text/plain; =", line).problem(t, "a malformed type", 400, "Content-Type")
	for _, encoding := range []string{"gzip", "zstd", "identity, gzip"} {
		req, err := http.NewRequest("POST", s.url+"/api/v1/metrics", strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Encoding", encoding)
		send(t, req).problem(t, encoding, http.StatusUnsupportedMediaType, "Content-Encoding")
	}
	if after := s.lawful(); after.Received != before.Received {
		t.Errorf("refused requests were received: %d units became %d", before.Received, after.Received)
	}
}

func TestForm(t *testing.T) {
	s := start(t)
	now := strconv.FormatInt(time.Now().Unix()-30, 10)
	for _, c := range []struct {
		name   string
		fields []string
		status int
		reason string
	}{
		{"name and value", []string{"name", "f.gauge", "value", "4.5"}, 202, ""},
		{"everything", []string{"name", "f.counter", "value", "2", "type", "counter", "tags", "env:prod,region:eu", "rate", "0.5", "timestamp", now}, 202, ""},
		{"a short type", []string{"name", "f.timer", "value", "12", "type", "ms"}, 202, ""},
		{"a set", []string{"name", "f.set", "value", "a member: with anything", "type", "set"}, 202, ""},
		{"no name", []string{"value", "1"}, 422, "empty_name"},
		{"no value", []string{"name", "a"}, 422, "empty_value"},
		{"no number", []string{"name", "a", "value", "many"}, 422, "number"},
		{"a bad rate", []string{"name", "a", "value", "1", "type", "c", "rate", "2"}, 422, "sample_rate"},
		{"a time long ago", []string{"name", "a", "value", "1", "type", "c", "timestamp", "1000000000"}, 422, "too_old"},
		{"nothing", nil, 422, "empty_name"},
	} {
		r := s.do("POST", "/metrics", formType, form(c.fields...))
		r.expect(t, c.name, c.status, plainJSON)
		got := decode[api.IngestResult](t, r)
		if (c.reason == "") != (len(got.Rejected) == 0) || c.reason != "" && (got.Rejected[0].Reason != c.reason || got.Rejected[0].Index != 0) {
			t.Errorf("%s: %s, want %q", c.name, r.body, c.reason)
		}
	}
	for _, c := range []struct{ field, value string }{
		{"name", "a:1|c"}, {"name", "a#b"}, {"name", "a,b=c"}, {"name", "a[b=c]"}, {"name", "a\nb:1|c"},
		{"value", "1|c|@0.1"}, {"value", "1\nb:1"}, {"type", "meter"}, {"type", "c|@0.1"}, {"tags", "a:b|@0.5"}, {"rate", "1|#a:b"}, {"timestamp", "1\r"},
	} {
		fields := map[string]string{"name": "a", "value": "1"}
		fields[c.field] = c.value
		var pairs []string
		for k, v := range fields {
			pairs = append(pairs, k, v)
		}
		s.do("POST", "/metrics", formType, form(pairs...)).problem(t, c.field+"="+c.value, 400, c.field)
	}
	s.do("POST", "/metrics", formType, "name=a&value="+strings.Repeat("1", maxLine)).problem(t, "a form too large", 400, "body")
	s.do("POST", "/metrics", formType, "name=%zz").problem(t, "a form that is none", 400, "body")

	d := decode[api.MetricDetail](t, s.get("/api/v1/metrics/f.counter"))
	if len(d.Series) != 1 || *d.Series[0].Last != 4 || d.Series[0].Tags["region"] != "eu" {
		t.Errorf("the counter of the form: %+v", d)
	}
	if d := decode[api.MetricDetail](t, s.get("/api/v1/metrics/f.gauge")); d.Types[0] != "gauge" || *d.Series[0].Last != 4.5 {
		t.Errorf("the gauge of the form: %+v", d)
	}
	s.lawful()
}

// TestPages walks a thousand series: each comes once, whatever the page.
func TestPages(t *testing.T) {
	s := start(t)
	var lines strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lines, "page.metric:%d|g|#i:%d\n", i, i)
	}
	s.post(lines.String())
	s.stored()
	for _, limit := range []int{64, 100, 500, 999, 1000} {
		seen := map[string]float64{}
		target := fmt.Sprintf("/api/v1/metrics?name=page.*&type=gauge&limit=%d", limit)
		for pages := 1; ; pages++ {
			r := s.get(target)
			page := decode[api.MetricPage](t, r)
			if r.status != 200 || len(page.Data) > limit || pages > 20 {
				t.Fatalf("page %d of %d: %d, %d series", pages, limit, r.status, len(page.Data))
			}
			for _, m := range page.Data {
				if _, twice := seen[m.Tags["i"]]; twice {
					t.Fatalf("pages of %d: series %s comes twice", limit, m.Tags["i"])
				}
				seen[m.Tags["i"]] = *m.Last
			}
			link := r.header.Get("Link")
			if page.NextCursor == "" {
				if link != "" {
					t.Errorf("the last page links to %s", link)
				}
				break
			}
			next, ok := strings.CutSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
			if !ok || !strings.Contains(next, "cursor="+page.NextCursor) {
				t.Fatalf("the next page is %s, at %s", page.NextCursor, link)
			}
			target = next
		}
		if len(seen) != 1000 || seen["17"] != 17 || seen["999"] != 999 {
			t.Errorf("pages of %d: %d series", limit, len(seen))
		}
	}
}

// TestFilters asks for series by name, type and tags, before and after they are
// stored.
func TestFilters(t *testing.T) {
	s := start(t)
	s.post("web.hits:1|c|#env:prod,host:a\nweb.hits:1|c|#env:dev,host:b\nweb.time:5|ms|#env:prod\nweb.hits:1|g\ndb.hits:1|c|#env:prod\n")
	check := func(when string) {
		t.Helper()
		for query, want := range map[string]int{
			"name=web.hits": 3, "name=web.*": 4, "name=*.hits": 4, "name=web.hit?": 3, "name=web.hi?": 0, "name=w*b.*i*e": 1, "name=web": 0, "name=.*": 0,
			"name=web.hits&type=counter": 2, "name=web.hits&type=c": 2, "name=*.*&type=timer&tag=env:prod": 1, "name=web.*&tag=env:prod": 2,
			"name=web.*&tag=env:prod&tag=host:a": 1, "name=web.*&tag=env:prod&tag=host:b": 0, "name=web.*&tag=host:": 2, "name=web.hits&limit=1000": 3,
		} {
			if got := len(decode[api.MetricPage](t, s.get("/api/v1/metrics?"+query)).Data); got != want {
				t.Errorf("%s, %s: %d series, want %d", when, query, got, want)
			}
		}
	}
	check("live")
	s.stored()
	check("stored")
}

// TestHistory reads values in steps, from the tables and from the store.
func TestHistory(t *testing.T) {
	s := start(t)
	// Ten seconds of a minute that is over.
	begin := time.Now().Add(-10*time.Minute).Unix() / 60 * 60
	var lines strings.Builder
	for i := range int64(10) {
		fmt.Fprintf(&lines, "h.count:%d|c|T%d\nh.time:%d:%d|ms|T%d\n", i+1, begin+i, i, i+2, begin+i)
	}
	s.post(lines.String())
	points := func(query string) string {
		t.Helper()
		r := s.get("/api/v1/metrics/" + query)
		r.expect(t, query, 200, plainJSON)
		h := decode[api.History](t, r)
		out := fmt.Sprint(h.Name, " ", h.Step)
		for _, one := range h.Series {
			for _, p := range one.Points {
				out += fmt.Sprintf(" %s=%g", strconv.FormatFloat(p[0]-float64(begin), 'f', -1, 64), p[1])
			}
		}
		return out
	}
	check := func(when string) {
		t.Helper()
		at := func(n int64) string { return strconv.FormatInt(begin+n, 10) }
		utc := func(n int64) string { return time.Unix(begin+n, 0).UTC().Format(time.RFC3339) }
		for query, want := range map[string]string{
			"h.count/history?step=1m":                                               "h.count 60 0=55",
			"h.count/history?step=5s":                                               "h.count 5 0=15 5=40",
			"h.count/history?step=5":                                                "h.count 5 0=15 5=40",
			"h.count/history?step=2.5":                                              "h.count 2.5 0=6 2.5=9 5=21 7.5=19",
			"h.count/history?from=" + at(2) + "&to=" + at(4):                        "h.count 1 2=3 3=4 4=5",
			"h.count/history?from=" + at(2) + ".5&to=" + at(4):                      "h.count 1 3=4 4=5",
			"h.count/history?from=" + utc(8) + "&to=" + utc(20):                     "h.count 1 8=9 9=10",
			"h.count/history?from=" + at(20) + "&to=" + at(30):                      "h.count 1",
			"h.count/history?from=" + at(3) + "&to=" + at(3):                        "h.count 1 3=4",
			"h.time/history?step=1m":                                                "h.time 60 0=5.5",
			"h.time/history?to=" + at(1):                                            "h.time 1 0=1 1=2",
			"h.count/history?from=-62135596800&step=8760h&to=" + at(59):             "h.count 3.1536e+07 " + strconv.FormatInt(begin/31_536_000*31_536_000-begin, 10) + "=55",
			"h.count/history?from=" + at(0) + "&to=" + at(10_999) + "&step=1s#last": "h.count 1 0=1 1=2 2=3 3=4 4=5 5=6 6=7 7=8 8=9 9=10",
		} {
			if got := points(query); got != want {
				t.Errorf("%s, %s: %s, want %s", when, query, got, want)
			}
		}
	}
	check("live")
	s.stored()
	check("stored")
}

// TestNames: a name of any spelling that a sender may use can be read back.
func TestNames(t *testing.T) {
	s := start(t)
	for _, name := range []string{"a", "a.b-c_d", "a/b", "a//b", "a/../b", "a/./b", "_x", "job:rate:5m", "a..b", "z/", strings.Repeat("n", 1024)} {
		r := s.do("POST", "/api/v1/metrics", plainJSON, fmt.Sprintf(`{"name":%q,"value":1,"type":"counter"}`, name))
		r.expect(t, name, 202, plainJSON)
		if d, err := s.http.Metric(t.Context(), name); err != nil || d.Name != name || len(d.Series) != 1 {
			t.Errorf("%s comes back as %+v, %v", name, d, err)
		}
	}
}

// TestBeyondFloats: sums that no float holds have no value, and hide nothing
// else.
func TestBeyondFloats(t *testing.T) {
	s := start(t)
	s.post("big.sum:1.7e308|c\nbig.sum:1.7e308|c\nbig.delta:1.7e308|g\nbig.delta:+1.7e308|g\nbig.mean:1.7e308:1.7e308|h\nsmall:1|c\n")
	check := func(when string) {
		t.Helper()
		for _, target := range []string{"/api/v1/metrics?name=*", "/api/v1/metrics/big.sum", "/api/v1/metrics/big.delta", "/api/v1/metrics/big.mean", "/api/v1/metrics/big.sum/history", "/api/v1/metrics/big.mean/history", "/api/v1/overview"} {
			s.get(target).expect(t, when+", "+target, 200, plainJSON)
		}
		if d := decode[api.MetricDetail](t, s.get("/api/v1/metrics/big.sum")); d.Series[0].Last != nil {
			t.Errorf("%s: the sum is %v", when, *d.Series[0].Last)
		}
		if r := s.get("/prometheus/api/v1/query?query=big_sum_total"); !strings.Contains(r.body, `"+Inf"`) {
			t.Errorf("%s: PromQL says %s", when, r.body)
		}
	}
	check("live")
	s.stored()
	check("stored")
	s.lawful()
}

// TestProm holds the shapes of Prometheus's own API.
func TestProm(t *testing.T) {
	s := start(t)
	s.post("p.count:3|c|#env:prod\np.gauge:7.25|g\np.time:1:2:4|ms\n")
	type result struct {
		Status string
		Data   struct {
			ResultType string
			Result     any
		}
		ErrorType, Error string
	}
	for query, want := range map[string]string{
		"query?query=1%2B1":                                   "scalar",
		`query?query="word"`:                                  "string",
		"query?query=p_gauge":                                 "vector",
		"query?query=p_gauge[1m]":                             "matrix",
		"query?query=p_time":                                  "vector",
		"query?query=nothing":                                 "vector",
		"query_range?query=p_count_total&step=1":              "matrix",
		"query_range?query=p_time&step=1":                     "matrix",
		"query?query=p_gauge&time=1764000000.5":               "vector",
		"query?query={__name__=%22p.gauge%22}":                "vector",
		"query?query=p_gauge&timeout=10s":                     "vector",
		"query?query=vector(1)/0":                             "vector",
		"query_range?query=1&start=1764000000&end=1764000000": "matrix",
	} {
		r := s.get("/prometheus/api/v1/" + query)
		r.expect(t, query, 200, plainJSON)
		got := decode[result](t, r)
		if got.Status != "success" || got.Data.ResultType != want {
			t.Errorf("%s: %s, want a %s", query, r.body, want)
		}
		if _, isList := got.Data.Result.([]any); !isList {
			t.Errorf("%s: the result is no list: %s", query, r.body)
		}
	}
	for query, piece := range map[string]string{
		"query?query=p_gauge":            `"metric":{"__name__":"p_gauge"},"value":[`,
		"query?query=sum(p_count_total)": `,"3"]`,
		"query?query=p_time":             `"histogram":[`,
		"query?query=vector(1)/0":        `"+Inf"`,
		"query?query=-vector(1)/0":       `"-Inf"`,
		"query?query=vector(0)/0":        `"NaN"`,
		"query?query=p_count_total":      `"env":"prod"`,
	} {
		if r := s.get("/prometheus/api/v1/" + query); !strings.Contains(r.body, piece) {
			t.Errorf("%s: %s, want %s in it", query, r.body, piece)
		}
	}
	for query, c := range map[string]struct {
		status int
		kind   string
	}{
		"query":                     {400, "bad_data"},
		"query?query=":              {400, "bad_data"},
		"query?query=sum(":          {400, "bad_data"},
		"query?query=x{a=~%22(%22}": {400, "bad_data"},
		"query?query=x&time=noon":   {400, "bad_data"},
		"query?query=" + strings.Repeat("x", 17<<10):                 {400, "bad_data"},
		"query_range?query=x&start=a":                                {400, "bad_data"},
		"query_range?query=x&end=a":                                  {400, "bad_data"},
		"query_range?query=x&step=0":                                 {400, "bad_data"},
		"query_range?query=x&start=20&end=10":                        {400, "bad_data"},
		"query_range?query=x&start=0&end=1e9&step=1":                 {400, "bad_data"},
		"query_range?query=x[5m]&start=10&end=20":                    {400, "bad_data"},
		"query?query=p_gauge&timeout=1ns":                            {503, "timeout"},
		"query?query=p_gauge*on(nothing)({__name__=~%22p_.*%22}>-1)": {422, "execution"},
	} {
		r := s.get("/prometheus/api/v1/" + query)
		what := query[:min(len(query), 80)]
		r.expect(t, what, c.status, plainJSON)
		r.secrets(t, what, s.dir)
		if got := decode[result](t, r); got.Status != "error" || got.ErrorType != c.kind || got.Error == "" {
			t.Errorf("%s: %s, want %s", what, r.body, c.kind)
		}
	}
	big := s.do("POST", "/prometheus/api/v1/query", formType, form("query", strings.Repeat("x", 100<<10)))
	big.expect(t, "a form too large", 400, plainJSON)
}

// TestSideBySide sends from many clients while others read: every answer is
// whole, the law holds in every ledger, and the sum is exact.
func TestSideBySide(t *testing.T) {
	s := start(t)
	const clients, requests = 8, 40
	var senders, readers sync.WaitGroup
	done := make(chan struct{})
	for c := range clients {
		senders.Go(func() {
			for i := range requests {
				r := s.do("POST", "/api/v1/metrics", "text/plain", fmt.Sprintf("side.count:1|c|#client:%d\nside.bad\nside.gauge:+1|g\n", c))
				if r.status != 200 {
					t.Errorf("client %d, request %d: %d %s", c, i, r.status, r.body)
				}
			}
		})
	}
	for _, target := range []string{"/api/v1/metrics?name=side.*", "/api/v1/metrics/side.count/history", "/prometheus/api/v1/query?query=sum(side_count_total)", "/api/v1/overview", "/metrics"} {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if r := s.get(target); r.status != 200 && r.status != 404 {
					t.Errorf("%s: %d %s", target, r.status, r.body)
				}
				s.lawful()
			}
		})
	}
	senders.Wait()
	close(done)
	readers.Wait()
	l := s.lawful()
	if l.Received != clients*requests*3 || l.Rejected["syntax"] != clients*requests {
		t.Errorf("the ledger says %+v", l)
	}
	r := s.get("/prometheus/api/v1/query?query=" + "sum(side_count_total)")
	if !strings.Contains(r.body, fmt.Sprintf(`"%d"]`, clients*requests)) {
		t.Errorf("the sum is %s", r.body)
	}
	if r := s.get("/prometheus/api/v1/query?query=side_gauge"); !strings.Contains(r.body, fmt.Sprintf(`"%d"]`, clients*requests)) {
		t.Errorf("the gauge is %s", r.body)
	}
}

// TestRestart reads the same after a restart, each series once.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	t.Run("before", func(t *testing.T) {
		s := startIn(t, dir)
		s.post("r.count:5|c|#a:b\nr.gauge:2|g\n")
	})
	s := startIn(t, dir)
	s.post("r.count:7|c|#a:b\n")
	if d, err := s.http.Metric(t.Context(), "r.count"); err != nil || len(d.Series) != 1 || *d.Series[0].Last != 12 {
		t.Errorf("the counter: %+v, %v", d, err)
	}
	if r := s.get("/prometheus/api/v1/query?query=r_count_total"); !strings.Contains(r.body, `"12"]`) {
		t.Errorf("PromQL: %s", r.body)
	}
	for cursor, seen := "", 0; ; seen++ {
		page := decode[api.MetricPage](t, s.get("/api/v1/metrics?name=r.*&limit=1&cursor="+cursor))
		if len(page.Data) > 1 || seen > 2 {
			t.Fatalf("page %d: %+v", seen, page.Data)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if l := s.lawful(); l.Received != 3 || l.Stored+l.Pending != 3 {
		t.Errorf("the ledger: %+v", l)
	}
}

// TestRequestID: a harmless id of the client's comes back, another does not.
func TestRequestID(t *testing.T) {
	s := start(t)
	for sent, kept := range map[string]bool{
		"abc-123_X": true, "": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "a b": false, `a"b`: false, "ä": false, "a;b": false,
	} {
		req, err := http.NewRequest("GET", s.url+"/nothing", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Id", sent)
		got := send(t, req).header.Get("X-Request-Id")
		if (got == sent) != kept || got == "" || len(got) > 64 {
			t.Errorf("%q came back as %q", sent, got)
		}
	}
}

// parts is a server over what a test gives.
func parts(o daemonapi.Options) *daemonapi.Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = http.NotFoundHandler()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxBody, o.Limits = maxBody, protocol.DefaultLimits()
	return daemonapi.New(o)
}

// TestFailures maps each error of the layers below to its answer.
func TestFailures(t *testing.T) {
	secret := errors.New("SELECT password FROM users: goroutine 7 at store.go:12")
	for name, c := range map[string]struct {
		err    error
		status int
		title  string
	}{
		"the store is away":   {fmt.Errorf("read: %w: %w", storage.ErrUnavailable, secret), 503, "Store unavailable"},
		"the store is busy":   {fmt.Errorf("read: %w: %w", storage.ErrBusy, secret), 503, "Store unavailable"},
		"lanes that ended":    {lane.ErrClosed, 503, "Stopping"},
		"an unsettled ledger": {lane.ErrUnsettled, 503, "Not in time"},
		"out of time":         {fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "Not in time"},
		"too many series":     {query.ErrTooMany, 422, "Too many series"},
		"no expression":       {&query.ExprError{Err: errors.New("unclosed parenthesis")}, 400, "Bad request"},
		"anything else":       {secret, 500, "Internal fault"},
	} {
		s := parts(daemonapi.Options{
			Ledger:   func(context.Context) (ledger.Statement, error) { return ledger.Statement{}, c.err },
			Overview: func(context.Context) (api.Overview, error) { return api.Overview{}, c.err },
		})
		for _, target := range []string{"/api/v1/ledger", "/api/v1/overview"} {
			r := record(s, "GET", target)
			r.expect(t, name, c.status, problemJSON)
			r.secrets(t, name, "password")
			if p := decode[api.Problem](t, r); p.Title != c.title || p.Status != c.status {
				t.Errorf("%s: %s", name, r.body)
			}
			if again := r.header.Get("Retry-After"); (c.status == 503) != (again != "") {
				t.Errorf("%s: Retry-After is %q", name, again)
			}
		}
	}
	s := parts(daemonapi.Options{Ledger: func(context.Context) (ledger.Statement, error) { return ledger.Statement{}, context.Canceled }})
	if r := record(s, "GET", "/api/v1/ledger"); r.status != http.StatusServiceUnavailable {
		t.Errorf("a client that has closed one half, and still reads, is told %d %s", r.status, r.body)
	}
}

// TestPanic: one request ends, the next is answered, and nothing of the stack
// gets out.
func TestPanic(t *testing.T) {
	log := new(syncBuffer)
	observed := 0
	fail := true
	s := parts(daemonapi.Options{
		Logger: slog.New(slog.NewJSONHandler(log, nil)),
		Ledger: func(context.Context) (ledger.Statement, error) {
			if fail {
				panic("a slip in /very/secret/ledger.go:42")
			}
			return ledger.Statement{}, nil
		},
		Observe: func(route, method string, status int, _ time.Duration, probe bool) {
			if route == "/api/v1/ledger" && method == "GET" && status == 500 && !probe {
				observed++
			}
		},
	})
	r := record(s, "GET", "/api/v1/ledger")
	r.problem(t, "a panic", 500, "")
	r.secrets(t, "a panic", "secret")
	if s.Stats().Panics.Load() != 1 || observed != 1 || !strings.Contains(log.String(), "/very/secret/ledger.go:42") || !strings.Contains(log.String(), `"stack"`) {
		t.Errorf("counted %d, observed %d, logged %s", s.Stats().Panics.Load(), observed, log)
	}
	fail = false
	record(s, "GET", "/api/v1/ledger").expect(t, "the next request", 200, plainJSON)

	aborts := parts(daemonapi.Options{Ledger: func(context.Context) (ledger.Statement, error) { panic(http.ErrAbortHandler) }})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler || aborts.Stats().Panics.Load() != 0 {
			t.Errorf("an abort became %v, counted %d", v, aborts.Stats().Panics.Load())
		}
	}()
	record(aborts, "GET", "/api/v1/ledger")
}

func TestNotReady(t *testing.T) {
	s := parts(daemonapi.Options{Ready: func(context.Context) []api.Reason {
		return []api.Reason{{Code: "store_away", Detail: "the store does not answer"}}
	}})
	for _, target := range []string{"/ready", "/api/v1/ready"} {
		r := record(s, "GET", target)
		r.expect(t, target, 503, plainJSON)
		if got := decode[api.Status](t, r); got.Status != "not_ready" || len(got.Reasons) != 1 || got.Reasons[0].Code != "store_away" {
			t.Errorf("%s: %s", target, r.body)
		}
	}
	record(s, "GET", "/health").expect(t, "it lives all the same", 200, plainJSON)
}

// ended is a set of lanes that has been closed.
type ended struct{}

func (ended) Assign() int              { return 0 }
func (ended) Submit(_ int, j lane.Job) { j.Done(0, lane.ErrClosed) }

// TestStopping: what is sent to lanes that have ended is refused, not lost in
// silence.
func TestStopping(t *testing.T) {
	s := parts(daemonapi.Options{Lanes: ended{}})
	for _, target := range []string{"/api/v1/metrics", "/metrics"} {
		r := record(s, "POST", target)
		r.problem(t, target, 503, "")
		if r.header.Get("Retry-After") == "" {
			t.Errorf("%s does not say when to try again", target)
		}
	}
}

// away is objectives whose store does not answer.
type away struct{}

func (away) Statuses() []api.SLO { return []api.SLO{} }
func (away) Status(context.Context, string) (slo.Status, error) {
	return slo.Status{}, storage.ErrUnavailable
}
func (away) Report(_ context.Context, name, _ string) (slo.Report, error) {
	if name == "unknown" {
		return slo.Report{}, objective.ErrUnknown
	}
	return slo.Report{}, storage.ErrUnavailable
}

func TestObjectivesAway(t *testing.T) {
	s := parts(daemonapi.Options{Objectives: away{}})
	record(s, "GET", "/api/v1/slos").expect(t, "the list", 200, plainJSON)
	record(s, "GET", "/api/v1/slos/a").problem(t, "one", 503, "")
	record(s, "GET", "/api/v1/slos/a/report").problem(t, "a report", 503, "")
	record(s, "GET", "/api/v1/slos/unknown/report").problem(t, "none", 404, "name")
}
