package e2e_test

import (
	"bytes"
	bits "encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands before a Postgres. It can be shut, and it can lose the answer
// to the commit of a flush.
type proxy struct {
	t        *testing.T
	listener net.Listener
	target   string

	slow atomic.Int64 // nanoseconds for which each of a client's messages is held back
	cut  atomic.Int64 // answers still to lose
	lost atomic.Int64 // answers that were lost

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: l, target: target, conns: map[net.Conn]struct{}{}}
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.set(true); p.wg.Wait() })
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// set shuts or opens the proxy. Shutting breaks every connection.
func (p *proxy) set(shut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = shut
	if shut {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	defer p.forget(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.forget(server)
	var mute atomic.Bool // the server's next answer is lost, and the connection with it
	var answers sync.WaitGroup
	answers.Go(func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || mute.Load() {
				if mute.Load() && n > 0 {
					p.lost.Add(1)
				}
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	})
	p.forward(client, server, &mute)
	_ = server.Close()
	answers.Wait()
}

// forward takes the client's messages apart, just enough to see a transaction
// that stores blocks, and its commit.
func (p *proxy) forward(client io.Reader, server io.Writer, mute *atomic.Bool) {
	if err := pass(client, server); err != nil {
		return // the startup message has no type
	}
	stores := map[string]bool{} // prepared statements that store blocks
	inFlush := false
	for {
		kind, body, err := message(client)
		if err != nil {
			return
		}
		switch kind {
		case 'P': // Parse: name, query
			name, query, _ := bytes.Cut(body, []byte{0})
			stores[string(name)] = bytes.HasPrefix(query, []byte("INSERT INTO flush_block"))
		case 'B': // Bind: portal, name of the statement
			_, rest, _ := bytes.Cut(body, []byte{0})
			name, _, _ := bytes.Cut(rest, []byte{0})
			inFlush = inFlush || stores[string(name)]
		case 'Q': // Query
			if bytes.HasPrefix(bytes.ToLower(body), []byte("commit")) && inFlush && p.cut.Add(-1) >= 0 {
				mute.Store(true)
			}
			inFlush = false
		}
		time.Sleep(time.Duration(p.slow.Load()))
		if _, err := server.Write(frame(kind, body)); err != nil {
			return
		}
	}
}

func message(r io.Reader) (kind byte, body []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	body = make([]byte, bits.BigEndian.Uint32(head[1:])-4)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

func frame(kind byte, body []byte) []byte {
	b := bits.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(b, body...)
}

// pass hands one message without a type over.
func pass(r io.Reader, w io.Writer) error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := io.CopyN(w, r, int64(bits.BigEndian.Uint32(head))-4)
	return err
}
