package ingest

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

func TestReadHeading(t *testing.T) {
	v2 := "\r\n\r\n\x00\r\nQUIT\n"
	four := "\xcb\x00\x71\x09\x7f\x00\x00\x01\x10\xe1\x1f\x90"
	for in, want := range map[string]struct {
		h    heading
		size int
		peer string
	}{
		"PROXY TCP4 203.0.113.7 127.0.0.1 4321 8080\r\na:1|c\n": {whole, 44, "203.0.113.7:4321"},
		"PROXY TCP6 2001:db8::7 ::1 4321 8080\r\n":              {whole, 38, "[2001:db8::7]:4321"},
		"PROXY UNKNOWN\r\n":                          {whole, 15, ""},
		"PROXY UNKNOWN ffff::1 ::1 1 2\r\nGET":       {whole, 31, ""},
		"PROXY TCP4 203.0.113.7 127.0.0.1 4321 8080": {half, 0, ""},
		"PROX": {half, 0, ""},
		"PROXY TCP4 2001:db8::7 ::1 4321 8080\r\n":        {badHeading, 0, ""},
		"PROXY TCP4 203.0.113.7 127.0.0.1 4321 80800\r\n": {badHeading, 0, ""},
		"PROXY TCP4 203.0.113.7 127.0.0.1 4321\r\n":       {badHeading, 0, ""},
		"PROXY TCP4 fe80::1%eth0 ::1 1 2\r\n":             {badHeading, 0, ""},
		"PROXY " + string(bytes.Repeat([]byte("x"), 101)): {badHeading, 0, ""},
		v2[:11]:                             {half, 0, ""},
		v2 + "\x21\x11\x00\x0c" + four[:11]: {half, 0, ""},
		v2 + "\x21\x11\x00\x0c" + four + "a:1|c\n":  {whole, 28, "203.0.113.9:4321"},
		v2 + "\x21\x11\x00\x0e" + four + "\x04\x00": {whole, 30, "203.0.113.9:4321"},
		v2 + "\x20\x00\x00\x00":                     {whole, 16, ""},
		v2 + "\x21\x31\x00\x02ab":                   {whole, 18, ""},
		v2 + "\x21\x11\x00\x04\xcb\x00\x71\x09":     {badHeading, 0, ""},
		v2 + "\x11\x11\x00\x0c" + four:              {badHeading, 0, ""},
		v2 + "\x21\x11\xff\xff" + four:              {badHeading, 0, ""},
		"a:1|c\n":                                   {noHeading, 0, ""},
		"PROXIES:1|c\n":                             {noHeading, 0, ""},
	} {
		h, size, peer := readHeading([]byte(in))
		said := ""
		if peer != nil {
			said = peer.String()
		}
		if h != want.h || said != want.peer || h == whole && size != want.size {
			t.Errorf("%q: %d, %d bytes, %q; want %+v", in, h, size, said, want)
		}
	}
}

// FuzzHeading holds that a header is read the same however much follows it, is
// inside its bytes, and that no prefix of one means anything else.
func FuzzHeading(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.7 127.0.0.1 4321 8080\r\na:1|c\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x7f\x00\x00\x01\x10\xe1\x1f\x90x"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, size, peer := readHeading(b)
		if h != whole {
			if peer != nil {
				t.Fatalf("%q: %d and %v", b, h, peer)
			}
			return
		}
		if size <= 0 || size > len(b) || size > maxProxyLen {
			t.Fatalf("%q: %d bytes", b, size)
		}
		if h2, size2, _ := readHeading(b[:size]); h2 != whole || size2 != size {
			t.Fatalf("%q: %d, %d bytes without what follows", b, h2, size2)
		}
		for n := 1; n < size; n++ {
			if h, _, _ := readHeading(b[:n]); h != half {
				t.Fatalf("%q is %d", b[:n], h)
			}
		}
	})
}

// FuzzInflate holds limits and errors of what is decompressed.
func FuzzInflate(f *testing.F) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	defer e.Close()
	f.Add(e.EncodeAll([]byte("a:1|c\nb:2|c\n"), nil))
	f.Add(e.EncodeAll(make([]byte, 1<<20), nil))
	f.Add(append(e.EncodeAll([]byte("a:1|c\n"), nil), 1, 2, 3))
	f.Add([]byte{})
	in := newInflater()
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := in.inflate(b)
		if err != nil {
			if out != nil || !errors.Is(err, errInflated) && !errors.Is(err, errDeflated) {
				t.Fatalf("%d bytes, %v", len(out), err)
			}
			return
		}
		if len(out) > inflatedLimit(len(b)) {
			t.Fatalf("%d bytes became %d", len(b), len(out))
		}
		if again, err := in.inflate(e.EncodeAll(out, nil)); err == nil && !bytes.Equal(again, out) {
			t.Fatal("compressed again it is something else")
		}
	})
}

// TestPatienceIsCheap: a busy connection, which nearly always holds a part of a
// line, sets a deadline once in a while and not at each read.
func TestPatienceIsCheap(t *testing.T) {
	s := New(&recorder{}, Options{MaxLine: 100, MaxConnections: 1, Patience: Patience{FirstByte: time.Minute, Grace: time.Minute, MinRate: 1}})
	peer := &deadlines{}
	c := &conn{server: s, net: peer, opened: time.Now(), speech: lines}
	for i := range 1000 {
		c.grown(false, 5, time.Now().Add(time.Duration(i)*time.Millisecond))
		if err := c.wait(); err != nil {
			t.Fatal(err)
		}
	}
	if peer.set != 1 {
		t.Errorf("%d deadlines were set", peer.set)
	}
	c.line.bytes = 0
	if _, over := c.expired(time.Now().Add(time.Hour)); over {
		t.Error("an idle connection is ended")
	}
	c.line.bytes = 10
	if why, over := c.expired(c.line.began.Add(time.Minute + 9*time.Second)); over {
		t.Errorf("a line that has its time is ended as %s", why)
	}
	if why, over := c.expired(c.line.began.Add(time.Minute + 11*time.Second)); !over || why != SlowSender {
		t.Errorf("a line that is behind is not ended: %s", why)
	}
}

// deadlines counts the deadlines that are set.
type deadlines struct {
	stub
	set int
}

func (d *deadlines) SetReadDeadline(time.Time) error { d.set++; return nil }

func TestTrusts(t *testing.T) {
	s := New(&recorder{}, Options{ProxyFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}})
	for addr, want := range map[string]bool{"10.1.2.3:1": true, "[::ffff:10.1.2.3]:1": true, "11.1.2.3:1": false, "[fd00::1]:1": true, "[fe80::1]:1": false} {
		a := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))
		if s.trusts(a) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
	if s.trusts(&net.UnixAddr{Name: "x"}) {
		t.Error("a Unix socket's peer is trusted")
	}
}

// TestBusyLaneIsNotASlowSender keeps the lane busy for longer than a line may take:
// what the peer has sent meanwhile was not late.
func TestBusyLaneIsNotASlowSender(t *testing.T) {
	lanes := &recorder{hold: true}
	const grace = 100 * time.Millisecond
	s := newServer(t, lanes, Options{Patience: Patience{Grace: grace, MinRate: 1 << 20}})
	c := dial(t, "tcp", s.listen("tcp", "127.0.0.1:0"))
	write(t, c, "a:1|c\nb")
	lanes.wait(t, 1)
	write(t, c, ":1|c\nb")
	lanes.wait(t, 2)
	write(t, c, ":1|c\nb") // is read, and finds the lane busy
	eventually(t, "the third piece is read", func() bool { return s.Stats().Bytes.Load() == 7+6+6 })
	time.Sleep(3 * grace)
	write(t, c, ":1|c\n")
	lanes.release()
	if got := lanes.wait(t, 4); len(got.lines) != 4 || refusedOf(got) != 0 {
		t.Errorf("%q, refused %v", got.lines, got.refused)
	}
	if n := s.Stats().Closed[SlowSender].Load(); n != 0 {
		t.Errorf("%d connections were closed", n)
	}
}

// TestDaemonWasLate: what lies in the socket when a peer's time is up has come in time,
// for the daemon looks late at the earliest; a peer of whom nothing came is let go.
func TestDaemonWasLate(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{Patience: Patience{FirstByte: time.Nanosecond}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sender, silent := dial(t, "tcp", l.Addr().String()), dial(t, "tcp", l.Addr().String())
	write(t, sender, "late:1|c\n")
	s.Listen(l)
	if got := r.wait(t, 1); len(got.lines) != 1 {
		t.Errorf("%q", got.lines)
	}
	if said := closed(t, silent); said != "" {
		t.Errorf("the silent one was told %q", said)
	}
	if n := s.Stats().Closed[Silent].Load(); n != 1 || s.Stats().Active.Load() > 1 {
		t.Errorf("%d were closed for silence", n)
	}
}
