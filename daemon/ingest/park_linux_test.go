package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestParked: silent connections give their goroutines back. What they send later
// is taken, their ends are seen, and a stop hears all of them out.
func TestParked(t *testing.T) {
	const n = 50
	r := &recorder{}
	s := newServer(t, r, Options{})
	s.parkAfter = 20 * time.Millisecond
	addr := s.listen("tcp", "127.0.0.1:0")
	before := runtime.NumGoroutine()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = dial(t, "tcp", addr)
		write(t, conns[i], "first:1|c\n")
	}
	r.wait(t, n)
	eventually(t, "all are parked", func() bool { return s.Stats().Parked.Load() == n })
	eventually(t, "their goroutines end", func() bool { return runtime.NumGoroutine() < before+n/2 })
	for _, c := range conns {
		write(t, c, "second:1|c\nhal") // a line begun keeps its goroutine: its time runs
	}
	r.wait(t, 2*n)
	time.Sleep(50 * time.Millisecond)
	if parked := s.Stats().Parked.Load(); parked != 0 {
		t.Errorf("%d connections are parked in the middle of a line", parked)
	}
	for _, c := range conns {
		write(t, c, "f:1|c\n")
	}
	r.wait(t, 3*n)
	eventually(t, "all are parked again", func() bool { return s.Stats().Parked.Load() == n })
	for _, c := range conns[:n/2] {
		_ = c.Close()
	}
	eventually(t, "half of them are gone", func() bool { return s.Stats().Active.Load() == n/2 && s.Stats().Parked.Load() == n/2 })
	for _, c := range conns[n/2:] {
		write(t, c, "last:1|c\n")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := errors.Join(s.CloseDoors(), s.Drain(ctx)); err != nil {
		t.Error(err)
	}
	got := r.seen()
	if len(got.lines) != 3*n+n/2 || refusedOf(got) != 0 || s.Stats().Parked.Load() != 0 || s.Stats().Active.Load() != 0 {
		t.Errorf("%d lines, refused %v, %d parked, %d active", len(got.lines), got.refused, s.Stats().Parked.Load(), s.Stats().Active.Load())
	}
}

// TestParkedAtOnce: no goroutine waits for a connection that was hardly heard yet,
// however long others are waited for, and one waits for a lively one.
func TestParkedAtOnce(t *testing.T) {
	const n = 20
	r := &recorder{}
	s := newServer(t, r, Options{})
	s.parkAfter, s.few = time.Hour, 0
	addr := s.listen("tcp", "127.0.0.1:0")
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = dial(t, "tcp", addr)
	}
	for k := 1; k <= lively; k++ {
		for _, c := range conns {
			write(t, c, "few:1|c\n")
		}
		r.wait(t, k*n)
		if k < lively {
			eventually(t, "all are parked at once", func() bool { return s.Stats().Parked.Load() == n })
		}
	}
	for k := range 5 {
		if parked := s.Stats().Parked.Load(); parked != 0 {
			t.Fatalf("%d connections are parked that are lively", parked)
		}
		time.Sleep(10 * time.Millisecond)
		for _, c := range conns {
			write(t, c, "many:1|c\n")
		}
		r.wait(t, (lively+k+1)*n)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "their ends are seen", func() bool { return s.Stats().Active.Load() == 0 })
}

// TestFleeting: which connections are parked as soon as nothing comes.
func TestFleeting(t *testing.T) {
	s := newServer(t, &recorder{}, Options{})
	s.Server.lot = &lot{closed: true}
	s.stats.Active.Store(1)
	s.few = 0
	begun := unfinished{began: time.Now(), bytes: 3}
	for name, test := range map[string]struct {
		c    conn
		want bool
	}{
		"heard once":          {conn{speech: lines, heard: 1}, true},
		"of frames":           {conn{speech: framed, heard: 1}, true},
		"lively":              {conn{speech: lines, heard: lively}, false},
		"nothing came yet":    {conn{}, false},
		"in a line":           {conn{speech: lines, heard: 1, line: begun, carry: []byte("a:1")}, false},
		"in one that is long": {conn{speech: lines, heard: 1, skip: true}, false},
	} {
		test.c.server = s.Server
		if got := test.c.fleeting(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
		s.few = 1
		if test.c.fleeting() {
			t.Errorf("%s: it is parked beside few others", name)
		}
		s.few = 0
	}
	for _, test := range []struct {
		silent time.Duration
		heard  uint8
	}{{parkAfter - time.Second, lively}, {parkAfter, 0}} {
		now := time.Now()
		c := conn{server: s.Server, speech: lines, heard: lively, last: now.Add(-test.silent)}
		c.awake(now)
		if c.heard != test.heard || !c.last.Equal(now) {
			t.Errorf("after %v of silence it was heard %d times, last %v ago", test.silent, c.heard, now.Sub(c.last))
		}
	}
}

// TestParkedInTheMiddle: connections that send just when they are about to be
// parked lose nothing and keep their order.
func TestParkedInTheMiddle(t *testing.T) {
	const conns, each = 20, 60
	r := &recorder{}
	s := newServer(t, r, Options{})
	s.parkAfter = time.Millisecond
	addr := s.listen("tcp", "127.0.0.1:0")
	var wg sync.WaitGroup
	for i := range conns {
		c := dial(t, "tcp", addr)
		wg.Go(func() {
			for k := range each {
				write(t, c, fmt.Sprintf("c%d:%d|c\n", i, k))
				time.Sleep(time.Duration(rand.IntN(2500)) * time.Microsecond)
			}
		})
	}
	wg.Wait()
	got := r.wait(t, conns*each)
	for i := range conns {
		mine := slices.DeleteFunc(slices.Clone(got.lines), func(l string) bool { return !strings.HasPrefix(l, fmt.Sprintf("c%d:", i)) })
		for k, l := range mine {
			if l != fmt.Sprintf("c%d:%d|c", i, k) {
				t.Fatalf("connection %d sent %q as line %d", i, l, k)
			}
		}
	}
}

// TestWaitingIsNotSilence: a connection that waited for a buffer for longer than
// its deadline is read, in its turn, and neither parked nor closed.
func TestWaitingIsNotSilence(t *testing.T) {
	r := &recorder{hold: true}
	s := newServer(t, r, Options{Patience: Patience{FirstByte: 30 * time.Millisecond, Grace: 30 * time.Millisecond}})
	s.Server.lanes, s.parkAfter = sameLane{r}, 30*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2*lent)
	for i := range conns { // before they are taken, or a first byte could be late
		conns[i] = dial(t, "tcp", l.Addr().String())
		write(t, conns[i], "waiting:1|c\n")
	}
	s.Listen(l)
	r.waitFor(t, func(got taken) bool { return got.chunks == lent })
	eventually(t, "the others wait", func() bool { return s.Stats().Waited.Load() >= lent })
	time.Sleep(100 * time.Millisecond)
	r.release()
	if got := r.wait(t, len(conns)); len(got.lines) != len(conns) || refusedOf(got) != 0 {
		t.Errorf("%d lines of %d, refused %v", len(got.lines), len(conns), got.refused)
	}
	for i, closed := range Closings() {
		if n := s.Stats().Closed[i].Load(); n != 0 {
			t.Errorf("%d connections were closed as %v", n, closed)
		}
	}
}

// sameLane gives all connections one lane.
type sameLane struct{ *recorder }

func (sameLane) Assign() int { return 3 }

// TestLent: however many send at once, one lane's connections hold so many buffers
// and no more; the others wait unread, and none is forgotten.
func TestLent(t *testing.T) {
	const n = 3 * lent
	r := &recorder{hold: true}
	s := newServer(t, r, Options{})
	s.Server.lanes = sameLane{r}
	addr := s.listen("tcp", "127.0.0.1:0")
	for range n {
		write(t, dial(t, "tcp", addr), "lent:1|c\n")
	}
	r.waitFor(t, func(got taken) bool { return got.chunks == lent })
	eventually(t, "the others wait", func() bool { return s.Stats().Waited.Load() >= n-lent })
	if got := r.seen(); got.chunks != lent {
		t.Errorf("%d buffers are lent, want %d", got.chunks, lent)
	}
	r.release()
	if got := r.wait(t, n); len(got.lines) != n {
		t.Errorf("%d lines of %d", len(got.lines), n)
	}
	eventually(t, "every buffer is back", func() bool { return len(s.leases.of(3)) == 0 })
}

// TestRevived: a connection that was parked is whole again: its peer is known, can be
// told something, and reads it before the end.
func TestRevived(t *testing.T) {
	r := &recorder{}
	s := newServer(t, r, Options{MaxLine: 100, MaxPerAddress: 1, Patience: Patience{MaxSkip: 1000}})
	s.parkAfter, s.few = time.Hour, 0
	addr := s.listen("tcp", "127.0.0.1:0")
	for range 2 { // the limit of one address counts it while it is parked, and not after
		c := dial(t, "tcp", addr)
		write(t, c, "first:1|c\n")
		eventually(t, "it is parked", func() bool { return s.Stats().Parked.Load() == 1 })
		if said := closed(t, dial(t, "tcp", addr)); said != "" {
			t.Errorf("one more was told %q", said)
		}
		write(t, c, strings.Repeat("endless", 1000))
		if said := closed(t, c); !strings.HasPrefix(said, "closed: endless_line: ") {
			t.Errorf("it was told %q", said)
		}
		eventually(t, "it is gone", func() bool { return s.Stats().Active.Load() == 0 })
	}
	if n := s.Stats().Crowded.Load(); n != 2 {
		t.Errorf("%d were turned away", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) != 0 || s.away != 0 || len(s.from) != 0 {
		t.Errorf("%d are open, %d away, from %v", len(s.open), s.away, s.from)
	}
}
