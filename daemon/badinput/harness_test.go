// Package badinput_test sends what a trusted system must expect through the real
// doors of a whole daemon, case by case: each has its verdict, is counted once,
// harms no neighbour and leaves the ledger whole. The names of the subtests are
// those of a catalogue of bad inputs: T is text, F framing, J JSON.
package badinput_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
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
	"example.com/nexusctl/slo"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }))
}

// system is a whole daemon with every door open.
type system struct {
	t    *testing.T
	addr string
	dir  string
	udp  string
	http *client.HTTP
	stop func()
}

// start brings a daemon up; settings are keys and values in turn.
func start(t *testing.T, settings ...string) *system {
	t.Helper()
	return startAt(t, time.Now, settings...)
}

// startAt brings one up that tells the time by now.
func startAt(t *testing.T, now func() time.Time, settings ...string) *system {
	t.Helper()
	return startWith(t, now, nil, settings...)
}

// startWith brings one up that has objectives, too.
func startWith(t *testing.T, now func() time.Time, objectives []slo.Definition, settings ...string) *system {
	t.Helper()
	dir := t.TempDir()
	s := &system{t: t, dir: dir}
	flags := map[string]string{
		"server.listen": "127.0.0.1:0", "server.data_dir": dir, "aggregate.resolution": "1s", "ingest.lanes": "2", "wal.interval": "5ms",
		"ingest.udp": freeUDP(t), "ingest.unix": filepath.Join(dir, "stream"), "ingest.unixgram": filepath.Join(dir, "gram"),
		"ingest.max_body": "1MiB",
	}
	for i := 0; i < len(settings); i += 2 {
		flags[settings[i]] = settings[i+1]
	}
	resolved, err := config.Resolve(config.Source{Getenv: func(string) string { return "" }, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	resolved.Config.SLO = objectives
	levels, err := logs.ParseLevels("error")
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(t.Context(), daemon.Options{Settings: resolved, Log: logs.New(io.Discard, true, levels), Version: "test", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	s.addr = d.Addr().String()
	if s.http, err = client.NewHTTP(s.addr); err != nil {
		t.Fatal(err)
	}
	s.udp = flags["ingest.udp"]
	return s
}

// freeUDP finds a port that nobody has.
func freeUDP(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}

// ledger reads the ledger and holds it to the law.
func (s *system) ledger() api.Ledger {
	s.t.Helper()
	l, err := s.http.Ledger(context.Background())
	if err == nil {
		err = l.Check()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// verdict is what some input comes to: units accepted, and rejected by reason.
type verdict struct {
	accepted uint64
	rejected map[string]uint64
}

func (v verdict) units() uint64 { return v.accepted + api.Sum(v.rejected) }

// comes waits until as many units came as the verdict has, since the ledger was
// as before, and compares.
func (s *system) comes(t *testing.T, before api.Ledger, want verdict) {
	t.Helper()
	var l api.Ledger
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if l = s.ledger(); l.Received-before.Received >= want.units() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d units came of %d: %v", l.Received-before.Received, want.units(), since(before, l).rejected)
		}
	}
	if got := since(before, l); got.accepted != want.accepted || !maps.Equal(got.rejected, notNil(want.rejected)) {
		t.Errorf("accepted %d, rejected %v; want %d and %v", got.accepted, got.rejected, want.accepted, want.rejected)
	}
	if api.Sum(l.Shed) != 0 || l.Lost != 0 || l.Dead != 0 {
		t.Errorf("shed %v, lost %d, dead %d", l.Shed, l.Lost, l.Dead)
	}
}

func notNil(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}

func since(before, now api.Ledger) verdict {
	v := verdict{accepted: now.Stored + now.Pending - before.Stored - before.Pending, rejected: map[string]uint64{}}
	for reason, n := range now.Rejected {
		if d := n - before.Rejected[reason]; d > 0 {
			v.rejected[reason] = d
		}
	}
	return v
}

// door is a way in for lines.
type door struct {
	name string
	most int // bytes; 0 for any number
	send func(t *testing.T, s *system, lines string)
}

var doors = []door{
	{"tcp", 0, func(t *testing.T, s *system, lines string) { pour(t, "tcp", s.addr, lines) }},
	{"unix", 0, func(t *testing.T, s *system, lines string) { pour(t, "unix", filepath.Join(s.dir, "stream"), lines) }},
	{"udp", 8 << 10, func(t *testing.T, s *system, lines string) { pour(t, "udp", s.udp, lines) }},
	{"unixgram", 8 << 10, func(t *testing.T, s *system, lines string) { pour(t, "unixgram", filepath.Join(s.dir, "gram"), lines) }},
	{"session", 1 << 20, func(t *testing.T, s *system, lines string) { s.session(t, lines, false) }},
	{"zstd", 1 << 20, func(t *testing.T, s *system, lines string) { s.session(t, lines, true) }},
}

var httpText = door{"http", 1 << 20, func(t *testing.T, s *system, lines string) { s.post(t, "text/plain", lines) }}

var httpJSON = door{"http", 1 << 20, func(t *testing.T, s *system, lines string) { s.post(t, "application/x-ndjson", lines) }}

func pour(t *testing.T, network, addr, lines string) {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, lines); err != nil {
		t.Error(err)
	}
}

func (s *system) session(t *testing.T, lines string, compress bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := client.OpenSession(ctx, client.SessionOptions{Addr: s.addr, Producer: fmt.Sprint("p", time.Now().UnixNano()), Epoch: 1, Compress: compress})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(ctx, []byte(lines)); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

// post sends a body and returns status and answer.
func (s *system) post(t *testing.T, kind, body string) (status int, answer string) {
	t.Helper()
	res, err := http.Post("http://"+s.addr+"/api/v1/metrics", kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// get reads an answer of the API.
func get[T any](t *testing.T, s *system, path string) (v T) {
	t.Helper()
	res, err := http.Get("http://" + s.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
	}
	return v
}

// last returns the last value of the one series of a name.
func (s *system) last(t *testing.T, name string) float64 {
	t.Helper()
	d := get[api.MetricDetail](t, s, "/api/v1/metrics/"+name)
	if len(d.Series) != 1 || d.Series[0].Last == nil {
		t.Fatalf("%s: %+v", name, d)
	}
	return *d.Series[0].Last
}

// counter reads one of the daemon's own counters, with its labels as they are
// written.
func (s *system) counter(t *testing.T, name string) (v float64) {
	t.Helper()
	res, err := http.Get("http://" + s.addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(rest, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no figure %s", name)
	return 0
}

// eventually waits for what happens behind a door.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	// What is asked for is mostly every metric there is: asked all the time, it would
	// take what the daemon needs to get there.
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

func dial(t *testing.T, s *system) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Error(err)
	}
}

// closed reads until the daemon closes, and returns what it said.
func closed(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("waiting for the daemon to close: %v", err)
	}
	return string(b)
}
