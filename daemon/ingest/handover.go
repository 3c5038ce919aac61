package ingest

import (
	"net"
	"sync"
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

// prefixed is a connection whose first bytes were read already.
type prefixed struct {
	net.Conn
	first   []byte
	peer    net.Addr
	onClose func()
	once    sync.Once
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// RemoteAddr returns whom the connection is from, which a proxy may have said.
func (p *prefixed) RemoteAddr() net.Addr { return p.peer }

func (p *prefixed) Close() error {
	p.once.Do(p.onClose)
	return p.Conn.Close()
}
