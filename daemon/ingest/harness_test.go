package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taken is what came out of a stream: its lines, and the units that never
// became lines.
type taken struct {
	lines    []string
	refused  map[protocol.Reason]int
	chunks   int
	bytes    int
	carrying int // the most bytes that were kept between two reads
}

// recorder stands for the lanes. It takes chunks apart as a lane does.
type recorder struct {
	maxLine int

	mu   sync.Mutex
	got  taken
	held []*chunk // not done with, while hold
	hold bool
	// submit, where set, is called with each chunk's units before they count.
	submit func(units string)
	err    error // that the log gives
	next   int
}

func (r *recorder) Assign() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	return r.next
}

func (r *recorder) Submit(_ int, j lane.Job) {
	k := j.(*chunk)
	if r.submit != nil {
		r.submit(string(k.units))
	}
	r.mu.Lock()
	r.take(k)
	if r.hold {
		r.held = append(r.held, k)
		r.mu.Unlock()
		return
	}
	err := r.err
	r.mu.Unlock()
	k.Done(0, err)
}

func (r *recorder) take(k *chunk) {
	if r.got.refused == nil {
		r.got.refused = map[protocol.Reason]int{}
	}
	if k.refusals > 0 {
		r.got.refused[k.refused] += k.refusals
	}
	r.got.chunks++
	r.got.bytes += len(k.units)
	for rest := k.units; len(rest) > 0; {
		var line []byte
		line, rest = protocol.NextLine(rest)
		switch {
		case len(line) == 0:
		case len(line) > r.maxLine: // as a lane's parser has it
			r.got.refused[protocol.LineTooLong]++
		default:
			r.got.lines = append(r.got.lines, string(line))
		}
	}
}

// release ends the hold and is done with what was held.
func (r *recorder) release() {
	r.mu.Lock()
	held := r.held
	r.held, r.hold = nil, false
	r.mu.Unlock()
	for _, k := range held {
		k.Done(0, nil)
	}
}

func (r *recorder) seen() taken {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	got.lines, got.refused = slices.Clone(got.lines), maps.Clone(got.refused)
	return got
}

// wait waits until n units have come.
func (r *recorder) wait(t *testing.T, n int) taken {
	t.Helper()
	return r.waitFor(t, func(got taken) bool { return len(got.lines)+refusedOf(got) >= n })
}

func (r *recorder) waitFor(t *testing.T, ok func(taken) bool) taken {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if got := r.seen(); ok(got) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for what was sent; so far came %d lines of %d bytes, refused %v", len(r.got.lines), r.got.bytes, r.got.refused)
		}
	}
}

func refusedOf(got taken) (n int) {
	for _, c := range got.refused {
		n += c
	}
	return n
}

const testMaxLine = 64 << 10

// server is a Server with its doors open.
type server struct {
	*Server
	t     *testing.T
	lanes *recorder
}

func newServer(t *testing.T, lanes *recorder, o Options) *server {
	t.Helper()
	if o.MaxLine == 0 {
		o.MaxLine = testMaxLine
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 1000
	}
	lanes.maxLine = o.MaxLine
	o.Logger = slog.New(slog.DiscardHandler)
	s := &server{New(lanes, o), t, lanes}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := errors.Join(s.CloseDoors(), s.HTTP().Close(), s.Drain(ctx)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) listen(network, addr string) string {
	s.t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Listen(l)
	return l.Addr().String()
}

func (s *server) listenPackets(network, addr string) string {
	s.t.Helper()
	pc, err := net.ListenPacket(network, addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ListenPackets(pc)
	return pc.LocalAddr().String()
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Error(err)
	}
}

// eventually waits for what happens behind the socket's other end.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// closed reads until the other side closes, and returns what it said.
func closed(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("waiting for the other side to close: %v", err)
	}
	return string(b)
}

// stub is a connection that only notes what happens to it.
type stub struct {
	net.Conn
	said   strings.Builder
	closed bool
}

func (s *stub) Write(b []byte) (int, error)      { return s.said.Write(b) }
func (s *stub) Close() error                     { s.closed = true; return nil }
func (s *stub) SetWriteDeadline(time.Time) error { return nil }
func (s *stub) SetReadDeadline(time.Time) error  { return nil }

// stream runs pieces of one stream through a connection's reading, as if each
// had come with reads of its own, and ends it with err.
func stream(pieces [][]byte, maxLine int, frames bool, err error) (taken, string) {
	r := &recorder{maxLine: maxLine}
	s := New(r, Options{MaxLine: maxLine, MaxConnections: 1, Logger: slog.New(slog.DiscardHandler)})
	_ = s.HTTP().Close() // nobody takes HTTP here: such a stream just ends
	peer := &stub{}
	c := &conn{server: s, net: peer, frames: frames, tokens: make(chan struct{}, inFlight)}
	for _, piece := range pieces {
		for len(piece) > 0 {
			k := chunks.Get().(*chunk)
			have := copy(k.buf[:], c.carry)
			n := copy(k.buf[have:], piece)
			piece = piece[n:]
			if c.speech != undecided {
				c.cut(k, have+n)
			} else if _, done := c.decide(k, have+n); done {
				return r.seen(), peer.said.String()
			}
			r.got.carrying = max(r.got.carrying, cap(c.carry))
			if peer.closed {
				c.end(net.ErrClosed)
				return r.seen(), "closed"
			}
		}
	}
	c.end(err)
	return r.seen(), peer.said.String()
}
