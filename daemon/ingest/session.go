package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"golang.org/x/sync/semaphore"

	"example.com/nexusctl/daemon/delivery"
	"example.com/nexusctl/daemon/lane"
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
	net    net.Conn
	in     *bufio.Reader
	lane   int
	opened *delivery.Session
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
	delivery lane.Delivery
	log      wal.Position
	err      error
}

// Take hands the payload's lines over.
func (b *batch) Take(t *lane.Taker) {
	t.Deliver(&b.delivery)
	t.Lines(b.payload)
}

// Done gives the batch to the acker. There is room: the window is no larger.
func (b *batch) Done(log wal.Position, err error) {
	b.log, b.err = log, err
	b.session.server.batches.Release(int64(len(b.payload)))
	b.payload = nil
	b.session.done <- b
}

// serveSession answers a HELLO and then batches, until the peer ends or a
// refusal does.
func (c *conn) serveSession(first []byte) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{
		server: c.server, net: c.net, lane: c.lane, ctx: ctx, cancel: cancel,
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
	line, err := s.line()
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
	return s.reply(protocol.AppendOK(nil, protocol.OK{
		Writer: s.server.opts.Log.ID(), Last: o.Opened.Last, Window: sessionWindow,
		Accepted: o.Opened.Accepted, Rejected: o.Opened.Rejected,
	}))
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
			return &protocol.Refusal{Code: protocol.ErrQuota}
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
	if err := s.server.batches.Acquire(s.ctx, int64(head.Bytes)); err != nil {
		<-s.window
		return nil, err
	}
	payload := make([]byte, head.Bytes)
	_, err := io.ReadFull(s.in, payload)
	damaged := err == nil && protocol.Checksum(payload) != head.CRC
	if err != nil || damaged {
		s.server.batches.Release(int64(head.Bytes))
		<-s.window
		if damaged {
			return &protocol.Refusal{Code: protocol.ErrCRC}, nil
		}
		return nil, err
	}
	s.server.stats.Bytes.Add(uint64(head.Bytes))
	s.server.lanes.Submit(s.lane, &batch{
		session: s, seq: head.Seq, payload: payload,
		delivery: lane.Delivery{Claim: delivery.Claim{Session: s.opened, Seq: head.Seq}},
	})
	return nil, nil
}

// ack answers batches in order. Several that wait are answered with one line.
func (s *session) ack() {
	rewinding := false // a batch is to be sent again; those behind it count nothing
	for b := range s.done {
		group := s.gather(b)
		a, refusal := protocol.Ack{}, (*protocol.Refusal)(nil)
		var log wal.Position
		for _, b := range group {
			r := refusalOf(b)
			switch {
			case r != nil && rewinding && r.Code == protocol.ErrGap:
			case r != nil:
				refusal = r
			default:
				rewinding = false
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
	return err == nil
}

func newBatchMemory() *semaphore.Weighted { return semaphore.NewWeighted(batchMemory) }
