package torture

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
)

// proxy stands between the daemon and its store and can take it away: all
// connections are cut, and new ones are cut at once.
type proxy struct {
	network, target string
	listener        net.Listener
	wg              sync.WaitGroup

	mu    sync.Mutex
	away  bool
	conns map[net.Conn]struct{}
	cuts  int // connections that were cut or refused
}

func startProxy(network, target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &proxy{network: network, target: target, listener: l, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		if p.take(c) {
			p.wg.Go(func() { p.serve(c) })
		}
	}
}

// take registers a connection, or cuts it.
func (p *proxy) take(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		p.cuts++
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func (p *proxy) serve(c net.Conn) {
	defer p.drop(c)
	d, err := net.Dial(p.network, p.target)
	if err != nil || !p.take(d) {
		return
	}
	defer p.drop(d)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, d}, {d, c}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // either end's error ends both
			_, _ = c.Close(), d.Close()
		})
	}
	both.Wait()
}

// cut takes the store away, or brings it back.
func (p *proxy) cut(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	if !away {
		return
	}
	for c := range p.conns {
		p.cuts++
		_ = c.Close()
	}
}

func (p *proxy) close() error {
	p.cut(true)
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

// through returns the store's URL with the proxy in place of its host, and
// where that host is.
func through(storage, proxyAddr string) (throughURL, network, target string, err error) {
	u, err := url.Parse(storage)
	if err != nil {
		return "", "", "", errors.New("the storage URL cannot be read")
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "5432"
	}
	q := u.Query()
	if dir := q.Get("host"); host == "" && dir != "" {
		host = dir
		q.Del("host")
	}
	u.RawQuery = q.Encode()
	network, target = "tcp", net.JoinHostPort(host, port)
	switch {
	case host == "":
		return "", "", "", errors.New("the storage URL names no host")
	case host[0] == '/':
		network, target = "unix", host+"/.s.PGSQL."+port
		if p := q.Get("port"); p != "" {
			target = host + "/.s.PGSQL." + p
		}
		q.Del("port")
		q.Set("sslmode", "disable") // a socket has none, and a proxy adds none
		u.RawQuery = q.Encode()
	}
	u.Host = proxyAddr
	return u.String(), network, target, nil
}
