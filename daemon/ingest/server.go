// Package ingest is the doors for streams and datagrams: it accepts, tells by
// the first bytes what a connection speaks, cuts the stream into whole lines
// and hands them to a lane. It never looks inside a line.
//
// Backpressure is not reading: a connection has two chunks with its lane at
// most, and while it waits for one TCP slows the sender down.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/pressure"
)

// Lanes is where chunks go: lane.Set.
type Lanes interface {
	Assign() int
	Submit(lane int, j lane.Job)
}

// Stats are the doors' counters, safe to read at any time.
type Stats struct {
	Accepted atomic.Uint64 // connections taken in all
	Active   atomic.Int64  // connections open now
	Sessions atomic.Int64  // acked sessions open now
	Packets  atomic.Uint64
	Bytes    atomic.Uint64 // read from streams and datagrams, HTTP's left out
	Panics   atomic.Uint64
	Refused  atomic.Uint64 // chunks that the log refused
	Turned   atomic.Uint64 // connections turned away at the limit
	Crowded  atomic.Uint64 // connections turned away at the limit of their address
	Parked   atomic.Int64  // of them, silent ones without a goroutine
	Waited   atomic.Uint64 // reads that waited for a buffer: the lane was behind
	Blank    atomic.Uint64 // blank lines of streams and datagrams, which are no units
	Closed   [numClosings]atomic.Uint64
}

// Options are the settings of the doors.
type Options struct {
	MaxLine        int // bytes
	MaxConnections int
	MaxPerAddress  int // connections of one address; 0 is no limit of its own
	Patience       Patience
	Receive        ReceiveBuffers
	ProxyFrom      []netip.Prefix // from which a PROXY header is believed
	Logger         *slog.Logger
	Log            Log // for acked sessions
	// Taken, where set, is told how long each chunk took from its last byte to
	// logged and folded. It runs on the lane and must not wait.
	Taken func(time.Duration)
	// Pressure says what is to be refused; nil: nothing ever. Known tells the
	// producers who are refused last; nil: all are.
	Pressure *pressure.Gauge
	Known    func(producer string) bool
}

// Server serves any number of listeners.
type Server struct {
	lanes    Lanes
	opts     Options
	batches  *semaphore.Weighted // bytes of sessions' payloads
	inflater func() *inflater
	maxLine  atomic.Int64
	maxOpen  atomic.Int64
	maxFrom  atomic.Int64
	patience patience
	http     *handover
	leases   leases
	lot      *lot // nil where silent connections wait by themselves
	lotOnce  sync.Once
	// parkAfter is how long a connection is silent before it is parked.
	parkAfter time.Duration
	few       int64 // of how many unparked connections none is parked sooner
	stats     Stats

	mu      sync.Mutex
	open    map[net.Conn]struct{} // but for those that are parked
	away    int                   // parked connections
	over    bool                  // the time to stop is up
	from    map[netip.Addr]int    // open connections
	closers []func() error
	drops   []*dropCount // of datagram sockets
	stop    atomic.Bool
	wg      sync.WaitGroup
}

// New returns a server without listeners.
func New(lanes Lanes, o Options) *Server {
	if o.Pressure == nil {
		o.Pressure = new(pressure.Gauge)
	}
	if o.Known == nil {
		o.Known = func(string) bool { return true }
	}
	s := &Server{lanes: lanes, opts: o, batches: newBatchMemory(), inflater: sync.OnceValue(newInflater), http: newHandover(), leases: newLeases(), parkAfter: parkAfter, few: few, open: map[net.Conn]struct{}{}, from: map[netip.Addr]int{}}
	s.SetLimits(o.MaxLine, o.MaxConnections)
	s.SetPatience(o.MaxPerAddress, o.Patience)
	return s
}

// SetLimits changes the longest line, in bytes, and the connections open at
// once. What is open stays open.
func (s *Server) SetLimits(maxLine, maxConnections int) {
	s.maxLine.Store(int64(maxLine))
	s.maxOpen.Store(int64(maxConnections))
}

// SetPatience changes the connections open at once from one address, 0 for no
// limit of its own, and what peers are held to.
func (s *Server) SetPatience(maxPerAddress int, p Patience) {
	s.maxFrom.Store(int64(maxPerAddress))
	s.patience.set(p)
}

// Stats returns the counters.
func (s *Server) Stats() *Stats { return &s.stats }

// HTTP returns the listener on which connections that speak HTTP appear.
func (s *Server) HTTP() net.Listener { return s.http }

// Listen serves a stream listener until Drain. Framed packets are recognised
// on Unix sockets.
func (s *Server) Listen(l net.Listener) {
	s.lotOnce.Do(s.openLot)
	s.http.setAddr(l.Addr())
	s.mu.Lock()
	s.closers = append(s.closers, l.Close)
	s.mu.Unlock()
	_, frames := l.(*net.UnixListener)
	s.wg.Go(func() { s.accept(l, frames) })
}

// openLot makes the lot of silent connections. Without one each waits in its own
// goroutine.
func (s *Server) openLot() {
	l, err := newLot(s.resume)
	if err != nil {
		s.opts.Logger.Debug("silent connections keep their goroutines", "error", err)
		return
	}
	s.lot = l
	s.wg.Go(l.run)
}

// ListenPackets serves a datagram socket until Drain.
func (s *Server) ListenPackets(pc net.PacketConn) {
	s.mu.Lock()
	s.closers = append(s.closers, pc.Close)
	s.mu.Unlock()
	s.countDrops(pc)
	s.wg.Go(func() {
		if err := s.servePackets(pc); err != nil {
			s.opts.Logger.Error("a datagram socket failed", "addr", pc.LocalAddr(), "error", err)
		}
	})
}

func (s *Server) accept(l net.Listener, frames bool) {
	r := s.receiverOf(l)
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, most likely: pause instead of spinning.
			s.opts.Logger.Error("accept failed", "addr", l.Addr(), "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		s.serveConn(c, frames)
		r.resize(s)
	}
}

func (s *Server) serveConn(c net.Conn, frames bool) {
	from := networkOf(c.RemoteAddr())
	if turned := s.admit(c, from); turned != nil {
		turned.Add(1)
		_ = c.Close()
		return
	}
	keepAlive(c)
	s.stats.Accepted.Add(1)
	s.stats.Active.Add(1)
	k, err := newConn(s, c, from, frames)
	if err != nil {
		s.opts.Logger.Error("connection not served", "remote", c.RemoteAddr(), "error", err)
		s.forget(c, from)
		_ = c.Close()
		return
	}
	s.wg.Go(func() { s.serve(k) })
}

// resume serves a connection on that was parked.
func (s *Server) resume(k *conn) {
	s.stats.Parked.Add(-1)
	s.wg.Go(func() {
		k.awake(time.Now())
		if k.tokens == nil {
			k.tokens = newTokens()
		}
		s.serve(k)
	})
}

// serve serves a connection until it is somebody else's, or over.
func (s *Server) serve(k *conn) {
	if s.contain(k) == ended {
		s.forget(k.net, k.from)
		_ = k.net.Close()
	}
}

// admit takes a connection in, or returns the counter of the limit that is
// reached.
func (s *Server) admit(c net.Conn, from netip.Addr) (turned *atomic.Uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int64(len(s.open)+s.away) >= s.maxOpen.Load() {
		return &s.stats.Turned
	}
	if most := s.maxFrom.Load(); from.IsValid() && most > 0 && int64(s.from[from]) >= most {
		return &s.stats.Crowded
	}
	s.open[c] = struct{}{}
	if from.IsValid() {
		s.from[from]++
	}
	return nil
}

// contain serves a connection; a panic ends that one and no other.
func (s *Server) contain(k *conn) (o outcome) {
	defer func() {
		if r := recover(); r != nil {
			k.abandon()
			s.stats.Panics.Add(1)
			s.opts.Logger.Error("panic in a connection was contained", "remote", k.peer, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	return k.serve()
}

func (s *Server) forget(c net.Conn, from netip.Addr) {
	s.mu.Lock()
	delete(s.open, c)
	if s.from[from]--; s.from[from] <= 0 {
		delete(s.from, from)
	}
	s.mu.Unlock()
	s.stats.Active.Add(-1)
}

// leave takes a connection that is about to be parked from those that a stop hurries.
func (s *Server) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.away++
}

// back takes one in again, which may have another net.Conn. Where a stop's time is up
// already it is closed, as the others were.
func (s *Server) back(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = struct{}{}
	s.away--
	if s.over {
		_ = c.Close()
	}
}

// handToHTTP passes a connection on, with the bytes already read, the first
// of which came at began. It returns false where nobody takes HTTP any more.
func (s *Server) handToHTTP(c *conn, first []byte, began time.Time) bool {
	patience := longestHead
	if grace := time.Duration(s.patience.grace.Load()); grace > 0 {
		patience = min(patience, grace)
	}
	return s.http.give(&prefixed{
		Conn: c.net, first: first, peer: c.peer, head: began.Add(patience),
		onClose: func() { s.forget(c.net, c.from) }, onSlow: func() { s.stats.Closed[SlowSender].Add(1) },
	})
}

func (s *Server) draining() bool { return s.stop.Load() }

// CloseDoors stops accepting. Open connections go on.
func (s *Server) CloseDoors() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, closeDoor := range s.closers {
		if err := closeDoor(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.closers = nil
	return errors.Join(errs...)
}

// Drain reads what the open connections have still sent, until each has been
// silent for a moment, and closes them. When ctx ends first the rest is closed
// as it is.
func (s *Server) Drain(ctx context.Context) error {
	s.stop.Store(true)
	s.lotOnce.Do(func() {}) // a lot that was never made is none
	s.lot.close()
	s.each(func(c net.Conn) { _ = c.SetReadDeadline(time.Now().Add(drainPause)) })
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	n := 0
	s.each(func(c net.Conn) { n++; _ = c.Close() })
	<-done
	return fmt.Errorf("%d connections were still sending when the time to stop was up", n)
}

func (s *Server) each(f func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		f(c)
	}
}
