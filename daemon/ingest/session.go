package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/pressure"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// Log is what an acknowledgement needs of the log: its name, and when it is
// durable. wal.Log is one.
type Log interface {
	ID() string
	WaitSynced(ctx context.Context, p wal.Position) error
}

const (
	// sessionWindow is how many batches of a session may be in flight.
	sessionWindow = 32
	// MaxBatch bounds a batch's payload, in bytes.
	MaxBatch = 1 << 20
	// batchMemory bounds the payloads of all sessions that wait for their
	// lanes; a session that finds it used up is not read.
	batchMemory = 128 << 20
	// replyTimeout bounds how long a peer may leave its answers unread.
	replyTimeout = 30 * time.Second
)

// session is one connection that gets acknowledgements. Its reader takes
// batches to the lane; its acker answers, in order, when they are durable.
type session struct {
	server *Server
	conn   *conn
	zstd   bool // both sides have it
	net    net.Conn
	in     *bufio.Reader
	lane   int
	opened *delivery.Session
	known  atomic.Bool   // a batch of the producer was taken before
	done   chan *batch   // taken or refused by the lane, in order
	window chan struct{} // one token a batch in flight
	ctx    context.Context
	cancel context.CancelFunc
}

// batch is one BATCH on its way through the lane.
type batch struct {
	session  *session
	seq      uint64
	payload  []byte
	held     int64 // of the memory of all batches
	delivery lane.Delivery
	log      wal.Position
	err      error
}

// Take hands the payload's lines over.
func (b *batch) Take(t *lane.Taker) {
	t.Deliver(&b.delivery)
	if b.session.pressed() {
		b.delivery.Verdict.Refusal = later()
		return
	}
	t.Lines(b.payload)
}

// Source says whom the batch is from.
func (b *batch) Source() admit.Source {
	return sourceOf(b.session.conn.local, b.session.conn.peer)
}

// Done gives the batch to the acker. There is room: the window is no larger.
func (b *batch) Done(log wal.Position, err error) {
	b.log, b.err = log, err
	b.session.server.batches.Release(b.held)
	b.payload = nil
	b.session.done <- b
}

// pressed reports that the daemon takes no batches of such a session now. Of a
// producer that was heard before they are taken longer.
func (s *session) pressed() bool {
	from := pressure.Newcomers
	if s.known.Load() {
		from = pressure.All
	}
	return s.server.opts.Pressure.Refuses(from)
}

// later tells a client under pressure when to come again.
func later() *protocol.Refusal {
	return &protocol.Refusal{Code: protocol.ErrRetry, After: uint64(pressure.RetryAfter.Milliseconds())}
}

// serveSession answers a HELLO and then batches, until the peer ends or a
// refusal does.
func (c *conn) serveSession(first []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		server: c.server, conn: c, net: c.net, lane: c.lane, ctx: ctx, cancel: cancel,
		in:   bufio.NewReaderSize(io.MultiReader(bytes.NewReader(first), c.net), 64<<10),
		done: make(chan *batch, sessionWindow), window: make(chan struct{}, sessionWindow),
	}
	defer cancel()
	if !s.hello() {
		return
	}
	s.server.stats.Sessions.Add(1)
	defer s.server.stats.Sessions.Add(-1)
	acked := make(chan struct{})
	go func() { defer close(acked); s.ack() }()
	refusal := s.read()
	for range sessionWindow { // every batch in flight has been answered
		s.window <- struct{}{}
	}
	close(s.done)
	<-acked
	if refusal != nil {
		s.reply(protocol.AppendRefusal(nil, *refusal))
	}
}

// opening is a HELLO on its way through the lane.
type opening struct {
	lane.Opening
	log  wal.Position
	err  error
	done chan struct{}
}

func (o *opening) Take(t *lane.Taker) { t.Open(&o.Opening) }

func (o *opening) Done(log wal.Position, err error) {
	o.log, o.err = log, err
	close(o.done)
}

// hello reads the first line and opens the session. What it says of the last
// batch is durable before it is said.
func (s *session) hello() bool {
	line, err := s.opening()
	if err != nil {
		return false
	}
	h, err := protocol.ParseHello(line)
	refusal := &protocol.Refusal{Code: protocol.ErrSyntax}
	if err == nil && h.Writer != "" && h.Writer != s.server.opts.Log.ID() {
		refusal, err = &protocol.Refusal{Code: protocol.ErrMoved}, errors.New("moved")
	}
	if err != nil {
		s.reply(protocol.AppendRefusal(nil, *refusal))
		return false
	}
	if s.known.Store(s.server.opts.Known(h.Producer)); !s.known.Load() && s.pressed() {
		s.reply(protocol.AppendRefusal(nil, *later()))
		return false
	}
	o := &opening{Opening: lane.Opening{Hello: h}, done: make(chan struct{})}
	s.server.lanes.Submit(s.lane, o)
	<-o.done
	if o.err == nil && o.Refusal == nil {
		o.err = s.server.opts.Log.WaitSynced(s.ctx, o.log)
	}
	switch {
	case o.err != nil:
		s.reply(protocol.AppendRefusal(nil, protocol.Refusal{Code: protocol.ErrRetry, After: 1000}))
		return false
	case o.Refusal != nil:
		s.reply(protocol.AppendRefusal(nil, *o.Refusal))
		return false
	}
	s.opened = o.Opened.Session
	s.zstd = slices.Contains(h.Caps, protocol.Zstd)
	return s.reply(protocol.AppendOK(nil, protocol.OK{
		Writer: s.server.opts.Log.ID(), Last: o.Opened.Last, Window: sessionWindow,
		Accepted: o.Opened.Accepted, Rejected: o.Opened.Rejected, Caps: s.caps(),
	}))
}

// caps are what both sides can do.
func (s *session) caps() []string {
	if s.zstd {
		return []string{protocol.Zstd}
	}
	return nil
}

// opening reads the HELLO, which has to come in time.
func (s *session) opening() (line []byte, err error) {
	err = s.patiently(0, func() (err error) {
		line, err = s.line()
		return err
	})
	return line, err
}

// patiently runs a read of so many bytes, which have to come in time. A daemon
// that is stopping has set the session's last deadline, which batch after batch
// would put off for ever: it is left alone.
func (s *session) patiently(bytes int, read func() error) error {
	due := s.server.patience.due(time.Now(), int64(bytes))
	if due.IsZero() || s.server.draining() {
		return read()
	}
	// An acker that gives the session up ends its reading by a deadline, too,
	// which this one may have replaced: it has canceled ctx before.
	if err := errors.Join(s.conn.deadline(due), s.ctx.Err()); err != nil {
		return err
	}
	err := read()
	if s.server.draining() {
		return err
	}
	if timedOut(err) && s.ctx.Err() == nil {
		s.conn.close(SlowSender, "nothing came in time")
	}
	return errors.Join(err, s.conn.deadline(time.Time{}), s.ctx.Err())
}

// line reads one line of the session itself.
func (s *session) line() ([]byte, error) {
	line, err := s.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) > protocol.MaxSessionLine {
		return nil, protocol.ErrSession
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// read takes batches to the lane until the stream ends; nil, or why the peer
// is sent away.
func (s *session) read() *protocol.Refusal {
	for {
		line, err := s.line()
		if errors.Is(err, protocol.ErrSession) || errors.Is(err, bufio.ErrBufferFull) {
			return &protocol.Refusal{Code: protocol.ErrSyntax}
		}
		if err != nil {
			return nil // the peer has ended, or the daemon is stopping
		}
		head, err := protocol.ParseBatchHead(line)
		switch {
		case err != nil:
			return &protocol.Refusal{Code: protocol.ErrSyntax}
		case head.Bytes > MaxBatch:
			s.server.stats.Closed[BadFrame].Add(1)
			return &protocol.Refusal{Code: protocol.ErrQuota}
		case head.Encoding != "" && !s.zstd:
			return &protocol.Refusal{Code: protocol.ErrSyntax}
		}
		if refusal, err := s.batch(head); refusal != nil || err != nil {
			return refusal
		}
	}
}

// batch reads one payload and submits it. A payload that ends early leaves
// nothing behind: it was never whole.
func (s *session) batch(head protocol.BatchHead) (*protocol.Refusal, error) {
	select {
	case s.window <- struct{}{}:
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
	b := &batch{
		session: s, seq: head.Seq, held: int64(head.Bytes),
		delivery: lane.Delivery{Claim: delivery.Claim{Session: s.opened, Seq: head.Seq}},
	}
	if head.Encoding != "" { // at once all that it may come to, or sessions could wait for each other
		b.held += int64(inflatedLimit(head.Bytes))
	}
	if err := s.server.batches.Acquire(s.ctx, b.held); err != nil {
		<-s.window
		return nil, err
	}
	if refusal, err := s.payload(b, head); refusal != nil || err != nil {
		s.server.batches.Release(b.held)
		<-s.window
		return refusal, err
	}
	s.server.batches.Release(b.held - int64(len(b.payload)))
	b.held = int64(len(b.payload))
	s.server.lanes.Submit(s.lane, b)
	return nil, nil
}

// payload reads a batch's lines, and holds them to checksum and limits.
func (s *session) payload(b *batch, head protocol.BatchHead) (*protocol.Refusal, error) {
	wire := make([]byte, head.Bytes)
	err := s.patiently(head.Bytes, func() error {
		_, err := io.ReadFull(s.in, wire)
		return err
	})
	if err != nil {
		return nil, err
	}
	if protocol.Checksum(wire) != head.CRC {
		return &protocol.Refusal{Code: protocol.ErrCRC}, nil
	}
	s.server.stats.Bytes.Add(uint64(head.Bytes))
	if b.payload = wire; head.Encoding == "" {
		return nil, nil
	}
	b.payload, err = s.server.inflater().inflate(wire)
	switch {
	case errors.Is(err, errInflated):
		s.server.stats.Closed[TooInflated].Add(1)
		return &protocol.Refusal{Code: protocol.ErrQuota}, nil
	case err != nil:
		return &protocol.Refusal{Code: protocol.ErrSyntax}, nil
	}
	return nil, nil
}

// ack answers batches in order. Several that wait are answered with one line.
func (s *session) ack() {
	rewinding := false // a batch is to be sent again; those behind it count nothing
	from := uint64(0)  // that batch
	for b := range s.done {
		group := s.gather(b)
		a, refusal := protocol.Ack{}, (*protocol.Refusal)(nil)
		var log wal.Position
		for _, b := range group {
			r := refusalOf(b)
			switch {
			case r != nil && rewinding && (r.Code == protocol.ErrGap || r.Code == protocol.ErrRetry && b.seq > from):
			case r != nil:
				refusal, from = r, b.seq
			default:
				rewinding = false
				s.known.Store(true)
				a.Seq, log = max(a.Seq, b.seq), max(log, b.log)
				a.Accepted += b.delivery.Accepted
				a.Rejected += b.delivery.Rejected
			}
			if refusal != nil {
				break
			}
		}
		if a.Seq > 0 && (s.server.opts.Log.WaitSynced(s.ctx, log) != nil || !s.reply(protocol.AppendAck(nil, a))) {
			s.abort()
		}
		if refusal != nil {
			s.reply(protocol.AppendRefusal(nil, *refusal))
			if rewinding = refusal.Code == protocol.ErrRetry; !rewinding {
				s.abort()
			}
		}
		for range group {
			<-s.window
		}
	}
}

// gather takes what is done already along with the first.
func (s *session) gather(first *batch) []*batch {
	group := []*batch{first}
	for {
		select {
		case b, ok := <-s.done:
			if !ok {
				return group
			}
			group = append(group, b)
		default:
			return group
		}
	}
}

func refusalOf(b *batch) *protocol.Refusal {
	if b.err != nil && b.delivery.Verdict.Refusal == nil {
		return &protocol.Refusal{Code: protocol.ErrRetry, After: 1000}
	}
	return b.delivery.Verdict.Refusal
}

// abort ends the reading; what is in flight is still answered for.
func (s *session) abort() {
	s.cancel()
	_ = s.net.SetReadDeadline(time.Now())
}

func (s *session) reply(line []byte) bool {
	_ = s.net.SetWriteDeadline(time.Now().Add(replyTimeout))
	_, err := s.net.Write(line)
	if timedOut(err) {
		s.server.stats.Closed[SlowReader].Add(1)
	}
	return err == nil
}

func newBatchMemory() *semaphore.Weighted { return semaphore.NewWeighted(batchMemory) }
