package ingest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/socket"
)

// inFlight bounds the chunks of one connection that a lane holds: one is being
// worked on while the next is read.
const inFlight = 2

// errNothing reports a read that found nothing, of a connection that has to be parked
// instead of waiting.
var errNothing = errors.New("nothing to read yet")

// drainPause is how long a connection may be silent, once the daemon is
// stopping, before it is taken to have sent everything.
const drainPause = 100 * time.Millisecond

// conn reads one stream of lines. It holds a buffer only while the stream is
// readable; between reads it keeps the unfinished line alone.
type conn struct {
	server *Server
	net    net.Conn
	raw    syscall.RawConn
	lane   int
	frames bool // packets may come framed
	tokens chan struct{}
	carry  []byte // a line begun and not ended
	skip   bool   // inside a line that is too long
	speech speech
	chunk  *chunk // being cut
	leased bool   // a buffer is lent to it that it has not taken yet
	heard  uint8  // reads since it was last silent for long, counted to lively
	glance bool   // the next read waits for nothing

	opened  time.Time
	last    time.Time // when something was read
	line    unfinished
	local   net.Addr   // of the listener
	peer    net.Addr   // whom the connection is from
	from    netip.Addr // what it counts by, whatever a header says
	trusted bool       // a header may say another peer, and has not yet
}

func newConn(s *Server, c net.Conn, from netip.Addr, frames bool) (*conn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, errors.New("the connection is not a system socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &conn{
		server: s, net: c, raw: raw, from: from, lane: s.lanes.Assign(), frames: frames, tokens: newTokens(),
		opened: time.Now(), local: c.LocalAddr(), peer: c.RemoteAddr(), trusted: s.trusts(c.RemoteAddr()),
	}, nil
}

// newTokens returns the tokens of a connection, one for each chunk that a lane holds.
func newTokens() chan struct{} { return make(chan struct{}, inFlight) }

// outcome is how serving a connection came to its end.
type outcome int

const (
	ended  outcome = iota // it is to be closed
	waits                 // for what comes next, in its goroutine
	handed                // to the HTTP server, which owns it now
	parked                // it is silent, and is served again when it is not
)

// serve reads until the stream ends, or is silent for long.
func (c *conn) serve() outcome {
	for {
		k, n, err := c.read()
		if timedOut(err) && !c.server.draining() {
			k, n, err = c.look(err)
		}
		switch {
		case errors.Is(err, errNothing), timedOut(err) && !c.server.draining():
			if o := c.pause(err); o != waits {
				return o
			}
			continue
		case err != nil:
			c.end(err)
			return ended
		}
		if c.speech != undecided {
			c.cut(k, n)
		} else if toHTTP, done := c.decide(k, n); toHTTP {
			return handed
		} else if done {
			return ended
		}
		if c.endless() {
			c.close(EndlessLine, "a line goes on and on")
			c.end(io.ErrUnexpectedEOF)
			linger(c.net)
			return ended
		}
	}
}

// pause decides what becomes of a connection of which nothing came; err says how long
// that was waited for.
func (c *conn) pause(err error) outcome {
	if errors.Is(err, errNothing) {
		if c.park() {
			return parked
		}
		c.heard = lively // else it would be tried at each read
		return waits
	}
	now := time.Now()
	why, over := c.expired(now)
	if !over && c.silent(now) {
		if c.park() {
			return parked
		}
		c.last = now // it may be parked after another while
	}
	if !over && c.later() == nil {
		return waits
	}
	c.close(why, "nothing came in time")
	c.end(err)
	return ended
}

// endless reports a line of which more was skipped than is skipped for a peer.
func (c *conn) endless() bool {
	most := c.server.patience.maxSkip.Load()
	return c.skip && most > 0 && c.line.bytes > most
}

// read waits until there is something to read and returns it in a chunk, behind
// the carried line. A connection that has nothing to read gives the buffer back
// before it waits.
func (c *conn) read() (k *chunk, n int, err error) {
	if c.server.draining() {
		if err := c.net.SetReadDeadline(time.Now().Add(drainPause)); err != nil {
			return nil, 0, err
		}
	} else if !c.glance {
		if err := c.wait(); err != nil {
			return nil, 0, err
		}
	}
	have, rerr := 0, error(nil)
	for again := true; again && rerr == nil; {
		rerr = c.raw.Read(func(fd uintptr) bool {
			if k, again = c.borrow(); k == nil {
				return true
			}
			have = copy(k.buf[:], c.carry)
			if n, err = socket.Read(int(fd), k.buf[have:]); err == nil && n > 0 {
				return true
			}
			k.giveBack()
			k = nil
			return err != syscall.EAGAIN || c.glance || c.fleeting()
		})
		if again && rerr == nil {
			c.server.stats.Waited.Add(1)
			c.server.leases.of(c.lane) <- struct{}{}
			c.leased = true
			rerr = c.waited(time.Now())
		}
	}
	if c.leased { // and not used: the read failed meanwhile
		c.leased = false
		<-c.server.leases.of(c.lane)
	}
	switch {
	case rerr != nil:
		return nil, 0, rerr
	case err == syscall.EAGAIN:
		return nil, 0, errNothing
	case err != nil:
		return nil, 0, os.NewSyscallError("read", err)
	case n == 0:
		return nil, 0, io.EOF
	}
	c.last, c.heard = time.Now(), min(c.heard+1, lively)
	c.chunk, k.arrived = k, c.last
	c.server.stats.Bytes.Add(uint64(n))
	return k, have + n, nil
}

// look reads, where a deadline has fired, what has come for all that, or returns the
// same error: the daemon may have been held up itself, and the peer not.
func (c *conn) look(fired error) (k *chunk, n int, err error) {
	c.line.due = time.Time{}
	if err := c.deadline(time.Time{}); err != nil {
		return nil, 0, err
	}
	c.glance = true
	k, n, err = c.read()
	c.glance = false
	if errors.Is(err, errNothing) {
		return nil, 0, fired
	}
	return k, n, err
}

// borrow returns a buffer of the lane's, or says that there is none and the
// connection has to wait for it.
func (c *conn) borrow() (k *chunk, wait bool) {
	lease := c.server.leases.of(c.lane)
	if !c.leased {
		select {
		case lease <- struct{}{}:
		default:
			return nil, true
		}
	}
	c.leased = false
	k = chunks.Get().(*chunk)
	k.lease = lease
	return k, false
}

// drop gives a buffer back that holds nothing for the lane.
func (c *conn) drop(k *chunk) {
	c.chunk = nil
	k.giveBack()
}

// abandon gives back what the connection holds of the lane's, after a panic.
func (c *conn) abandon() {
	if c.chunk != nil {
		c.drop(c.chunk)
	}
	if c.leased {
		c.leased = false
		<-c.server.leases.of(c.lane)
	}
}

// decide looks at the first bytes. done says that the connection needs no
// further reading here.
func (c *conn) decide(k *chunk, n int) (handed, done bool) {
	if c.trusted {
		left, ok := c.heading(k, n)
		if !ok {
			c.refuse(k, protocol.WrongProtocol)
			c.answer("this port speaks nexusctl lines and HTTP, behind a PROXY header that holds\n")
			c.settle()
			return false, true
		}
		if n = left; c.trusted || n == 0 {
			c.hold(k, n)
			return false, false
		}
	}
	s, name := sniff(k.buf[:n], c.frames)
	c.speech = s
	switch s {
	case http, acked:
		first, began := bytes.Clone(k.buf[:n]), k.arrived
		if c.line.bytes > 0 {
			began = c.line.began
		}
		c.drop(k)
		if c.deadline(time.Time{}) != nil {
			return false, true
		}
		if s == http {
			return c.server.handToHTTP(c, first, began), true
		}
		c.serveSession(first)
		return false, true
	case foreign:
		c.refuse(k, protocol.WrongProtocol)
		c.answer("this port speaks nexusctl lines and HTTP, not " + name + "\n")
		c.settle() // the refusal counts before the connection is gone
		return false, true
	case undecided:
		c.hold(k, n)
	default:
		c.cut(k, n)
	}
	return false, false
}

// hold keeps first bytes that do not tell enough yet.
func (c *conn) hold(k *chunk, n int) {
	c.grown(true, n, k.arrived)
	c.carry = append(c.carry[:0], k.buf[:n]...)
	c.drop(k)
}

// cut sends the chunk's whole lines to the lane and keeps the rest.
func (c *conn) cut(k *chunk, n int) {
	if c.speech == framed {
		c.cutFrames(k, n)
		return
	}
	data, anew := k.buf[:n], false
	if c.skip {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			c.line.bytes += int64(n)
			c.carry = c.carry[:0]
			c.drop(k)
			return
		}
		data, c.skip, anew = data[i+1:], false, true
	}
	whole, rest := protocol.Cut(data)
	k.units = whole
	if int64(len(rest)) > c.server.maxLine.Load()+1 { // one more for a CR before the LF
		k.refused, k.refusals = protocol.LineTooLong, 1
		c.skip, rest = true, nil
	}
	c.keep(rest)
	same := len(whole) == 0 && !anew && !c.skip
	c.submit(k)
	// The peer's time runs from here on: while the lane was busy nobody read.
	if !c.skip {
		c.grown(same, len(rest), time.Now())
	} else {
		c.line.began, c.line.bytes = time.Now(), int64(n)
	}
}

// keep remembers an unfinished line, and lets go of memory that one long line
// once needed.
func (c *conn) keep(rest []byte) {
	if len(rest) == 0 && cap(c.carry) > 1<<10 {
		c.carry = nil
	}
	c.carry = append(c.carry[:0], rest...)
}

func (c *conn) submit(k *chunk) {
	if len(k.units) == 0 && k.refusals == 0 {
		c.drop(k)
		return
	}
	c.tokens <- struct{}{}
	k.inFlight, k.server, k.local, k.peer = c.tokens, c.server, c.local, c.peer
	c.chunk = nil
	c.server.lanes.Submit(c.lane, k)
}

func (c *conn) refuse(k *chunk, r protocol.Reason) {
	k.refused, k.refusals, k.arrived = r, 1, time.Now()
	c.submit(k)
}

// answer writes one line to the peer, best effort: it may be gone already.
func (c *conn) answer(text string) {
	_ = c.net.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(c.net, text)
}

// end takes what the stream's end leaves: a last line without its newline
// counts where the peer closed cleanly, and is a fragment where it did not.
func (c *conn) end(err error) {
	switch {
	case len(c.carry) == 0:
	case !errors.Is(err, io.EOF) || c.speech == framed:
		c.refuse(chunks.Get().(*chunk), protocol.Partial)
	default:
		k := chunks.Get().(*chunk)
		k.units, k.arrived = k.buf[:copy(k.buf[:], c.carry)], time.Now()
		c.submit(k)
	}
	c.carry = nil
	c.settle()
}

// settle waits until the lane has done with every chunk.
func (c *conn) settle() {
	for range inFlight {
		c.tokens <- struct{}{}
	}
}
