package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }))
}

func newClient(t *testing.T, server string) *client.HTTP {
	t.Helper()
	c, err := client.NewHTTP(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return c
}

// serve runs a handler and returns a client of it.
func serve(t *testing.T, h http.HandlerFunc) *client.HTTP {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return newClient(t, s.URL)
}

// answers is a handler that always says the same.
func answers(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// calls is every method of the client that asks the server something.
func calls(c *client.HTTP) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"ledger":   func(ctx context.Context) error { _, err := c.Ledger(ctx); return err },
		"metrics":  func(ctx context.Context) error { _, err := c.Metrics(ctx, url.Values{"name": {"a*"}}); return err },
		"metric":   func(ctx context.Context) error { _, err := c.Metric(ctx, "a.b"); return err },
		"overview": func(ctx context.Context) error { _, err := c.Overview(ctx); return err },
		"slos":     func(ctx context.Context) error { _, err := c.SLOs(ctx); return err },
		"slo":      func(ctx context.Context) error { return c.SLO(ctx, "a", new(any)) },
		"report":   func(ctx context.Context) error { return c.SLOReport(ctx, "a", "2026-10", new(any)) },
		"status":   func(ctx context.Context) error { _, err := c.Status(ctx, true); return err },
		"query":    func(ctx context.Context) error { _, err := c.Query(ctx, "x", time.Time{}); return err },
		"range": func(ctx context.Context) error {
			_, err := c.QueryRange(ctx, "x", time.UnixMilli(0), time.UnixMilli(1), time.Second)
			return err
		},
	}
}

func TestNewHTTP(t *testing.T) {
	for server, addr := range map[string]string{
		"127.0.0.1:8080":        "127.0.0.1:8080",
		"http://host:1234":      "host:1234",
		"http://host":           "host:80",
		"https://host":          "host:443",
		"https://host:8443/sub": "host:8443",
		"http://[::1]":          "[::1]:80",
		"[::1]:8080":            "[::1]:8080",
		"localhost":             "localhost:80",
	} {
		if got := newClient(t, server).Addr(); got != addr {
			t.Errorf("lines for %s go to %s, want %s", server, got, addr)
		}
	}
	for _, bad := range []string{"", "http://", "ftp://host", "http://host:port", "::", "/run/socket", "unix:///run/x"} {
		if _, err := client.NewHTTP(bad); err == nil || !strings.Contains(err.Error(), "host:port") {
			t.Errorf("%q is a server: %v", bad, err)
		}
	}
}

func TestProblems(t *testing.T) {
	problem := `{"type":"about:blank","title":"Bad request","status":400,"detail":"step: is no duration","field":"step","rule":"is no duration","fix":"Write 10s."}`
	c := serve(t, answers(400, "application/problem+json", problem))
	for name, call := range calls(c) {
		if name == "query" || name == "range" || name == "status" {
			continue // they have answers of their own
		}
		var p *client.ProblemError
		if err := call(t.Context()); !errors.As(err, &p) || p.Status != 400 || p.Field != "step" || p.Fix != "Write 10s." {
			t.Errorf("%s: %v", name, err)
		} else if err.Error() != "Bad request: step: is no duration Write 10s." {
			t.Errorf("%s reads: %s", name, err)
		}
	}
	bare := &client.ProblemError{Problem: api.Problem{Title: "Not found"}}
	if bare.Error() != "Not found" {
		t.Errorf("a title alone reads: %s", bare)
	}
}

func TestPromProblems(t *testing.T) {
	c := serve(t, answers(400, "application/json", `{"status":"error","errorType":"bad_data","error":"1:5: parse error"}`))
	for _, name := range []string{"query", "range"} {
		var p *client.ProblemError
		if err := calls(c)[name](t.Context()); !errors.As(err, &p) || p.Status != 400 || p.Title != "bad_data" || p.Detail != "1:5: parse error" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStrangers asks servers that are no nexusctl daemon: each answer is an
// error that says so and shows a piece of it, no more.
func TestStrangers(t *testing.T) {
	long := strings.Repeat("<p>a page</p>", 10_000)
	for name, h := range map[string]http.HandlerFunc{
		"a page":                  answers(404, "text/html", "<html>404 page not found</html>"),
		"a long page":             answers(502, "text/html", long),
		"nothing":                 answers(500, "text/plain", ""),
		"other JSON":              answers(403, "application/json", `{"message":"no"}`),
		"a JSON array":            answers(500, "application/json", `[1]`),
		"a page that is all well": answers(200, "text/html", "<html>welcome</html>"),
		"half an answer":          answers(200, "application/json", `{"received":1,`),
	} {
		c := serve(t, h)
		for method, call := range calls(c) {
			err := call(t.Context())
			var p *client.ProblemError
			if err == nil || errors.As(err, &p) || errors.Is(err, client.ErrUnreachable) {
				t.Errorf("%s, %s: %v", name, method, err)
			} else if len(err.Error()) > 400 {
				t.Errorf("%s, %s: the error has %d bytes", name, method, len(err.Error()))
			}
		}
	}
	c := serve(t, answers(502, "text/html", "<html>bad gateway</html>"))
	for name, call := range calls(c) {
		if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "502") || !strings.Contains(err.Error(), "bad gateway") {
			t.Errorf("%s: the error does not say what was answered: %v", name, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, addr)
	for name, call := range calls(c) {
		if err := call(t.Context()); !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Dial(t.Context(), addr); !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), addr) {
		t.Errorf("lines: %v", err)
	}
	if _, err := newClient(t, "http://nobody.invalid").Ledger(t.Context()); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a name that is none: %v", err)
	}
}

// TestSilentServer: a server that accepts and says nothing is not reachable
// once the time is over, and a canceled call says that it was canceled.
func TestSilentServer(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Ledger(ctx); !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("no answer in time: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Ledger(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("a canceled call: %v", err)
	}
}

// TestHungUp: the server closes the connection in the middle of its answer.
func TestHungUp(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"received":`)
	})
	for name, call := range calls(c) {
		if err := call(t.Context()); err == nil {
			t.Errorf("%s takes half an answer for whole", name)
		}
	}
}

// TestHostileNames: whatever a metric or an objective is called, the server
// gets just that name, as one element of the path.
func TestHostileNames(t *testing.T) {
	var got, base string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sub/api/v1/metrics/{name}", func(w http.ResponseWriter, r *http.Request) {
		got = r.PathValue("name")
		_ = json.NewEncoder(w).Encode(api.MetricDetail{Name: got})
	})
	mux.HandleFunc("GET /sub/api/v1/slos/{name}/report", func(w http.ResponseWriter, r *http.Request) {
		got = r.PathValue("name") + " in " + r.URL.Query().Get("month")
		_, _ = io.WriteString(w, "{}")
	})
	mux.HandleFunc("GET /sub/api/v1/slos/{name}", func(w http.ResponseWriter, r *http.Request) {
		got = r.PathValue("name")
		_, _ = io.WriteString(w, "{}")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	base = s.URL + "/sub/"
	c := newClient(t, base)
	for _, name := range []string{
		"http.requests", "a/b", "a//b", "a/../b", "../../health", "a b", "a%2Fb", "%", "a?b=c", "a#b", "a&b=c;d", "ä\u2028ö", "a\nb", `"'<>\`, "a+b", "a:b", strings.Repeat("x", 1000),
	} {
		if d, err := c.Metric(t.Context(), name); err != nil || got != name || d.Name != name {
			t.Errorf("metric %q reached the server as %q: %v", name, got, err)
		}
		if err := c.SLO(t.Context(), name, new(any)); err != nil || got != name {
			t.Errorf("objective %q reached the server as %q: %v", name, got, err)
		}
		if err := c.SLOReport(t.Context(), name, "2026-10", new(any)); err != nil || got != name+" in 2026-10" {
			t.Errorf("the report of %q reached the server as %q: %v", name, got, err)
		}
	}
}

// TestRequests holds what each call asks for.
func TestRequests(t *testing.T) {
	var asked string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.Path + " " + r.URL.Query().Encode()
		body := `{"status":"success","data":{"resultType":"vector","result":[]},"received":3,"stored":3}`
		if r.URL.Path == api.MetricsPath {
			body = `{"data":[],"next_cursor":"7"}`
		}
		_, _ = io.WriteString(w, body)
	})
	expect := func(want string, err error) {
		t.Helper()
		if err != nil || asked != want {
			t.Errorf("asked for %q, %v, want %q", asked, err, want)
		}
	}
	l, err := c.Ledger(t.Context())
	expect("GET /api/v1/ledger ", err)
	if l.Received != 3 || l.Check() != nil {
		t.Errorf("the ledger is %+v", l)
	}
	page, err := c.Metrics(t.Context(), url.Values{"name": {"a*"}, "tag": {"env:prod", "x:&="}})
	expect("GET /api/v1/metrics name=a%2A&tag=env%3Aprod&tag=x%3A%26%3D", err)
	if page.NextCursor != "7" {
		t.Errorf("the page is %+v", page)
	}
	data, err := c.Query(t.Context(), `x{a="b"} + 1`, time.UnixMilli(1_764_000_000_123))
	expect("GET /prometheus/api/v1/query query=x%7Ba%3D%22b%22%7D+%2B+1&time=1764000000.123", err)
	if data.ResultType != "vector" || string(data.Result) != "[]" {
		t.Errorf("the data is %+v", data)
	}
	_, err = c.Query(t.Context(), "x", time.Time{})
	expect("GET /prometheus/api/v1/query query=x", err)
	_, err = c.QueryRange(t.Context(), "x", time.UnixMilli(500), time.UnixMilli(2000), 1500*time.Millisecond)
	expect("GET /prometheus/api/v1/query_range end=2.000&query=x&start=0.500&step=1.5", err)
	expect("GET /api/v1/slos/a/report ", c.SLOReport(t.Context(), "a", "", new(any)))
	st, err := c.Status(t.Context(), false)
	expect("GET /health ", err)
	if st.Status != "success" {
		t.Errorf("the status is %+v", st)
	}
}

// TestNotReadyIsAnAnswer: 503 of readiness is no failure of the call.
func TestNotReadyIsAnAnswer(t *testing.T) {
	c := serve(t, answers(503, "application/json", `{"status":"not_ready","version":"1","reasons":[{"code":"store_away","detail":"gone"}]}`))
	s, err := c.Status(t.Context(), true)
	if err != nil || s.Status != "not_ready" || len(s.Reasons) != 1 || s.Reasons[0].Code != "store_away" {
		t.Errorf("%+v, %v", s, err)
	}
}
