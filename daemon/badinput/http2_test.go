package badinput_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attacker speaks HTTP/2 by hand, without TLS, as the daemon takes it.
type attacker struct {
	t      *testing.T
	s      *system
	net    *net.TCPConn
	framer *http2.Framer
	heads  *hpack.Encoder
	block  bytes.Buffer
	ended  chan string // why the daemon ended it, once it has; nothing else is said
	resets chan http2.ErrCode
}

// attack opens a connection and reads in the background what the daemon says.
func attack(t *testing.T, s *system, settings ...http2.Setting) *attacker {
	t.Helper()
	a := &attacker{t: t, s: s, net: dial(t, s), ended: make(chan string, 1), resets: make(chan http2.ErrCode, 1<<16)}
	write(t, a.net, http2.ClientPreface)
	a.framer = http2.NewFramer(a.net, a.net)
	a.heads = hpack.NewEncoder(&a.block)
	if err := a.framer.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	go a.read()
	return a
}

func (a *attacker) read() {
	said := ""
	for {
		f, err := a.framer.ReadFrame()
		if err != nil {
			a.ended <- said + " " + err.Error()
			return
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			said = f.ErrCode.String()
		case *http2.RSTStreamFrame:
			a.resets <- f.ErrCode
		}
	}
}

// request renders a GET's header block.
func (a *attacker) request(path string) []byte {
	a.block.Reset()
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", a.s.addr}, {":path", path}} {
		_ = a.heads.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}) // into memory
	}
	return a.block.Bytes()
}

// pour writes frames until the daemon ends the connection or most are written. It
// reads nothing of what happens to them: that is the attack.
func (a *attacker) pour(most int, frame func(i uint32) error) (written int) {
	_ = a.net.SetWriteDeadline(time.Now().Add(20 * time.Second))
	for i := range uint32(most) {
		if frame(i) != nil {
			return int(i)
		}
	}
	return most
}

// end waits until the daemon ends the connection.
func (a *attacker) end() string {
	a.t.Helper()
	select {
	case why := <-a.ended:
		return why
	case <-time.After(20 * time.Second):
		a.t.Error("the connection was not ended")
		return ""
	}
}

// http2Attacks: HTTP/2 is served without TLS, on the one port, and each known
// attack on it is bounded: the connection ends, or goes on at no cost, and others
// are answered.
func http2Attacks(t *testing.T) {
	s := start(t, "ingest.line_timeout", "1s")
	good, before := p99(t, s), s.ledger()
	for _, c := range []struct {
		name   string
		attack func(*testing.T, *system)
	}{
		{"it is served", servedHTTP2}, {"rapid reset", rapidReset}, {"CONTINUATION", continuationFlood}, {"SETTINGS", settingsFlood},
		{"no window", noWindow}, {"PRIORITY", priorityLoop}, {"too many streams", manyStreams}, {"a head that never ends", halfHead},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.attack(t, s)
			if status, _, body := ask(t, s, "GET", "/health", ""); status != http.StatusOK {
				t.Errorf("another client: %d %s", status, body)
			}
		})
	}
	unharmed(t, good, p99(t, s))
	s.comes(t, before, verdict{})
	eventually(t, "the slots are free", func() bool { return s.counter(t, "nexus_connections_active") <= 4 })
	var m runtime.MemStats
	runtime.GC()
	if runtime.ReadMemStats(&m); m.HeapAlloc > 300<<20 {
		t.Errorf("%d MiB are held", m.HeapAlloc>>20)
	}
}

// servedHTTP2 asks as a client in its right mind does.
func servedHTTP2(t *testing.T, s *system) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for range 3 {
		res, err := client.Get("http://" + s.addr + "/health")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
			t.Errorf("%d by %s", res.StatusCode, res.Proto)
		}
		time.Sleep(600 * time.Millisecond) // longer than a head may take, twice: the connection stays
	}
	res, err := client.Get("http://" + strings.Replace(s.addr, "127.0.0.1", "nexus.invalid", 1) + "/health")
	if err == nil {
		_ = res.Body.Close()
		t.Error("a name that is none is resolved")
	}
}

// rapidReset (CVE-2023-44487) begins requests and takes them back at once.
func rapidReset(t *testing.T, s *system) {
	a := attack(t, s)
	const most = 20_000
	n := a.pour(most, func(i uint32) error {
		id := 2*i + 1
		return errors.Join(a.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: a.request("/api/v1/overview"), EndStream: true, EndHeaders: true}),
			a.framer.WriteRSTStream(id, http2.ErrCodeCancel))
	})
	_ = a.net.CloseWrite()
	if why := a.end(); n < most && !strings.Contains(why, "ENHANCE_YOUR_CALM") && !strings.Contains(why, "reset") {
		t.Errorf("ended after %d with %q", n, why)
	}
	eventually(t, "what was begun is over", func() bool { return runtime.NumGoroutine() < 300 })
}

// continuationFlood (CVE-2023-45288) sends a head in pieces, without an end.
func continuationFlood(t *testing.T, s *system) {
	a := attack(t, s)
	piece := bytes.Repeat([]byte{0}, 0)
	for len(piece) < 12<<10 {
		a.block.Reset()
		_ = a.heads.WriteField(hpack.HeaderField{Name: "x", Value: long("y", 100), Sensitive: true})
		piece = append(piece, a.block.Bytes()...)
	}
	if err := a.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: a.request("/health"), EndStream: true}); err != nil {
		t.Fatal(err)
	}
	const most = 5_000 // 60 MB
	if n := a.pour(most, func(uint32) error { return a.framer.WriteContinuation(1, false, piece) }); n == most {
		t.Errorf("all %d were taken", n)
	}
	a.end()
}

// settingsFlood has the daemon acknowledge settings to somebody who does not read.
func settingsFlood(t *testing.T, s *system) {
	a := &attacker{t: t, s: s, net: dial(t, s)}
	if err := a.net.SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	write(t, a.net, http2.ClientPreface)
	a.framer = http2.NewFramer(a.net, a.net)
	_ = a.net.SetWriteDeadline(time.Now().Add(6 * time.Second))
	var frames bytes.Buffer
	many := http2.NewFramer(&frames, nil)
	for range 1000 {
		if err := many.WriteSettings(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3_000 { // 27 MB; acknowledged, as much again
		if _, err := a.net.Write(frames.Bytes()); err != nil {
			return // ended, or not read any more, which bounds it as well
		}
	}
	_ = a.net.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, a.net); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("all was taken, and the connection goes on: %v", err)
	}
}

// noWindow asks for much and lets nothing of it come.
func noWindow(t *testing.T, s *system) {
	closedBefore := s.counter(t, `nexus_connections_closed_total{reason="slow_reader"}`)
	a := attack(t, s, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	const streams = 50
	for i := range uint32(streams) {
		if err := a.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: a.request("/api/v1/openapi.json"), EndStream: true, EndHeaders: true}); err != nil {
			t.Fatal(err)
		}
	}
	for range streams {
		select {
		case <-a.resets:
		case why := <-a.ended:
			t.Fatalf("ended: %s", why)
		case <-time.After(20 * time.Second):
			t.Fatal("a stream that stands still is kept")
		}
	}
	// A stream is counted by its handler, which ends a moment after the peer is told.
	eventually(t, "each is counted", func() bool {
		return s.counter(t, `nexus_connections_closed_total{reason="slow_reader"}`)-closedBefore == streams
	})
	_ = a.net.Close()
	a.end()
}

// priorityLoop has streams depend on each other in a circle, and on themselves.
func priorityLoop(t *testing.T, s *system) {
	a := attack(t, s)
	a.pour(20_000, func(i uint32) error {
		id := 2*(i%100) + 1
		return a.framer.WritePriority(id, http2.PriorityParam{StreamDep: 2*((i+1)%100) + 1, Exclusive: i%2 == 0, Weight: uint8(i)})
	})
	a.pour(1, func(uint32) error { return a.framer.WritePriority(201, http2.PriorityParam{StreamDep: 201}) })
	_ = a.net.CloseWrite()
	a.end()
}

// manyStreams opens more requests at once than are permitted; none of them ends.
func manyStreams(t *testing.T, s *system) {
	a := attack(t, s)
	const streams = 300
	n := a.pour(streams, func(i uint32) error {
		a.block.Reset()
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", s.addr}, {":path", "/api/v1/metrics"}, {"content-type", "text/plain"}} {
			_ = a.heads.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		return a.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: a.block.Bytes(), EndHeaders: true})
	})
	refused, late := 0, 0
	for refused+late < n {
		select {
		case code := <-a.resets:
			if code == http2.ErrCodeRefusedStream {
				refused++
			} else {
				late++
			}
		case why := <-a.ended: // it may be sent away for it, too
			if !strings.Contains(why, "ENHANCE_YOUR_CALM") && !strings.Contains(why, "PROTOCOL") {
				t.Errorf("ended: %s", why)
			}
			return
		case <-time.After(20 * time.Second):
			t.Fatalf("%d are refused and %d given up, of %d", refused, late, n)
		}
	}
	if refused < streams-100 {
		t.Errorf("%d are refused of %d", refused, n)
	}
	_ = a.net.Close()
	a.end()
}

// halfHead begins HTTP/2 and stops within the opening bytes.
func halfHead(t *testing.T, s *system) {
	took, _ := dribble(t, s, http2.ClientPreface[:20], "", time.Second)
	if took < 800*time.Millisecond || took > 8*time.Second {
		t.Errorf("closed after %v", took)
	}
}
