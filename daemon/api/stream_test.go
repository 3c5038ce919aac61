package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/daemon"
	daemonapi "example.com/nexusctl/daemon/api"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/ledger"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/protocol/api"
)

// sse is one event as a client reads it.
type sse struct{ id, event, data string }

// reader reads events.
type reader struct {
	t   *testing.T
	res *http.Response
	buf *bufio.Reader
	err error // that ended it
}

// open begins a stream; more are headers in turn.
func (s *stack) open(query string, more ...string) *reader {
	s.t.Helper()
	return openStream(s.t, s.url+api.StreamPath+query, more...)
}

// patience bounds how long a test waits for an event that does not come.
const patience = time.Minute

func openStream(t *testing.T, address string, more ...string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(more); i += 2 {
		req.Header.Set(more[i], more[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return &reader{t: t, res: res, buf: bufio.NewReader(res.Body)}
}

// next returns the next event; false at the end. Comments are left out.
func (r *reader) next() (e sse, ok bool) {
	for {
		line, err := r.buf.ReadString('\n')
		if err != nil {
			r.err = err
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e.event != "":
			return e, true
		case key == "id":
			e.id = value
		case key == "event":
			e.event = value
		case key == "data":
			e.data = value
		}
	}
}

// until reads events until one is as wanted.
func (r *reader) until(what string, want func(sse) bool) sse {
	r.t.Helper()
	var seen []sse
	for {
		e, ok := r.next()
		if !ok {
			r.t.Fatalf("the stream ended before %s: %.500v, then %v", what, seen, r.err)
		}
		if want(e) {
			return e
		}
		seen = append(seen, e)
	}
}

func (e sse) sample(t *testing.T) (s api.StreamSample) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.data), &s); err != nil {
		t.Fatalf("%v: %s", err, e.data)
	}
	return s
}

// lastIs wants a sample in which a series has a value.
func lastIs(t *testing.T, name string, value float64) func(sse) bool {
	return func(e sse) bool {
		if e.event != "sample" {
			return false
		}
		for _, m := range e.sample(t).Series {
			if m.Name == name && m.Last != nil && *m.Last == value {
				return true
			}
		}
		return false
	}
}

func TestStreamOfADaemon(t *testing.T) {
	s := start(t)
	s.post("st.count:3|c|#env:prod\nst.other:1|g\n")
	r := s.open("?name=st.*&tag=env:prod&events=sample,ledger,health", "Accept-Encoding", "gzip, zstd")
	h := r.res.Header
	if r.res.StatusCode != 200 || h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store" || h.Get("Content-Encoding") != "" {
		t.Fatalf("%d %v", r.res.StatusCode, h)
	}
	first, _ := r.next()
	if first.event != "sample" || !first.sample(t).Whole || first.id == "" {
		t.Errorf("the first event is %+v", first)
	}
	s.post("st.count:4|c|#env:prod\nst.other:2|g\n")
	seven := r.until("7", lastIs(t, "st.count", 7))
	for _, m := range seven.sample(t).Series {
		if m.Name != "st.count" || m.Type != "counter" || m.Tags["env"] != "prod" {
			t.Errorf("it is told of %+v", m)
		}
	}
	// Samples and the ledger come in no fixed order, and each only where it changed.
	s.post("st.count:5|c|#env:prod\n")
	twelve := lastIs(t, "st.count", 12)
	var total, book bool
	r.until("12, and a ledger that has it", func(e sse) bool {
		total = total || twelve(e)
		book = book || e.event == "ledger" && e.id != "" && received(t, e) >= 5
		return total && book
	})
	// Whoever comes back is told what it missed.
	again := s.open("?name=st.*&tag=env:prod", "Last-Event-ID", seven.id)
	again.until("12 again", lastIs(t, "st.count", 12))
	if e := s.open("?name=st.count", "Last-Event-ID", "77").until("a gap", func(sse) bool { return true }); e.event != "gap" || !strings.Contains(e.data, `"reason":"window"`) {
		t.Errorf("an old id: %+v", e)
	}
}

func received(t *testing.T, e sse) uint64 {
	t.Helper()
	var l api.Ledger
	if err := json.Unmarshal([]byte(e.data), &l); err != nil {
		t.Fatalf("%v: %s", err, e.data)
	}
	return l.Received
}

func TestStreamEndsWithTheDaemon(t *testing.T) {
	s, stop := startOn(t, t.TempDir(), "sqlite:nexus.db")
	r := s.open("?name=x")
	r.next()
	done := make(chan struct{})
	go func() { defer close(done); stop() }()
	e := r.until("the last event", func(e sse) bool { return e.event == "end" })
	if e.data != `{"reason":"stopping"}` {
		t.Errorf("%+v", e)
	}
	if _, more := r.next(); more {
		t.Error("something follows the last event")
	}
	<-done
}

func TestBadStreams(t *testing.T) {
	s := start(t)
	for _, test := range []struct{ query, field string }{
		{"?events=sample", "match"}, {"?events=everything", "events"}, {"?events=ledger&name=a", "events"}, {"?events=,", "events"},
		{"?match=%7B", "match"}, {"?match=rate(a%5B1m%5D)", "match"}, {"?tag=env", "tag"}, {"?type=text", "type"},
		{"?" + strings.Repeat("match=a&", stream.MaxSelectors+1), "match"},
	} {
		s.get(api.StreamPath+test.query).problem(t, test.query, 400, test.field)
	}
	for header, value := range map[string]string{"Origin": "http://example.com", "Sec-Fetch-Site": "cross-site"} {
		req, _ := http.NewRequest(http.MethodGet, s.url+api.StreamPath+"?name=a", nil)
		req.Header.Set(header, value)
		send(t, req).problem(t, header, 403, "Origin")
	}
	r := s.open("?name=a", "Origin", s.url, "Sec-Fetch-Site", "same-origin")
	if r.res.StatusCode != 200 {
		t.Errorf("a page of this server gets %d", r.res.StatusCode)
	}
	var many strings.Builder
	for i := range stream.MaxSeries + 1 {
		fmt.Fprintf(&many, "many:1|g|#n:%d\n", i)
	}
	s.post(many.String())
	s.get(api.StreamPath+"?name=many").problem(t, "501 series", 422, "match")
	text := s.get("/metrics").body
	for _, want := range []string{`nexus_stream_refused_total{reason="origin"} 2`, `nexus_stream_refused_total{reason="series"} 1`, "nexus_stream_clients 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// hubServer serves streams of a hub without a daemon, under a server's deadlines.
func hubServer(t *testing.T, deadline time.Duration) (*stream.Hub, string) {
	hub := stream.New(stream.Options{
		Ledger: func(context.Context) (l ledger.Statement, err error) {
			return ledger.Statement{Rejected: map[string]uint64{strings.Repeat("x", 256<<10): uint64(time.Now().UnixNano())}}, nil
		},
		Resolution: 10_000, Clients: 10, Now: time.Now,
	})
	srv := httptest.NewUnstartedServer(parts(daemonapi.Options{Stream: hub, Beat: 50 * time.Millisecond}))
	srv.Config.ReadTimeout, srv.Config.WriteTimeout, srv.Config.IdleTimeout = deadline, deadline, deadline
	srv.Start()
	t.Cleanup(func() { hub.Close(); srv.Close() })
	return hub, srv.URL + api.StreamPath
}

// TestStreamBeats: a stream on which nothing happens says that it is there.
func TestStreamBeats(t *testing.T) {
	_, address := hubServer(t, 0)
	r := openStream(t, address+"?events=ledger")
	beats := 0
	for beats < 3 {
		line, err := r.buf.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		switch line {
		case ":\n":
			beats++
		case "\n", "retry: 2000\n":
		default:
			t.Errorf("it was told %q, and nothing had happened", line)
		}
	}
}

// TestStreamsOverHTTP2: many streams share one connection; each is told, one that its
// client ends takes none of the others along, and nothing of them is left.
func TestStreamsOverHTTP2(t *testing.T) {
	const n = 50
	s := startStreams(t, n)
	s.post("h2.g:1|g\n")
	var dials atomic.Int64
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	ends := make([]context.CancelFunc, n)
	readers := make([]*reader, n)
	for i := range readers {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		t.Cleanup(cancel)
		ends[i] = cancel
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+api.StreamPath+"?name=h2.*", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil || res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
			t.Fatalf("stream %d: %+v, %v", i, res, err)
		}
		readers[i] = &reader{t: t, res: res, buf: bufio.NewReader(res.Body)}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
	ends[0]()
	for deadline := time.Now().Add(patience); !strings.Contains(s.get("/metrics").body, fmt.Sprintf("nexus_stream_clients %d\n", n-1)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the one that its client ended is kept")
		}
	}
	s.post("h2.g:42|g\n")
	for _, r := range readers[1:] {
		r.until("42", lastIs(t, "h2.g", 42))
	}
	for _, end := range ends {
		end()
	}
	for deadline := time.Now().Add(patience); !strings.Contains(s.get("/metrics").body, "nexus_stream_clients 0\n"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("streams that ended are kept")
		}
	}
}

// TestStreamOutlivesDeadlines: those of the server are for answers that end.
func TestStreamOutlivesDeadlines(t *testing.T) {
	hub, address := hubServer(t, 100*time.Millisecond)
	r := openStream(t, address+"?events=ledger")
	time.Sleep(400 * time.Millisecond)
	hub.State(t.Context())
	r.until("an event", func(e sse) bool { return e.event == "ledger" })
}

// TestStreamOfOneWhoNeverReads: it is let go, and who reads is told on.
func TestStreamOfOneWhoNeverReads(t *testing.T) {
	hub, address := hubServer(t, 0)
	idle, reads := openStream(t, address+"?events=ledger"), openStream(t, address+"?events=ledger")
	var told atomic.Int64
	go func() {
		for {
			if _, ok := reads.next(); !ok {
				return
			}
			told.Add(1)
		}
	}()
	for i := int64(1); hub.Stats().Dropped.Load() == 0; i++ {
		if i > 400 {
			t.Fatal("400 events of 256 KiB wait for one who never reads")
		}
		hub.State(t.Context())
		for deadline := time.Now().Add(20 * time.Second); told.Load() < i; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the one who reads was told %d of %d", told.Load(), i)
			}
		}
	}
	if n := hub.Stats().Dropped.Load(); n != 1 {
		t.Errorf("%d let go", n)
	}
	// What was on its way is read; then it is told of the gap.
	if e := idle.until("the gap", func(e sse) bool { return e.event == "gap" }); !strings.Contains(e.data, `"slow"`) {
		t.Errorf("%+v", e)
	}
}

// TestIdleStreams has many clients that only wait: they are told, no more than are
// permitted are taken, and nothing of them is left. NEXUS_STREAM_READERS sets how
// many; the default is 200.
func TestIdleStreams(t *testing.T) {
	n := 200
	if text := os.Getenv("NEXUS_STREAM_READERS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := startStreams(t, n)
	s.post("idle.g:1|g\n")
	transport := &http.Transport{MaxIdleConns: -1}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	before := memory()
	began := time.Now()
	streams := make([]*http.Response, n)
	var wait sync.WaitGroup
	gate := make(chan struct{}, 32)
	for i := range streams {
		wait.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+api.StreamPath+"?name=idle.*", nil)
			res, err := client.Do(req)
			if err != nil || res.StatusCode != 200 {
				t.Errorf("client %d: %v %v", i, res, err)
				return
			}
			streams[i] = res
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d streams were open after %v; heap and stacks of both sides grew by %d bytes for each", n, time.Since(began).Round(time.Millisecond), (memory()-before)/int64(n))
	r := s.get(api.StreamPath + "?name=idle.g")
	if r.problem(t, "one more", 503, ""); r.header.Get("Retry-After") == "" {
		t.Error("it is not said when to come back")
	}
	s.post("idle.g:42|g\n")
	for _, res := range streams {
		r := &reader{t: t, res: res, buf: bufio.NewReaderSize(res.Body, 512)}
		r.until("42", lastIs(t, "idle.g", 42))
	}
	text := s.get("/metrics").body
	for _, want := range []string{fmt.Sprintf("nexus_stream_clients %d\n", n), "nexus_stream_topics 1\n", "nexus_stream_series 1\n", "nexus_stream_dropped_total 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	for _, res := range streams {
		_ = res.Body.Close()
	}
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(s.get("/metrics").body, "nexus_stream_clients 0\n"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("clients that went are kept")
		}
	}
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// startStreams brings a daemon up that takes n streams.
func startStreams(t *testing.T, n int) *stack {
	t.Helper()
	dir := t.TempDir()
	settings, err := config.Resolve(config.Source{Getenv: func(string) string { return "" }, Flags: map[string]string{
		"server.listen": "127.0.0.1:0", "server.data_dir": dir, "server.stream_clients": strconv.Itoa(n), "server.max_connections": strconv.Itoa(2*n + 100),
	}})
	if err != nil {
		t.Fatal(err)
	}
	levels, _ := logs.ParseLevels("warn")
	d, err := daemon.Start(t.Context(), daemon.Options{Settings: settings, Log: logs.New(io.Discard, true, levels), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return &stack{t: t, dir: dir, url: "http://" + d.Addr().String(), log: new(syncBuffer)}
}
