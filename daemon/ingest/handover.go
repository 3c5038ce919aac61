package ingest

import (
	"errors"
	"net"
	nethttp "net/http"
	"sync"
	"time"
)

// handover is a listener whose connections come from the sniffer. Unbuffered:
// whoever gives a connection waits until the HTTP server has taken it.
type handover struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	mu    sync.Mutex
	addr  net.Addr
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{}), addr: &net.TCPAddr{}}
}

func (h *handover) give(c net.Conn) bool {
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handover) Addr() net.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addr
}

func (h *handover) setAddr(a net.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addr = a
}

// longestHead is how long the head of an HTTP request may take at most.
const longestHead = 10 * time.Second

// prefixed is a connection whose first bytes were read already. The head of its
// first request is due by their time: the HTTP server would begin to count only
// now.
type prefixed struct {
	net.Conn
	first   []byte
	peer    net.Addr
	onClose func()
	onSlow  func() // the head did not come in time
	once    sync.Once

	mu    sync.Mutex
	head  time.Time // when the first head is due; zero once it is there
	asked time.Time // the last deadline that was asked for
}

// HTTPState is a hook of http.Server, for the connections that HTTP accepts.
func HTTPState(c net.Conn, s nethttp.ConnState) {
	if p, ok := c.(*prefixed); ok && s == nethttp.StateActive {
		p.headed()
	}
}

// headed says that the first head has come.
func (p *prefixed) headed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.head.IsZero() {
		p.head = time.Time{}
		_ = p.Conn.SetReadDeadline(p.asked)
	}
}

// SetReadDeadline keeps to the head's time while the head is not there.
func (p *prefixed) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = t
	if !p.head.IsZero() && (t.IsZero() || t.After(p.head)) {
		t = p.head
	}
	return p.Conn.SetReadDeadline(t)
}

// SetDeadline sets both.
func (p *prefixed) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	n, err := p.Conn.Read(b)
	if timedOut(err) && p.late() {
		p.onSlow()
	}
	return n, err
}

// Write gives the connection up where nothing at all went out in time. HTTP/2 would
// go on with half a frame, and HTTP/1 ends it anyway.
func (p *prefixed) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	if n == 0 && timedOut(err) {
		_ = p.Conn.Close()
	}
	return n, err
}

// late reports, once, that the head's time is over.
func (p *prefixed) late() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.head.IsZero() || time.Now().Before(p.head) {
		return false
	}
	p.head = time.Time{}
	return true
}

// RemoteAddr returns whom the connection is from, which a proxy may have said.
func (p *prefixed) RemoteAddr() net.Addr { return p.peer }

func (p *prefixed) Close() error {
	p.once.Do(p.onClose)
	return p.Conn.Close()
}
