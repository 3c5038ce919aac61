package ingest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Patience is how long the doors wait for a peer, and how much they skip for
// one. A zero field waits and skips for ever.
type Patience struct {
	FirstByte time.Duration // until a new connection has sent its first byte
	Grace     time.Duration // that an unfinished line may take, however short it is
	MinRate   int64         // bytes a second that it has to grow by beyond that
	MaxSkip   int64         // bytes of one endless line that are skipped
}

// Closing is why the daemon closed a connection that had not ended. The set is
// closed: it labels a metric.
type Closing uint8

const (
	Silent      Closing = iota // it has not sent a byte in time
	SlowSender                 // a line, or a batch, that does not come forward
	EndlessLine                // a line that goes on behind what is skipped
	SlowReader                 // answers that the peer does not read
	BadFrame                   // a packet or batch whose length cannot be
	TooInflated                // a compressed batch beyond its limits
	numClosings
)

var closings = [numClosings]string{"silent", "slow_sender", "endless_line", "slow_reader", "bad_frame", "decompress_limit"}

// Closings returns every reason.
func Closings() (list []Closing) {
	for c := range numClosings {
		list = append(list, c)
	}
	return list
}

// String returns the name that metrics use.
func (c Closing) String() string { return closings[c] }

// patience is what the doors hold peers to; it changes live.
type patience struct {
	firstByte, grace, minRate, maxSkip atomic.Int64
}

func (p *patience) set(v Patience) {
	p.firstByte.Store(int64(v.FirstByte))
	p.grace.Store(int64(v.Grace))
	p.minRate.Store(v.MinRate)
	p.maxSkip.Store(v.MaxSkip)
}

// due returns when something that began then must have its bytes; the zero time
// where nobody waits for it.
func (p *patience) due(began time.Time, bytes int64) time.Time {
	grace := time.Duration(p.grace.Load())
	if grace == 0 {
		return time.Time{}
	}
	if rate := p.minRate.Load(); rate > 0 {
		grace += time.Duration(float64(bytes) / float64(rate) * float64(time.Second))
	}
	return began.Add(grace)
}

// unfinished is a line that has begun and not ended.
type unfinished struct {
	began time.Time
	bytes int64
	due   time.Time // of the read deadline that is set; zero for none
}

// wait sets the deadline of the next read, unless an earlier one is set already:
// busy connections nearly always hold a part of a line, and a system's timer for
// each read would cost more than the read. So a deadline that fires may be one of
// a line long gone; expired tells.
func (c *conn) wait() error {
	switch {
	case c.line.bytes > 0:
		return c.arm(c.line.began, time.Duration(c.server.patience.grace.Load()))
	case c.speech == undecided:
		return c.arm(c.opened, time.Duration(c.server.patience.firstByte.Load()))
	}
	if c.server.lot == nil || c.fleeting() {
		return nil
	}
	return c.arm(c.last, c.server.parkAfter)
}

func (c *conn) arm(from time.Time, after time.Duration) error {
	due := from.Add(after)
	if after == 0 || !c.line.due.IsZero() && !c.line.due.After(due) {
		return nil
	}
	c.line.due = due
	return c.deadline(due)
}

// deadline sets when a read gives up; the zero time is never. A daemon that is
// stopping has set one of its own, which must stand.
func (c *conn) deadline(t time.Time) error {
	if err := c.net.SetReadDeadline(t); err != nil {
		return err
	}
	if c.server.draining() {
		return c.net.SetReadDeadline(time.Now().Add(drainPause))
	}
	return nil
}

// expired decides what a deadline that has fired means: nothing, or the end.
func (c *conn) expired(now time.Time) (why Closing, over bool) {
	c.line.due = time.Time{}
	if c.line.bytes == 0 {
		return Silent, c.speech == undecided
	}
	due := c.server.patience.due(c.line.began, c.line.bytes)
	if due.IsZero() || now.Before(due) {
		return 0, false
	}
	return SlowSender, true
}

// parkAfter is how long a connection is silent before it is parked: one that comes
// and goes every second is served faster by a goroutine that is there.
const parkAfter = 5 * time.Second

// lively is how often a connection has to be heard, without being silent for
// parkAfter meanwhile, before a goroutine waits for what comes next.
const lively = 3

// silent reports a connection that owes nothing and has sent nothing for long.
func (c *conn) silent(now time.Time) bool {
	return c.owesNothing() && now.Sub(c.last) >= c.server.parkAfter
}

// few is of how many connections each may have a goroutine for a while, lively or not:
// what that takes is not worth the turns that it saves.
const few = 1024

// fleeting reports a connection that is parked as soon as nothing comes. Most of many
// thousands are opened and then hardly heard: were a goroutine to wait five seconds for
// each, as many would be there at once, and the runtime never gives back what it keeps
// of a goroutine, of its poller and of its timers.
func (c *conn) fleeting() bool {
	s := c.server
	return c.heard < lively && s.stats.Active.Load()-s.stats.Parked.Load() > s.few && s.lot != nil && c.owesNothing() && !s.draining()
}

// owesNothing reports a connection of which no line is begun: its peer may be silent
// for as long as it likes.
func (c *conn) owesNothing() bool {
	return c.line.bytes == 0 && len(c.carry) == 0 && !c.skip && c.speech != undecided
}

// park leaves the connection to the lot. A deadline that is set, or has fired, would
// end its next read.
func (c *conn) park() bool {
	if c.deadline(time.Time{}) != nil {
		return false
	}
	c.line.due = time.Time{}
	c.server.stats.Parked.Add(1)
	c.carry = nil // of a line that is over
	tokens := c.tokens
	if len(tokens) == 0 { // no chunk is on its way: resume makes others
		c.tokens = nil
	}
	if c.server.lot.park(c) {
		return true // whoever resumes it may be at it already
	}
	c.tokens = tokens
	c.server.stats.Parked.Add(-1)
	return false
}

// awake begins the time of a connection that was parked anew. One that was silent for
// long has to be lively again before a goroutine waits for it.
func (c *conn) awake(now time.Time) {
	if now.Sub(c.last) >= c.server.parkAfter {
		c.heard = 0
	}
	c.last = now
}

// later sets the next deadline of a line that still has time.
func (c *conn) later() error {
	due := time.Time{}
	switch {
	case c.line.bytes > 0:
		due = c.server.patience.due(c.line.began, c.line.bytes)
	case c.speech != undecided && c.server.lot != nil:
		due = c.last.Add(c.server.parkAfter)
	}
	c.line.due = due
	return c.deadline(due)
}

// waited gives the peer its time anew: while the connection waited for a buffer
// nobody read, and a deadline that fired meanwhile would send it to the end of the
// queue again.
func (c *conn) waited(now time.Time) error {
	c.last = now
	switch {
	case c.line.bytes > 0:
		c.line.began = now
	case c.speech == undecided:
		c.opened = now
	}
	if c.line.due.IsZero() || now.Before(c.line.due) {
		return nil
	}
	c.line.due = time.Time{}
	if err := c.deadline(time.Time{}); err != nil {
		return err
	}
	return c.wait()
}

// grown notes what a read has left of an unfinished line.
func (c *conn) grown(same bool, bytes int, at time.Time) {
	if !same || c.line.bytes == 0 {
		c.line.began, c.line.bytes = at, 0
	}
	c.line.bytes = int64(bytes)
}

// close ends a connection that had not ended itself, and says why. A silent one is
// not told: browsers open connections ahead of need, and would take what is said for
// the answer to the request that they send a moment later.
func (c *conn) close(why Closing, text string) {
	c.server.stats.Closed[why].Add(1)
	if why == Silent {
		return
	}
	c.answer("closed: " + why.String() + ": " + text + "\n")
}

// timedOut reports a read that met its deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// linger reads and drops what a peer still sends, for a moment: closing a socket
// with unread bytes resets it, and the peer would not read why.
func linger(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(lingerPause))
	_, _ = io.CopyN(io.Discard, c, lingerBytes)
}

const (
	lingerPause = 200 * time.Millisecond
	lingerBytes = 1 << 20
)
