package api_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// TestAggregations puts samples of two series together in every way, live and
// stored.
func TestAggregations(t *testing.T) {
	s := start(t)
	begin := time.Now().Add(-10*time.Minute).Unix() / 60 * 60
	var lines strings.Builder
	for i := range int64(10) {
		for _, env := range []string{"prod", "dev"} {
			n := i + 1
			if env == "dev" {
				n *= 10
			}
			fmt.Fprintf(&lines, "g.c:%d|c|#env:%s,i:%s|T%d\ng.t:%d|ms|#env:%s|T%d\ng.g:%d|g|#env:%s|T%d\ng.s:m%d|s|#env:%s|T%d\n",
				n, env, env, begin+i, n, env, begin+i, n, env, begin+i, n, env, begin+i)
		}
	}
	s.post(lines.String())
	ask := func(target string) api.History {
		t.Helper()
		r := s.get("/api/v1/metrics/" + target + fmt.Sprintf("&step=1m&from=%d&to=%d", begin, begin+59))
		r.expect(t, target, http.StatusOK, plainJSON)
		return decode[api.History](t, r)
	}
	check := func(when string) {
		for target, want := range map[string]string{
			"g.c/history?agg=": "550 55", "g.c/history?agg=sum": "550 55", "g.c/history?agg=count": "10 10", "g.c/history?agg=rate&by=": "10.083333333333334",
			"g.c/history?agg=sum&by=": "605", "g.c/history?agg=sum&by=env": "550 55", "g.c/history?by=nothing": "605", "g.c/history?by=env,i&by=other": "550 55",
			"g.g/history?agg=last": "100 10", "g.g/history?agg=min&by=": "1", "g.g/history?agg=max&by=": "100", "g.g/history?agg=mean&by=": "30.25",
			"g.g/history?agg=sum&by=": "110", "g.g/history?agg=count&by=": "20",
			"g.t/history?agg=mean": "55 5.5", "g.t/history?agg=sum&by=": "605", "g.t/history?agg=min&by=": "1", "g.t/history?agg=max&by=": "100", "g.t/history?agg=count&by=": "20",
			"g.s/history?agg=count": "10 10", "g.s/history?agg=count&by=": "19", // m10 is in both
		} {
			h := ask(target)
			byTags := map[string]float64{}
			for _, one := range h.Series {
				byTags[one.Tags["env"]] = one.Points[0][1]
			}
			got := fmt.Sprint(byTags[""])
			if len(byTags) == 2 {
				got = fmt.Sprint(byTags["dev"], " ", byTags["prod"])
			}
			if got != want || len(h.Series[0].Points) != 1 {
				t.Errorf("%s, %s: %s, want %s", when, target, got, want)
			}
		}
		for agg, exact := range map[string]float64{"p0": 1, "p50": 10, "p99.9": 100, "p100": 100} {
			one := ask("g.t/history?by=&agg=" + agg).Series[0]
			if v := one.Points[0][1]; one.RelativeError <= 0 || one.RelativeError > 0.02 || math.Abs(v-exact) > one.RelativeError*exact+1e-9 {
				t.Errorf("%s, %s: %v within %v, want %v", when, agg, v, one.RelativeError, exact)
			}
		}
	}
	check("live")
	s.stored()
	check("stored")
	for target, field := range map[string]string{
		"g.c/history?agg=p99": "agg", "g.c/history?agg=median": "agg", "g.t/history?agg=p": "agg", "g.t/history?agg=p101": "agg", "g.t/history?agg=pNaN": "agg",
		"g.t/history?agg=p-1": "agg", "g.s/history?agg=sum": "agg", "g.t/history?by=" + strings.Repeat("a,", 17): "by", "g.t/history?format=xml": "format",
	} {
		s.get("/api/v1/metrics/"+target).problem(t, target, http.StatusBadRequest, field)
	}
}

// TestForms asks for the same data in each form, by parameter and by header.
func TestForms(t *testing.T) {
	s := start(t)
	s.post("f.a:1|g|#env:=cmd,host:@x\nf.b:2|g\n")
	ask := func(target, accept string) reply {
		t.Helper()
		req, err := http.NewRequest("GET", s.url+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		return send(t, req)
	}
	const list = "/api/v1/metrics?name=f.*"
	for _, c := range []struct{ target, accept, typ, has string }{
		{list, "", "application/json", `{"data":[`},
		{list, "*/*", "application/json", `{"data":[`},
		{list, "text/html,application/xhtml+xml,*/*;q=0.8", "application/json", `{"data":[`},
		{list, "text/*", "text/csv", "name,type,tags,last,updated_at\n"},
		{list, "application/json;q=0.5, text/csv", "text/csv", "f.a,gauge,"},
		{list, "text/csv;q=0, */*", "application/json", `{"data":[`},
		{list, "application/x-ndjson", "application/x-ndjson", `{"name":"f.a"`},
		{list + "&format=csv", "application/json", "text/csv", "f.b,gauge,,2,"},
		{list + "&format=ndjson", "", "application/x-ndjson", "}\n{"},
		{"/api/v1/metrics/f.a/history?format=csv", "", "text/csv", "name,type,tags,time,value\n"},
		{"/api/v1/metrics/f.a/history?format=ndjson", "", "application/x-ndjson", `"points":[[`},
	} {
		r := ask(c.target, c.accept)
		if r.status != 200 || !strings.HasPrefix(r.header.Get("Content-Type"), c.typ) || !strings.Contains(r.body, c.has) {
			t.Errorf("%s, Accept %q: %d %s %s", c.target, c.accept, r.status, r.header.Get("Content-Type"), r.body)
		}
		if !strings.Contains(strings.Join(r.header.Values("Vary"), ","), "Accept") {
			t.Errorf("%s: Vary is %q", c.target, r.header.Values("Vary"))
		}
	}
	for _, accept := range []string{"image/png", "text/html", "application/json;q=0", "nonsense", strings.Repeat("a/b,", 1000) + "application/json"} {
		ask(list, accept).problem(t, "Accept "+accept[:min(20, len(accept))], http.StatusNotAcceptable, "Accept")
	}
	s.get(list+"&format=xml").problem(t, "another form", 400, "format")
	// The names of tags are the senders': no spreadsheet may run them.
	s.post("f.c:3|g|#=1+cmd(1):x\n")
	if r := s.get("/api/v1/metrics?name=f.c&format=csv"); !strings.Contains(r.body, ",'=1+cmd(1):x,") {
		t.Errorf("a formula: %s", r.body)
	}
}

// TestETag asks again for what the client has.
func TestETag(t *testing.T) {
	s := start(t)
	s.post("e.a:1|g\n")
	s.stored()
	const target = "/api/v1/metrics/e.a"
	first := s.get(target)
	tag := first.header.Get("ETag")
	again := func(value string) reply {
		t.Helper()
		req, err := http.NewRequest("GET", s.url+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", value)
		return send(t, req)
	}
	for _, v := range []string{tag, `"x", ` + tag, strings.TrimPrefix(tag, "W/"), "*"} {
		if r := again(v); r.status != http.StatusNotModified || r.body != "" || r.header.Get("ETag") != tag {
			t.Errorf("%s: %d %q", v, r.status, r.body)
		}
	}
	for _, v := range []string{`"x"`, "", strings.Trim(tag, `W/"`)} {
		if r := again(v); r.status != http.StatusOK {
			t.Errorf("%s: %d", v, r.status)
		}
	}
	s.post("e.a:2|g\n")
	if r := again(tag); r.status != http.StatusOK || r.header.Get("ETag") == tag {
		t.Errorf("after a change: %d %s", r.status, r.header.Get("ETag"))
	}
}

// TestCompression holds what is compressed, and how.
func TestCompression(t *testing.T) {
	s := start(t)
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "z.metric.%d:1|g|#env:prod\n", i)
	}
	s.post(lines.String())
	for _, c := range []struct{ target, accept, want string }{
		{"/api/v1/metrics?name=z.*", "gzip", "gzip"}, {"/api/v1/metrics?name=z.*", "gzip, zstd", "zstd"}, {"/api/v1/metrics?name=z.*", "br", ""},
		{"/api/v1/metrics?name=z.*", "identity", ""}, {"/api/v1/metrics?name=z.*", "gzip;q=0", ""}, {"/health", "gzip", ""},
		{"/prometheus/api/v1/query?query=%7B__name__%3D~%22z.*%22%7D", "gzip", "gzip"}, {"/metrics", "gzip", "gzip"},
	} {
		req, err := http.NewRequest("GET", s.url+c.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", c.accept)
		if r := send(t, req); r.status != 200 || r.header.Get("Content-Encoding") != c.want {
			t.Errorf("%s, %s: %d, %q, want %q", c.target, c.accept, r.status, r.header.Get("Content-Encoding"), c.want)
		}
	}
}

// TestCursors: a cursor goes on with its own list, and cannot be made up.
func TestCursors(t *testing.T) {
	s := start(t)
	var lines strings.Builder
	for i := range 20 {
		fmt.Fprintf(&lines, "k.m:%d|g|#i:%d\n_e{1,1}:t|x|k:%d\n", i, i, i)
	}
	s.post(lines.String())
	for _, list := range []string{"/api/v1/metrics?type=gauge&limit=3", "/api/v1/events?limit=3"} {
		page := decode[struct {
			Next string `json:"next_cursor"`
		}](t, s.get(list))
		if page.Next == "" {
			t.Fatalf("%s has one page", list)
		}
		for _, good := range []string{list + "&cursor=" + page.Next, strings.Replace(list, "limit=3", "limit=5", 1) + "&cursor=" + page.Next} {
			if r := s.get(good); r.status != 200 {
				t.Errorf("%s: %d %s", good, r.status, r.body)
			}
		}
		for _, forged := range []string{page.Next[:len(page.Next)-2], page.Next + "A", "7", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", strings.ToUpper(page.Next), "1795556150000.12.0.3.0b0f"} {
			s.get(list+"&cursor="+forged).problem(t, "cursor "+forged, 400, "cursor")
		}
		other := strings.Replace(strings.Replace(list, "type=gauge", "type=counter", 1), "events?", "events?kind=check&", 1)
		s.get(other+"&cursor="+page.Next).problem(t, "a cursor of another list", 400, "cursor")
	}
}
