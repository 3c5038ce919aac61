package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/logs"
	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// pressed is a daemon whose limits are set while it runs, and a session of a
// producer that it knows.
type pressed struct {
	*stack
	daemon *daemon.Daemon

	mu    sync.Mutex
	flags map[string]string

	session *session
	shed    uint64 // values of lines that were not taken
	news    int
}

// startPressed takes settings, as key=value, beside its own.
func startPressed(t *testing.T, further ...string) *pressed {
	t.Helper()
	limit := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(limit) })
	p := &pressed{flags: map[string]string{
		"server.listen": "127.0.0.1:0", "server.data_dir": t.TempDir(), "aggregate.resolution": "1s", "ingest.lanes": "2",
		"server.memory_limit": "1000GiB", // whatever the machine says
	}}
	for _, f := range further {
		key, value, _ := strings.Cut(f, "=")
		p.flags[key] = value
	}
	p.stack = &stack{t: t, log: new(syncBuffer)}
	settings, err := p.read()
	if err != nil {
		t.Fatal(err)
	}
	levels, err := logs.ParseLevels("info")
	if err != nil {
		t.Fatal(err)
	}
	p.daemon, err = daemon.Start(t.Context(), daemon.Options{Settings: settings, Read: p.read, Log: logs.New(p.log, true, levels), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.daemon.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	p.url = "http://" + p.daemon.Addr().String()
	if p.http, err = client.NewHTTP(p.url); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *pressed) read() (*config.Resolved, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return config.Resolve(config.Source{Getenv: func(string) string { return "" }, Flags: p.flags})
}

// set changes a limit and waits until the level is there.
func (p *pressed) set(key, value string, level int) {
	p.t.Helper()
	p.mu.Lock()
	p.flags[key] = value
	p.mu.Unlock()
	if _, err := p.daemon.Reload(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	want := fmt.Sprintf("nexus_pressure_level %d\n", level)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.do(http.MethodGet, "/metrics", "", "").body, want); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("with %s = %s the level never is %d; the daemon says\n%s", key, value, level, p.log)
		}
	}
}

// reserve sets the disk's reserve so that so many of it are free.
func (p *pressed) reserve(free float64, level int) {
	p.t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(p.flags["server.data_dir"], &fs); err != nil {
		p.t.Fatal(err)
	}
	p.set("server.disk_reserve", fmt.Sprint(uint64(float64(fs.Bavail*uint64(fs.Bsize))/free)), level)
}

// session is one acked session, spoken by hand.
type session struct {
	net net.Conn
	in  *bufio.Reader
	seq int
}

// hello opens a session; the answer is its first word.
func (p *pressed) hello(producer string) (*session, string) {
	p.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	s := &session{net: c, in: bufio.NewReader(c)}
	return s, s.say(p.t, fmt.Sprintf("HELLO nexus/1 producer=%s epoch=1\n", producer))
}

// batch sends one value; where it is to be sent again, the next call does.
func (s *session) batch(t *testing.T) string {
	t.Helper()
	payload := "acked:1|c\n"
	answer := s.say(t, fmt.Sprintf("BATCH %d %d %08x\n%s", s.seq+1, len(payload), protocol.Checksum([]byte(payload)), payload))
	if answer == "ACK" {
		s.seq++
	}
	return answer
}

func (s *session) say(t *testing.T, text string) string {
	t.Helper()
	_ = s.net.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := s.net.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	line, err := s.in.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(line)
	if words[0] == "ERR" {
		return strings.Join(words, " ")
	}
	return words[0]
}

func (p *pressed) ledger() (l api.Ledger) {
	p.t.Helper()
	r := p.do(http.MethodGet, "/api/v1/ledger", "", "")
	if err := json.Unmarshal([]byte(r.body), &l); err != nil {
		p.t.Fatal(err, r)
	}
	return l
}

// line sends two values in one line and tells what became of them.
func (p *pressed) line() string {
	p.t.Helper()
	before := p.ledger()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.Write([]byte("plain:1:2|d\n\nno line\n")); err != nil {
		p.t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		p.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l := p.ledger()
		if l.Received < before.Received+3 {
			if time.Now().After(deadline) {
				p.t.Fatalf("a line does not arrive: %+v", l)
			}
			continue
		}
		if l.Rejected["syntax"] != before.Rejected["syntax"]+1 {
			p.t.Errorf("what is no line was not rejected: %+v, %+v before", l, before)
		}
		for _, why := range []string{"disk", "memory"} {
			if l.Shed[why] == before.Shed[why]+2 {
				p.shed += 2
				return "shed " + why
			}
		}
		return "taken"
	}
}

// doors tries every door once.
func (p *pressed) doors() map[string]string {
	p.t.Helper()
	got := map[string]string{}
	for _, path := range []string{"/health", "/ready", "/metrics", "/api/v1/ledger", "/api/v1/overview", "/api/v1/slos"} {
		got[path] = fmt.Sprint(p.do(http.MethodGet, path, "", "").status)
	}
	for name, path := range map[string]string{
		"debug": "/api/v1/cardinality", "complete": "/prometheus/api/v1/labels", "list": "/api/v1/metrics",
		"history": "/api/v1/metrics/acked/history", "promql": "/prometheus/api/v1/query?query=acked_total",
	} {
		r := p.do(http.MethodGet, path, "", "")
		got[name] = fmt.Sprint(r.status)
		if r.status == http.StatusServiceUnavailable && (r.header.Get("Retry-After") != "2" || !strings.Contains(r.body, "_pressure")) {
			p.t.Errorf("%s is refused by %v, %s", name, r.header, r.body)
		}
	}
	got["post"] = fmt.Sprint(p.do(http.MethodPost, "/api/v1/metrics", "application/json", `{"name":"posted","value":1}`).status)
	got["form"] = fmt.Sprint(p.do(http.MethodPost, "/metrics", "application/x-www-form-urlencoded", "name=posted&value=1").status)
	got["influx"] = fmt.Sprint(p.do(http.MethodPost, "/write", "text/plain", "weather t=1").status)
	req, err := http.NewRequest(http.MethodPost, p.url+"/api/v1/metrics", strings.NewReader(`{"name":"keyed","value":1}`))
	if err != nil {
		p.t.Fatal(err)
	}
	p.news++
	req.Header.Set("Idempotency-Key", fmt.Sprint("key", p.news))
	got["keyed"] = fmt.Sprint(send(p.t, req).status)
	_, got["newcomer"] = p.hello(fmt.Sprint("newcomer", p.news))
	got["known"] = p.session.batch(p.t)
	got["line"] = p.line()
	return got
}

// TestPressure forces one level after the other by settings, up and down again,
// and tries every door: each level refuses what it should and nothing else, what
// is told to come again is taken then, and the ledger agrees to the value.
func TestPressure(t *testing.T) {
	p := startPressed(t)
	var answer string
	if p.session, answer = p.hello("known"); answer != "OK" || p.session.batch(t) != "ACK" {
		t.Fatal(answer)
	}
	const retry = "ERR retry after=2000"
	open := map[string]string{
		"/health": "200", "/ready": "200", "/metrics": "200", "/api/v1/ledger": "200", "/api/v1/overview": "200", "/api/v1/slos": "200",
		"debug": "200", "complete": "200", "list": "200", "history": "200", "promql": "200", "post": "202", "form": "202", "influx": "204",
		"keyed": "202", "newcomer": "OK", "known": "ACK", "line": "taken",
	}
	refused := [][]string{ // by level
		{}, {"debug", "complete"}, {"list", "history", "promql"}, {"post", "form", "line", "/ready"}, {"keyed", "influx", "newcomer"}, {"known"},
	}
	expect := func(level int, cause string) {
		t.Helper()
		got := p.doors()
		for door, want := range open {
			for _, closed := range refused[:level+1] {
				for _, one := range closed {
					switch {
					case one != door:
					case door == "line":
						want = "shed " + cause
					case door == "newcomer" || door == "known":
						want = retry
					default:
						want = "503"
					}
				}
			}
			if got[door] != want {
				t.Errorf("at level %d, %s: %s is %s, want %s", level, cause, door, got[door], want)
			}
		}
		if body := p.do(http.MethodGet, "/ready", "", "").body; strings.Contains(body, cause+"_pressure") != (level >= 3) {
			t.Errorf("at level %d it is ready: %s", level, body)
		}
	}
	expect(0, "disk")
	for i, free := range []float64{1.75, 1.25, 0.75, 0.375, 0.1} {
		p.reserve(free, i+1)
		expect(i+1, "disk")
	}
	p.reserve(0.75, 3)
	expect(3, "disk")
	p.set("server.disk_reserve", "0B", 0)
	expect(0, "disk")
	p.set("server.memory_limit", "1KiB", 5)
	expect(5, "memory")
	p.set("server.memory_limit", "1000GiB", 0)
	expect(0, "memory")

	l := p.ledger()
	sum := l.Stored + l.Pending + l.Dead + l.Lost
	var shed uint64
	for _, n := range l.Shed {
		shed += n
	}
	for _, n := range l.Rejected {
		sum += n
	}
	if sum+shed != l.Received || shed != p.shed || l.Shed["memory"] != 2 || l.Duplicates != 0 {
		t.Errorf("%+v; %d values were shed", l, p.shed)
	}
	v := p.do(http.MethodGet, "/prometheus/api/v1/query?query=acked_total", "", "").body
	if want := fmt.Sprintf("%q", fmt.Sprint(p.session.seq)); !strings.Contains(v, want) {
		t.Errorf("of %d acknowledged batches the store says %s", p.session.seq, v)
	}
	if text := p.log.String(); strings.Count(text, "pressure grows") != 6 || strings.Count(text, "pressure falls") != 3 {
		t.Errorf("the daemon says\n%s", text)
	}
}

// TestPressureAgain: a client's batches that were in flight when nothing was taken
// any more are taken once each when it is over.
func TestPressureAgain(t *testing.T) {
	p := startPressed(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	s, err := client.OpenSession(ctx, client.SessionOptions{Addr: strings.TrimPrefix(p.url, "http://"), Producer: "steady", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	send := func(n int) {
		t.Helper()
		for range n {
			if err := s.Send(ctx, []byte("acked:1|c\nacked:1|c\n")); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1)
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p.set("server.memory_limit", "1KiB", 5)
	send(20)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.do(http.MethodGet, "/metrics", "", "").body, "nexus_pressure_refused_total{level=\"all\"} 20\n"); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not all batches are refused:\n%s", p.do(http.MethodGet, "/metrics", "", "").body)
		}
	}
	if l := p.ledger(); l.Received != 2 {
		t.Errorf("what is to be sent again was received: %+v", l)
	}
	p.set("server.memory_limit", "1000GiB", 0)
	send(10)
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if l := p.ledger(); l.Received != 62 || l.Stored+l.Pending != 62 || l.Duplicates != 0 || len(l.Shed) > 0 && l.Shed["memory"] != 0 {
		t.Errorf("%+v", l)
	}
	if st := s.Stats(); st.Accepted != 62 || st.Unacked != 0 {
		t.Errorf("%+v", st)
	}
}
