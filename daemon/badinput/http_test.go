package badinput_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
)

// TestHTTP has the rows about HTTP that need no identity.
func TestHTTP(t *testing.T) {
	s := start(t)
	for id, test := range map[string]func(*testing.T, *system){
		"H04": smuggling, "H05": chunks, "H07": encodings, "H10": paths, "H11": files, "H13": forgedCursors,
		"H16": oneKeyManyTimes, "H17": oneKeyTwoBodies, "H25": otherSites, "H26": insides,
	} {
		t.Run(id, func(t *testing.T) { test(t, s) })
	}
	for id, test := range map[string]func(*testing.T){
		"H01": slowSenders, "H02": slowReaders, "H08": http2Attacks, "H19": goneMidRequest, "H22": walkedNetwork, "H23": otherHosts, "H28": handlerPanics,
	} {
		t.Run(id, test)
	}
}

// raw sends bytes as they are and returns the status of each answer until the
// daemon closes; it must, soon.
func raw(t *testing.T, s *system, text string) (statuses []int) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Log(err) // it may have closed already
	}
	_ = c.(*net.TCPConn).CloseWrite()
	in := bufio.NewReader(c)
	for {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}

const postHead = "POST /api/v1/metrics HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"

// smuggling: what two servers could read in two ways is refused, and nothing of it
// is taken.
func smuggling(t *testing.T, s *system) {
	before := s.ledger()
	for name, head := range map[string]string{
		"two lengths":           "Content-Length: 6\r\nContent-Length: 7\r\n\r\na:1|c\n",
		"TE of another kind":    "Transfer-Encoding: chunked, identity\r\n\r\n6\r\na:1|c\n\r\n0\r\n\r\n",
		"a length with a sign":  "Content-Length: +6\r\n\r\na:1|c\n",
		"a name with a space":   "Content-Length : 6\r\n\r\na:1|c\n",
		"NUL in a header":       "X: a\x00b\r\nContent-Length: 6\r\n\r\na:1|c\n",
		"a header without name": ": x\r\nContent-Length: 6\r\n\r\na:1|c\n",
	} {
		got := raw(t, s, postHead+head)
		if len(got) != 1 || got[0] != http.StatusBadRequest && got[0] != http.StatusNotImplemented {
			t.Errorf("%s: %v", name, got)
		}
	}
	s.comes(t, before, verdict{})
}

// chunks that lie about themselves: nothing is applied.
func chunks(t *testing.T, s *system) {
	before := s.ledger()
	for name, body := range map[string]string{
		"a size beyond all": "FFFFFFFFFFFFFFFF\r\na:1|c\n\r\n0\r\n\r\n", "a size too long": "FFFFFFFFFFFFFFFFF\r\na", "no last chunk": "6\r\na:1|c\n\r\n",
		"a short chunk": "9\r\na:1|c\n\r\n0\r\n\r\n", "an extension of 1 MiB": "6;x=" + long("y", 1<<20) + "\r\na:1|c\n\r\n0\r\n\r\n", "no size": "\r\na:1|c\n\r\n0\r\n\r\n",
	} {
		got := raw(t, s, postHead+"Transfer-Encoding: chunked\r\n\r\n"+body)
		if len(got) > 1 || len(got) == 1 && got[0] != http.StatusBadRequest {
			t.Errorf("%s: %v", name, got)
		}
	}
	s.comes(t, before, verdict{})
}

// ask sends one request and returns status, headers and body.
func ask(t *testing.T, s *system, method, target, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.addr+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func encodings(t *testing.T, s *system) {
	before := s.ledger()
	for _, route := range []string{"/api/v1/metrics", "/write", "/api/v2/write", "/api/v1/import/prometheus", "/v1/metrics"} {
		for _, encoding := range []string{"br", "gzip, gzip", "zstd, gzip", "unknown"} {
			if status, _, body := ask(t, s, "POST", route, "a:1|c\n", "Content-Encoding", encoding, "Content-Type", "text/plain"); status != http.StatusUnsupportedMediaType {
				t.Errorf("%s, %s: %d %s", route, encoding, status, body)
			}
		}
	}
	s.comes(t, before, verdict{})
}

// paths that are not in their one form lead nowhere, and are not forwarded.
func paths(t *testing.T, s *system) {
	for _, path := range []string{
		"//api/v1/ledger", "/api//v1/ledger", "/./health", "/api/../health", "/%2e/health", "/api/%2e%2e/health", "/api/v1/%2E%2e/v1/ledger",
		"/health%00", "/a%00b", "/health;a", "/a;b", "/health/", "/%252e%252e/health", "/api/v1/metrics/", "/..%5chealth", "/HEALTH", "/api/v1/metrics/:name/history/",
	} {
		req := &http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: s.addr, Opaque: path}, Host: s.addr, Header: http.Header{}}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		// Of two slashes, what follows is a host to some.
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d, %s", path, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

// files: there are none to be had.
func files(t *testing.T, s *system) {
	for _, path := range []string{"/static/../../etc/passwd", "/docs/..%5c..%5cetc", "/docs/%2e%2e/cursor.key", "/cursor.key", "/api/v1/metrics/..%2f..%2fcursor.key", "/docs/..%2fcursor.key"} {
		if got := raw(t, s, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); len(got) != 1 || got[0] != 404 && got[0] != 400 && got[0] != 503 { // 503: our half is closed before the answer
			t.Errorf("%s: %v", path, got)
		}
	}
}

func forgedCursors(t *testing.T, s *system) {
	for _, list := range []string{"/api/v1/metrics", "/api/v1/events"} {
		for _, cursor := range []string{"1", "AAAA", long("A", 600), "' OR 1=1", "AQAAAABqAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
			status, _, body := ask(t, s, "GET", list+"?cursor="+url.QueryEscape(cursor), "")
			if status != http.StatusBadRequest || !strings.Contains(body, `"field":"cursor"`) {
				t.Errorf("%s, %.20s: %d %s", list, cursor, status, body)
			}
		}
	}
}

// oneKeyManyTimes: of a hundred at once one has an effect, and all have its answer.
func oneKeyManyTimes(t *testing.T, s *system) {
	before := s.ledger()
	var wait sync.WaitGroup
	statuses := make([]int, 100)
	for i := range statuses {
		wait.Go(func() {
			req, _ := http.NewRequest("POST", "http://"+s.addr+"/api/v1/metrics", strings.NewReader("h16.a:1|c\n"))
			req.Header.Set("Idempotency-Key", "h16")
			req.Header.Set("Content-Type", "text/plain")
			if res, err := http.DefaultClient.Do(req); err == nil {
				statuses[i] = res.StatusCode
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
	wait.Wait()
	for i, status := range statuses {
		if status != http.StatusAccepted {
			t.Errorf("request %d: %d", i, status)
		}
	}
	s.comes(t, before, verdict{accepted: 1})
	if l := s.ledger(); l.Duplicates-before.Duplicates != 99 || s.last(t, "h16.a") != 1 {
		t.Errorf("%d duplicates, last %v", l.Duplicates-before.Duplicates, s.last(t, "h16.a"))
	}
}

func oneKeyTwoBodies(t *testing.T, s *system) {
	before := s.ledger()
	if status, _, body := ask(t, s, "POST", "/api/v1/metrics", "h17.a:1|c\n", "Idempotency-Key", "h17", "Content-Type", "text/plain"); status != http.StatusAccepted {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := ask(t, s, "POST", "/api/v1/metrics", "h17.a:2|c\n", "Idempotency-Key", "h17", "Content-Type", "text/plain"); status != http.StatusUnprocessableEntity || !strings.Contains(body, "Idempotency-Key") {
		t.Errorf("another body: %d %s", status, body)
	}
	s.comes(t, before, verdict{accepted: 1})
	if v := s.last(t, "h17.a"); v != 1 {
		t.Errorf("the counter is %v", v)
	}
}

// otherSites: what a page of another site has a browser send is refused; programs,
// which send none of these headers, are not.
func otherSites(t *testing.T, s *system) {
	before := s.ledger()
	for _, headers := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}} {
		for route, typ := range map[string]string{"/api/v1/metrics": "text/plain", "/metrics": "application/x-www-form-urlencoded", "/write": "text/plain"} {
			if status, _, body := ask(t, s, "POST", route, "a:1|c\n", append(headers, "Content-Type", typ)...); status != http.StatusForbidden {
				t.Errorf("%s, %v: %d %s", route, headers, status, body)
			}
		}
	}
	s.comes(t, before, verdict{})
	if status, _, _ := ask(t, s, "POST", "/api/v1/metrics", "h25.a:1|c\n", "Origin", "http://"+s.addr, "Content-Type", "text/plain"); status != http.StatusAccepted {
		t.Errorf("a page of our own: %d", status)
	}
}

func insides(t *testing.T, s *system) {
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/debug/requests", "/log/level", "/settings", "/reload"} {
		for _, method := range []string{"GET", "POST"} {
			if status, _, body := ask(t, s, method, path, ""); status != http.StatusNotFound {
				t.Errorf("%s %s: %d %.100s", method, path, status, body)
			}
		}
	}
}

// TestQueries has the rows about queries.
func TestQueries(t *testing.T) {
	s := start(t)
	ask400 := func(t *testing.T, what, target string) {
		t.Helper()
		began := time.Now()
		status, _, body := ask(t, s, "GET", target, "")
		if status != http.StatusBadRequest || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %d after %v: %.200s", what, status, time.Since(began), body)
		}
	}
	expr := func(e string) string { return "/prometheus/api/v1/query?query=" + url.QueryEscape(e) }
	t.Run("Q01", func(t *testing.T) {
		ask400(t, "no regular expression", expr(`{__name__=~"("}`))
		ask400(t, "repeats of repeats", expr(`{__name__=~"(x{1000}){1000}"}`))
		ask400(t, "many groups", expr(`{__name__=~"`+long("(", 3000)+long(")", 3000)+`"}`))
		ask400(t, "1 MB of a name", "/api/v1/metrics?name="+long("*", 30_000))
		if status, _, body := ask(t, s, "GET", expr(`{__name__=~"(a+)+$"}`), ""); status != http.StatusOK {
			t.Errorf("what others choke on: %d %s", status, body)
		}
	})
	t.Run("Q02", func(t *testing.T) {
		for _, q := range []string{"start=0&end=3155760000&step=1ms", "start=20&end=10&step=1", "start=0&end=10&step=0", "start=0&end=10&step=-1", "start=0&end=10&step=NaN"} {
			ask400(t, q, "/prometheus/api/v1/query_range?query=up&"+q)
		}
	})
	t.Run("Q04", manyQuestions)
	t.Run("Q05", func(t *testing.T) {
		ask400(t, "10,000 parentheses", expr(long("(", 5000)+"1"+long(")", 5000)))
		status, _, body := ask(t, s, "POST", "/prometheus/api/v1/query", "query="+long("1%2B", 250_000)+"1", "Content-Type", "application/x-www-form-urlencoded")
		if status != http.StatusBadRequest {
			t.Errorf("1 MB: %d %.200s", status, body)
		}
	})
	if got := get[api.Status](t, s, "/health"); got.Status != "ok" {
		t.Error(fmt.Sprint(got))
	}
}
