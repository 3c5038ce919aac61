package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"example.com/nexusctl/protocol"
)

// SessionOptions say where a session goes and for whom.
type SessionOptions struct {
	Addr     string // host:port
	Producer string // 1 to 64 of A-Z a-z 0-9 _ -
	Epoch    uint64 // a newer one shuts older holders of the name out
	Token    string
	// Compress sends batches as zstd, to a daemon that takes them.
	Compress bool
	// GiveUp bounds how long a session tries to reach the daemon again before
	// it fails; 0 tries until its context ends.
	GiveUp time.Duration
	// OnAck, where set, is told after every acknowledgement how many batches
	// are durable since the session was opened. It must not wait.
	OnAck func(batches uint64)
}

var (
	// ErrInDoubt reports batches of which nobody can say whether they were
	// taken: the daemon that might know does not answer.
	ErrInDoubt = errors.New("batches are in doubt")
	// ErrLost reports a daemon that lacks what it has acknowledged.
	ErrLost = errors.New("the daemon has lost what it acknowledged")
)

const (
	firstPause = 20 * time.Millisecond
	maxPause   = 2 * time.Second
	// replyWait bounds the wait for the answer to a HELLO.
	replyWait = 15 * time.Second
)

// Session sends batches of lines and has each of them acknowledged, exactly
// once, over reconnects and restarts of the daemon. What is not acknowledged is
// kept and sent again. Its methods may be called from several goroutines.
type Session struct {
	opts   SessionOptions
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	writer  string        // the log that the session's history is in
	window  int
	unacked []outgoing // by rising seq
	sent    int        // of unacked, over the connection at hand
	next    uint64
	base    totals // of the producer, when the session began
	totals  totals // since then
	resent  uint64
	err     error
}

type totals struct{ batches, accepted, rejected uint64 }

// outgoing is one batch, as it goes over the wire.
type outgoing struct {
	seq    uint64
	plain  frame
	packed frame // as zstd, where that is smaller
}

// frame is a batch's first line and what follows it.
type frame struct{ head, body []byte }

// SessionStats are a session's counts since it was opened, in batches and in
// units as the ledger counts them.
type SessionStats struct {
	Acked, Unacked     uint64
	Accepted, Rejected uint64
	Resent             uint64 // batches sent more than once
}

// OpenSession connects and says HELLO. The session works in the background
// until Close.
func OpenSession(ctx context.Context, o SessionOptions) (*Session, error) {
	s := &Session{opts: o, ended: make(chan struct{}), changed: make(chan struct{})}
	c, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go func() { defer close(s.ended); s.run(c) }()
	return s, nil
}

// link is one connection of a session.
type link struct {
	net  net.Conn
	in   *bufio.Reader
	zstd bool // both sides have it
}

// connect dials, says HELLO and takes over what the daemon answers.
func (s *Session) connect(ctx context.Context) (*link, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", s.opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, s.opts.Addr, err)
	}
	l := &link{net: c, in: bufio.NewReaderSize(c, 4<<10)}
	ok, err := s.greet(l)
	if err == nil {
		err = s.adopt(ok)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return l, nil
}

func (s *Session) greet(l *link) (*protocol.OK, error) {
	s.mu.Lock()
	hello := protocol.Hello{Producer: s.opts.Producer, Epoch: s.opts.Epoch, Token: s.opts.Token, Writer: s.writer}
	if s.opts.Compress {
		hello.Caps = []string{protocol.Zstd}
	}
	s.mu.Unlock()
	if err := l.net.SetDeadline(time.Now().Add(replyWait)); err != nil {
		return nil, err
	}
	if _, err := l.net.Write(protocol.AppendHello(nil, hello)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	r, err := l.reply()
	switch {
	case err != nil:
		return nil, err
	case r.Refusal != nil:
		return nil, *r.Refusal
	case r.OK == nil:
		return nil, protocol.ErrSession
	}
	l.zstd = s.opts.Compress && slices.Contains(r.OK.Caps, protocol.Zstd)
	return r.OK, l.net.SetDeadline(time.Time{})
}

func (l *link) reply() (protocol.Reply, error) {
	line, err := l.in.ReadSlice('\n')
	if err != nil {
		return protocol.Reply{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return protocol.ParseReply(line[:len(line)-1])
}

// adopt brings the session in line with what the daemon has.
func (s *Session) adopt(ok *protocol.OK) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.writer == ""
	switch {
	case first:
		s.writer, s.next = ok.Writer, ok.Last+1
		s.base = totals{ok.Last, ok.Accepted, ok.Rejected}
	case ok.Writer != s.writer:
		return protocol.Refusal{Code: protocol.ErrMoved}
	case ok.Last+1 < s.oldest():
		return fmt.Errorf("%w: it has batches up to %d, and acknowledged %d", ErrLost, ok.Last, s.oldest()-1)
	case ok.Last >= s.next:
		return fmt.Errorf("another holder of the name %s has sent up to batch %d, and this one up to %d", s.opts.Producer, ok.Last, s.next-1)
	}
	s.window = ok.Window
	s.drop(ok.Last)
	s.totals = totals{ok.Last - s.base.batches, ok.Accepted - s.base.accepted, ok.Rejected - s.base.rejected}
	s.resent += uint64(min(s.sent, len(s.unacked)))
	s.sent = 0
	s.signal()
	s.tell()
	return nil
}

// oldest returns the first batch that is not acknowledged.
func (s *Session) oldest() uint64 {
	if len(s.unacked) > 0 {
		return s.unacked[0].seq
	}
	return s.next
}

// drop forgets batches up to seq, which are durable.
func (s *Session) drop(seq uint64) {
	for len(s.unacked) > 0 && s.unacked[0].seq <= seq {
		s.unacked[0] = outgoing{}
		s.unacked = s.unacked[1:]
		s.sent = max(s.sent-1, 0)
	}
}

func (s *Session) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// wait returns once ok, which runs under the lock, is true, or the session has
// failed, or ctx ends.
func (s *Session) wait(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, err, changed := ok(), s.err, s.changed
		s.mu.Unlock()
		switch {
		case done:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Send takes a batch of whole lines. It waits while the daemon's window is
// full, and returns once the batch is on its way; Flush tells when it is
// durable. The lines are copied.
func (s *Session) Send(ctx context.Context, lines []byte) error {
	var packed []byte
	if s.opts.Compress {
		packed = deflate(lines)
	}
	err := s.wait(ctx, func() bool { return s.err == nil && len(s.unacked) < s.window })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := outgoing{seq: s.next, plain: newFrame(s.next, append([]byte(nil), lines...), "")}
	if len(packed) > 0 {
		b.packed = newFrame(s.next, packed, protocol.Zstd)
	}
	s.unacked = append(s.unacked, b)
	s.next++
	s.signal()
	return nil
}

func newFrame(seq uint64, body []byte, encoding string) frame {
	head := protocol.BatchHead{Seq: seq, Bytes: len(body), CRC: protocol.Checksum(body), Encoding: encoding}
	return frame{protocol.AppendBatchHead(nil, head), body}
}

// over returns the batch as it goes over a connection.
func (o *outgoing) over(l *link) frame {
	if l.zstd && len(o.packed.body) > 0 {
		return o.packed
	}
	return o.plain
}

// Flush waits until everything sent is durable.
func (s *Session) Flush(ctx context.Context) error {
	return s.wait(ctx, func() bool { return len(s.unacked) == 0 })
}

// Stats returns the counts.
func (s *Session) Stats() SessionStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SessionStats{
		Acked: s.totals.batches, Unacked: uint64(len(s.unacked)), Accepted: s.totals.accepted, Rejected: s.totals.rejected, Resent: s.resent,
	}
}

// Close waits until everything sent is durable, or ctx ends, and ends the
// session. What is not acknowledged then is in doubt.
func (s *Session) Close(ctx context.Context) error {
	err := s.Flush(ctx)
	s.cancel()
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.unacked); n > 0 {
		return fmt.Errorf("%w: %d, from %d on: %w", ErrInDoubt, n, s.unacked[0].seq, errors.Join(err, s.err))
	}
	return err
}

// run keeps a connection up until the session ends or fails for good.
func (s *Session) run(l *link) {
	for {
		err := s.work(l)
		if s.ctx.Err() != nil {
			return
		}
		if final(err) {
			s.fail(err)
			return
		}
		if l = s.reconnect(); l == nil {
			return
		}
	}
}

// final tells what trying again cannot mend.
func final(err error) bool {
	var r protocol.Refusal
	if errors.As(err, &r) {
		switch r.Code {
		case protocol.ErrRetry, protocol.ErrCRC, protocol.ErrGap:
			return false
		}
		return true
	}
	return errors.Is(err, ErrLost) || errors.Is(err, protocol.ErrSession)
}

func (s *Session) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
	s.signal()
}

// reconnect tries until the daemon answers; nil where the session has ended or
// failed.
func (s *Session) reconnect() *link {
	began, pause := time.Now(), firstPause
	for {
		l, err := s.connect(s.ctx)
		switch {
		case err == nil:
			return l
		case s.ctx.Err() != nil:
			return nil
		case final(err) || (s.opts.GiveUp > 0 && time.Since(began) > s.opts.GiveUp):
			s.fail(err)
			return nil
		}
		select {
		case <-time.After(pause):
		case <-s.ctx.Done():
			return nil
		}
		pause = min(2*pause, maxPause)
	}
}

// work sends and reads over one connection until that fails.
func (s *Session) work(l *link) error {
	ctx, cancel := context.WithCancel(s.ctx)
	replies := make(chan error, 1)
	go func() {
		replies <- s.replies(l)
		cancel()
	}()
	stop := context.AfterFunc(ctx, func() { _ = l.net.Close() })
	defer stop()
	err := s.write(ctx, l)
	cancel()
	_ = l.net.Close()
	return errors.Join(<-replies, err)
}

// write sends what is not sent yet.
func (s *Session) write(ctx context.Context, l *link) error {
	for {
		if err := s.wait(ctx, func() bool { return s.sent < len(s.unacked) }); err != nil {
			return nil // ended, or the reader has the reason
		}
		s.mu.Lock()
		var bufs net.Buffers
		for ; s.sent < len(s.unacked); s.sent++ {
			f := s.unacked[s.sent].over(l)
			bufs = append(bufs, f.head, f.body)
		}
		s.mu.Unlock()
		if _, err := bufs.WriteTo(l.net); err != nil {
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
	}
}

// replies reads acknowledgements until the connection or the session ends.
func (s *Session) replies(l *link) error {
	for {
		r, err := l.reply()
		switch {
		case err != nil:
			return err
		case r.Refusal != nil && r.Refusal.Code == protocol.ErrRetry:
			s.again(r.Refusal.After)
		case r.Refusal != nil:
			return *r.Refusal
		case r.Ack != nil:
			s.acked(r.Ack)
		}
	}
}

func (s *Session) acked(a *protocol.Ack) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.oldest()
	s.drop(a.Seq)
	s.totals.batches += s.oldest() - before
	s.totals.accepted += a.Accepted
	s.totals.rejected += a.Rejected
	s.signal()
	s.tell()
}

// tell reports the durable batches.
func (s *Session) tell() {
	if s.opts.OnAck != nil {
		s.opts.OnAck(s.totals.batches)
	}
}

// again sends what is not acknowledged once more, after the time the daemon
// asks for.
func (s *Session) again(after uint64) {
	select {
	case <-time.After(time.Duration(min(after, 60_000)) * time.Millisecond):
	case <-s.ctx.Done():
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resent += uint64(s.sent)
	s.sent = 0
	s.signal()
}
