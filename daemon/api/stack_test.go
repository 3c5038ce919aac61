package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(withPostgres{m}, goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }))
}

// withPostgres stops the server that tests have started.
type withPostgres struct{ m *testing.M }

func (w withPostgres) Run() int { return pgtest.Run(w.m) }

// maxBody and maxLine are small, so that tests can pass them.
const (
	maxBody = 256 << 10
	maxLine = 4 << 10
)

// stack is a whole daemon.
type stack struct {
	t    *testing.T
	url  string
	dir  string
	http *client.HTTP
	log  *syncBuffer
}

// syncBuffer holds the daemon's log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start brings a daemon up on an empty directory.
func start(t *testing.T) *stack {
	t.Helper()
	return startIn(t, t.TempDir())
}

func startIn(t *testing.T, dir string) *stack {
	t.Helper()
	s, stop := startOn(t, dir, "sqlite:nexus.db")
	t.Cleanup(stop)
	return s
}

// startOn brings a daemon up on a store, with settings beside the usual ones,
// "key=value"; it returns what stops it.
func startOn(t *testing.T, dir, store string, more ...string) (s *stack, stop func()) {
	t.Helper()
	flags := map[string]string{
		"server.listen": "127.0.0.1:0", "server.data_dir": dir, "aggregate.resolution": "1s", "storage.url": store,
		"ingest.max_body": "256KiB", "ingest.max_line": "4KiB", "ingest.lanes": "2",
	}
	for _, one := range more {
		key, value, _ := strings.Cut(one, "=")
		flags[key] = value
	}
	settings, err := config.Resolve(config.Source{Getenv: func(string) string { return "" }, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	levels, err := logs.ParseLevels("debug")
	if err != nil {
		t.Fatal(err)
	}
	s = &stack{t: t, dir: dir, log: new(syncBuffer)}
	d, err := daemon.Start(t.Context(), daemon.Options{Settings: settings, Log: logs.New(s.log, true, levels), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	s.url = "http://" + d.Addr().String()
	if s.http, err = client.NewHTTP(s.url); err != nil {
		t.Fatal(err)
	}
	return s, stop
}

// reply is one answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; target is path and query, or a whole address.
func (s *stack) do(method, target, contentType, body string) reply {
	s.t.Helper()
	return ask(s.t, method, s.url+target, contentType, body)
}

func ask(t *testing.T, method, target, contentType, body string) reply {
	t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Type") == "text/event-stream" { // it has no end: its head alone
		return reply{res.StatusCode, res.Header, ""}
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(b)}
}

func (s *stack) get(target string) reply { s.t.Helper(); return s.do("GET", target, "", "") }

// post sends text lines, which must all be taken.
func (s *stack) post(lines string) {
	s.t.Helper()
	if r := s.do("POST", "/api/v1/metrics", "text/plain", lines); r.status != http.StatusAccepted {
		s.t.Fatalf("%d %s", r.status, r.body)
	}
}

// decode reads an answer's body.
func decode[T any](t *testing.T, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %d %s", err, r.status, r.body)
	}
	return v
}

// expect holds status and type of an answer.
func (r reply) expect(t *testing.T, what string, status int, contentType string) {
	t.Helper()
	if r.status != status || r.header.Get("Content-Type") != contentType {
		t.Errorf("%s: %d %s %s, want %d %s", what, r.status, r.header.Get("Content-Type"), r.body, status, contentType)
	}
}

const (
	plainJSON   = "application/json"
	problemJSON = "application/problem+json"
)

// problem holds that an answer is a problem about a field, with everything that
// one needs to mend it.
func (r reply) problem(t *testing.T, what string, status int, field string) {
	t.Helper()
	r.expect(t, what, status, problemJSON)
	p := decode[api.Problem](t, r)
	switch {
	case p.Status != status || p.Title == "" || p.Type == "" || !strings.HasPrefix(p.Instance, "/"):
		t.Errorf("%s: it is no whole problem: %s", what, r.body)
	case p.Field != field:
		t.Errorf("%s: it is about the field %q, want %q", what, p.Field, field)
	case field != "" && (p.Detail == "" || p.Fix == ""):
		t.Errorf("%s: it does not say what to do: %s", what, r.body)
	case status == http.StatusBadRequest && p.Rule == "":
		t.Errorf("%s: it does not say the rule: %s", what, r.body)
	}
}

// secrets must stand in no answer.
func (r reply) secrets(t *testing.T, what, dir string) {
	t.Helper()
	for _, s := range []string{dir, "SELECT", "INSERT", "sqlite", "goroutine ", ".go:", "runtime.", "panic"} {
		if strings.Contains(r.body, s) {
			t.Errorf("%s: the answer gives away %q: %s", what, s, r.body)
		}
	}
}

// stored waits until everything that was taken is in the store.
func (s *stack) stored() {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		l, err := s.http.Ledger(context.Background())
		if err == nil {
			err = l.Check()
		}
		if err != nil {
			s.t.Fatal(err)
		}
		if l.Pending == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d units are not stored", l.Pending)
		}
	}
}

// form makes a form's body of keys and values in turn.
func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// record runs a handler without a network.
func record(h http.Handler, method, target string) reply {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost"
	h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}
