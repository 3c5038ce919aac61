package ingest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
)

const loopback = "127.0.0.1:0"

// TestTCP sends lines of both line ends; the last one needs none.
func TestTCP(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	c := dial(t, "tcp", s.listen("tcp", loopback))
	write(t, c, "a:1|c\r\nb:2|c\n\n{\"name\":\"c\"")
	r.wait(t, 2)
	write(t, c, ",\"value\":3}\nlast:4|c")
	_ = c.(*net.TCPConn).CloseWrite()
	if said := closed(t, c); said != "" {
		t.Errorf("lines are answered with %q", said)
	}
	want := []string{"a:1|c", "b:2|c", `{"name":"c","value":3}`, "last:4|c"}
	if got := r.seen(); !slices.Equal(got.lines, want) || refusedOf(got) != 0 {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
	eventually(t, "the connection is forgotten", func() bool { return s.Stats().Active.Load() == 0 })
	if st := s.Stats(); st.Accepted.Load() != 1 || st.Bytes.Load() != uint64(len("a:1|c\r\nb:2|c\n\n{\"name\":\"c\",\"value\":3}\nlast:4|c")) {
		t.Errorf("accepted %d, read %d bytes", st.Accepted.Load(), st.Bytes.Load())
	}
}

// TestReset breaks a connection in the middle of a line: what was whole counts,
// the fragment is refused.
func TestReset(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	c := dial(t, "tcp", s.listen("tcp", loopback)).(*net.TCPConn)
	write(t, c, "a:1|c\nfragm")
	r.wait(t, 1)
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
		t.Fatal(err)
	}
	got := r.wait(t, 2)
	if !slices.Equal(got.lines, []string{"a:1|c"}) || got.refused[protocol.Partial] != 1 {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
}

// TestStrangers answers another protocol and goes on serving.
func TestStrangers(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	addr := s.listen("tcp", loopback)
	c := dial(t, "tcp", addr)
	write(t, c, "SSH-2.0-x\r\n")
	if said := closed(t, c); said != "this port speaks nexusctl lines and HTTP, not SSH\n" {
		t.Errorf("%q", said)
	}
	write(t, dial(t, "tcp", addr), "a:1|c\n")
	got := r.wait(t, 2)
	if got.refused[protocol.WrongProtocol] != 1 || len(got.lines) != 1 {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
}

// TestUnixStream speaks lines, frames and HTTP on one socket.
func TestUnixStream(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	s.serveHTTP(func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.WriteString(w, "hello") })
	addr := s.listen("unix", filepath.Join(t.TempDir(), "s"))
	write(t, dial(t, "unix", addr), "a:1|c\nb:2|c\n")
	framed := dial(t, "unix", addr)
	for _, piece := range []string{"\x0a", "\x00\x00", "\x00a:12|c|#kk", packet("c:1|c\nd:1|c\n")[:7], packet("c:1|c\nd:1|c\n")[7:], packet("e:1|c")} {
		write(t, framed, piece)
		time.Sleep(2 * time.Millisecond) // so that reads are likely to end here
	}
	_ = framed.Close()
	got := r.wait(t, 6)
	slices.Sort(got.lines)
	if want := "a:12|c|#kk a:1|c b:2|c c:1|c d:1|c e:1|c"; strings.Join(got.lines, " ") != want || refusedOf(got) != 0 {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
	c := dial(t, "unix", addr)
	write(t, c, "GET / HTTP/1.0\r\n\r\n")
	if said := closed(t, c); !strings.HasSuffix(said, "hello") {
		t.Errorf("%q", said)
	}
	large := dial(t, "unix", addr)
	write(t, large, packet("f:1|c")+"\xff\xff\x01\x00f:2|c\n")
	closed(t, large)
	if got := r.wait(t, 8); got.refused[protocol.BatchTooLarge] != 1 || got.lines[len(got.lines)-1] != "f:1|c" {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
}

// TestDatagrams takes packets of lines from UDP and Unix datagram sockets.
func TestDatagrams(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		r := &recorder{}
		s := newServer(t, r, Options{})
		addr := loopback
		if network == "unixgram" {
			addr = filepath.Join(t.TempDir(), "s")
		}
		c := dial(t, network, s.listenPackets(network, addr))
		largest := strings.Repeat("x", 60_000) // of one line
		for _, p := range []string{"a:1|c", "b:1|c\nc:1|c\r\n", "d:1|c\n", largest} {
			write(t, c, p)
		}
		got := r.wait(t, 5)
		if want := []string{"a:1|c", "b:1|c", "c:1|c", "d:1|c", largest}; !slices.Equal(got.lines, want) {
			t.Errorf("%s: %.80q", network, got.lines)
		}
		if st := s.Stats(); st.Packets.Load() != 4 || st.Bytes.Load() != uint64(5+14-1+6+len(largest)) {
			t.Errorf("%s: %d packets of %d bytes", network, st.Packets.Load(), st.Bytes.Load())
		}
	}
}

func (s *server) serveHTTP(handle nethttp.HandlerFunc) {
	var protocols nethttp.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	h := &nethttp.Server{Handler: handle, Protocols: &protocols}
	done := make(chan struct{})
	go func() { _ = h.Serve(s.HTTP()); close(done) }()
	s.t.Cleanup(func() { _ = h.Close(); <-done })
}

// TestHTTP hands connections over, with what was read of them.
func TestHTTP(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	s.serveHTTP(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Proto, r.URL.Path, body)
	})
	addr := s.listen("tcp", loopback)
	for _, unencryptedHTTP2 := range []bool{false, true} {
		var protocols nethttp.Protocols
		protocols.SetHTTP1(!unencryptedHTTP2)
		protocols.SetUnencryptedHTTP2(unencryptedHTTP2)
		transport := &nethttp.Transport{Protocols: &protocols}
		client := &nethttp.Client{Transport: transport}
		for _, body := range []string{"", "a:1|c\n", strings.Repeat("long ", 50_000)} {
			resp, err := client.Post("http://"+addr+"/path", "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[unencryptedHTTP2] + " /path " + body; err != nil || string(b) != want {
				t.Errorf("%.60q, %v; want %.60q", b, err, want)
			}
		}
		if n := s.Stats().Active.Load(); n != 1 {
			t.Errorf("%d connections for one client", n)
		}
		transport.CloseIdleConnections()
		eventually(t, "the connection is forgotten", func() bool { return s.Stats().Active.Load() == 0 })
	}
	split := dial(t, "tcp", addr)
	for _, piece := range []string{"G", "E", "T /split HTTP/1.1\r\nHost: x\r\n", "Connection: close\r\n\r\n"} {
		write(t, split, piece)
		time.Sleep(2 * time.Millisecond)
	}
	if said := closed(t, split); !strings.HasSuffix(said, "HTTP/1.1 /split ") {
		t.Errorf("%q", said)
	}
	if got := r.seen(); got.chunks != 0 {
		t.Errorf("HTTP reached a lane: %+v", got)
	}
	if got := s.HTTP().Addr().String(); got != addr {
		t.Errorf("the HTTP listener says %s, it is %s", got, addr)
	}
}

// TestHTTPThatNobodyTakes closes such a connection.
func TestHTTPThatNobodyTakes(t *testing.T) {
	s := newServer(t, &recorder{}, Options{})
	addr := s.listen("tcp", loopback)
	if err := s.HTTP().Close(); err != nil {
		t.Fatal(err)
	}
	c := dial(t, "tcp", addr)
	write(t, c, "GET / HTTP/1.1\r\n\r\n")
	if said := closed(t, c); said != "" {
		t.Errorf("%q", said)
	}
	eventually(t, "the connection is forgotten", func() bool { return s.Stats().Active.Load() == 0 })
	if _, err := s.HTTP().Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}

// TestLimit turns connections away beyond the limit, which may change, and
// takes others when some have gone.
func TestLimit(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{MaxConnections: 2})
	addr := s.listen("tcp", loopback)
	first, second := dial(t, "tcp", addr), dial(t, "tcp", addr)
	write(t, first, "a:1|c\n")
	write(t, second, "b:1|c\n")
	r.wait(t, 2)
	if said := closed(t, dial(t, "tcp", addr)); said != "" || s.Stats().Turned.Load() != 1 {
		t.Errorf("%q, %d turned away", said, s.Stats().Turned.Load())
	}
	s.SetLimits(10, 3)
	third := dial(t, "tcp", addr)
	write(t, third, "c:1|c\nlonger than ten bytes")
	got := r.wait(t, 4)
	if len(got.lines) != 3 || got.refused[protocol.LineTooLong] != 1 {
		t.Errorf("%q, refused %v: the new limit of a line does not hold", got.lines, got.refused)
	}
	s.SetLimits(10, 1) // what is open stays open
	closed(t, dial(t, "tcp", addr))
	write(t, first, "a:2|c\n")
	r.wait(t, 5)
	for _, c := range []net.Conn{first, second, third} {
		_ = c.Close()
	}
	eventually(t, "all have gone", func() bool { return s.Stats().Active.Load() == 0 })
	write(t, dial(t, "tcp", addr), "d:1|c\n")
	r.wait(t, 6)
	if st := s.Stats(); st.Accepted.Load() != 4 || st.Turned.Load() != 2 {
		t.Errorf("%d accepted, %d turned away", st.Accepted.Load(), st.Turned.Load())
	}
}

// TestPanic ends the connection in which it happens, and no other.
func TestPanic(t *testing.T) {
	r := &recorder{submit: func(units string) {
		if strings.Contains(units, "panic") {
			panic("thrown by the test")
		}
	}}
	s := newServer(t, r, Options{})
	addr := s.listen("tcp", loopback)
	other, bad := dial(t, "tcp", addr), dial(t, "tcp", addr)
	write(t, other, "a:1|c\n")
	r.wait(t, 1)
	write(t, bad, "panic:1|c\n")
	closed(t, bad)
	write(t, other, "b:1|c\n")
	write(t, dial(t, "tcp", addr), "c:1|c\n")
	r.wait(t, 3)
	if s.Stats().Panics.Load() != 1 {
		t.Errorf("%d panics", s.Stats().Panics.Load())
	}
	eventually(t, "the broken one is forgotten", func() bool { return s.Stats().Active.Load() == 2 })
}

// TestDrain reads what was sent before the stop, and waits for those that go
// on sending; who pauses is done.
func TestDrain(t *testing.T) {
	r := &recorder{hold: true} // the lanes are slow: much waits in sockets
	s := newServer(t, r, Options{})
	addr := s.listen("tcp", loopback)
	const conns, each = 5, 40_000
	for i := range conns {
		c := dial(t, "tcp", addr)
		go func() {
			_, _ = io.WriteString(c, strings.Repeat(fmt.Sprintf("c%d:1|c\n", i), each)+"unfinished")
			if i%2 == 0 {
				_ = c.(*net.TCPConn).CloseWrite()
			}
		}()
	}
	silent := dial(t, "tcp", addr)
	eventually(t, "all are accepted", func() bool { return s.Stats().Accepted.Load() == conns+1 })
	r.waitFor(t, func(got taken) bool { return got.chunks >= conns })
	if err := s.CloseDoors(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the door is still open")
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(t.Context()) }()
	r.release()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	got := r.seen()
	if len(got.lines) != conns*each+3 || got.refused[protocol.Partial] != 2 {
		t.Errorf("%d lines, refused %v; want %d, and 2 that were cut off", len(got.lines), got.refused, conns*each+3)
	}
	closed(t, silent)
	if n := s.Stats().Active.Load(); n != 0 {
		t.Errorf("%d connections are open", n)
	}
	if err := s.CloseDoors(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestDrainHasItsTime closes who never stops sending.
func TestDrainHasItsTime(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	c := dial(t, "tcp", s.listen("tcp", loopback))
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if _, err := io.WriteString(c, "a:1|c\n"); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	r.wait(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := errors.Join(s.CloseDoors(), s.Drain(ctx)); err == nil || !strings.Contains(err.Error(), "1 connections were still sending") {
		t.Errorf("%v", err)
	}
	wg.Wait()
}

// TestBackpressure stops reading when the lanes take nothing: two chunks are
// with them, and the sender waits. When they go on, nothing is missing.
func TestBackpressure(t *testing.T) {
	r := &recorder{hold: true}
	s := newServer(t, r, Options{})
	addr := s.listen("unix", filepath.Join(t.TempDir(), "s")) // whose kernel buffers are small
	c := dial(t, "unix", addr)
	const line = "backpressure:1|c\n"
	const lines = 4 << 20 / len(line)
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriterSize(c, 64<<10)
		for range lines {
			if _, err := w.WriteString(line); err != nil {
				sent <- err
				return
			}
		}
		sent <- errors.Join(w.Flush(), c.(*net.UnixConn).CloseWrite())
	}()
	r.waitFor(t, func(got taken) bool { return got.chunks == inFlight })
	// Another connection is not held up by this one.
	write(t, dial(t, "unix", addr), "other:1|c\n")
	r.waitFor(t, func(got taken) bool { return got.chunks == inFlight+1 })
	time.Sleep(50 * time.Millisecond)
	select {
	case err := <-sent:
		t.Fatalf("the sender was never stopped: %v", err)
	default:
	}
	got, read := r.seen(), s.Stats().Bytes.Load()
	if got.chunks != inFlight+1 || read > (inFlight+1)*chunkSize+uint64(len("other:1|c\n")) {
		t.Errorf("%d chunks are with the lanes, %d bytes were read", got.chunks, read)
	}
	r.release()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	closed(t, c)
	if got := r.seen(); len(got.lines) != lines+1 || refusedOf(got) != 0 {
		t.Errorf("%d lines of %d, refused %v", len(got.lines), lines+1, got.refused)
	}
}

// TestIdleConnectionsAreCheap opens many connections that say nothing, or not
// yet all of a line: none of them may hold a buffer.
func TestIdleConnectionsAreCheap(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	addr := s.listen("tcp", loopback)
	heap := func() int64 {
		var m runtime.MemStats
		for range 3 { // a pool is emptied by the second collection
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const conns = 300
	before := heap()
	for i := range conns {
		c := dial(t, "tcp", addr)
		if i%2 == 0 {
			write(t, c, "a:1|c\nunfinish")
		}
	}
	r.wait(t, conns/2)
	eventually(t, "all are served", func() bool { return s.Stats().Active.Load() == conns })
	time.Sleep(20 * time.Millisecond)
	each := (heap() - before) / conns
	if each > chunkSize/4 {
		t.Errorf("an idle connection holds %d bytes", each)
	}
}

// TestTaken tells how long chunks took, and counts those that the log refused.
func TestTaken(t *testing.T) {
	var told atomic.Int64
	r := &recorder{}
	s := newServer(t, r, Options{Taken: func(d time.Duration) {
		if d < 0 || d > time.Minute {
			t.Errorf("a chunk took %v", d)
		}
		told.Add(1)
	}})
	addr := s.listen("tcp", loopback)
	c := dial(t, "tcp", addr)
	write(t, c, "a:1|c\n")
	eventually(t, "a chunk is told of", func() bool { return told.Load() == 1 })
	r.mu.Lock()
	r.err = errors.New("refused by the test")
	r.mu.Unlock()
	write(t, c, "b:1|c\n")
	eventually(t, "a refused chunk is counted", func() bool { return s.Stats().Refused.Load() == 1 })
	write(t, c, "unfinished")
	_ = c.Close()
	r.wait(t, 3)
	eventually(t, "another is counted", func() bool { return s.Stats().Refused.Load() == 2 })
	if told.Load() != 1 {
		t.Errorf("%d chunks were told of: refused ones among them", told.Load())
	}
}

// TestLanesTakeTurns gives each connection a lane, and keeps it there.
func TestLanesTakeTurns(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{})
	addr := s.listen("tcp", loopback)
	for range 3 {
		write(t, dial(t, "tcp", addr), "a:1|c\n")
	}
	r.wait(t, 3)
	if n := r.Assign(); n != 4 {
		t.Errorf("%d lanes were assigned to 3 connections", n-1)
	}
}
