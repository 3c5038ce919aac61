// Package client holds the clients of nexusctl's wire: lines over TCP and the
// HTTP API. Commands, load generators and tests share them.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrUnreachable reports a daemon that does not answer at its address.
var ErrUnreachable = errors.New("the daemon is not reachable")

// Lines sends text or JSON lines over one TCP connection, without
// acknowledgement. It belongs to one goroutine.
type Lines struct{ conn net.Conn }

// Dial connects to host:port.
func Dial(ctx context.Context, addr string) (*Lines, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, addr, err)
	}
	return &Lines{conn: c}, nil
}

// Write sends whole lines; it blocks while the daemon pushes back.
func (l *Lines) Write(b []byte) (int, error) {
	n, err := l.conn.Write(b)
	if err != nil {
		return n, fmt.Errorf("send lines: %w", err)
	}
	return n, nil
}

// closeWait bounds how long Close waits for the daemon to have read everything.
const closeWait = 10 * time.Second

// Close says that nothing more comes and waits until the daemon has read all
// of it and closed its side: a connection closed at once could be reset, and
// lose what is still on its way.
func (l *Lines) Close() error {
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok {
		return l.conn.Close()
	}
	if err := half.CloseWrite(); err != nil {
		return errors.Join(fmt.Errorf("finish sending: %w", err), l.conn.Close())
	}
	if err := l.conn.SetReadDeadline(time.Now().Add(closeWait)); err != nil {
		return errors.Join(err, l.conn.Close())
	}
	reply, err := io.ReadAll(io.LimitReader(l.conn, 512))
	if err != nil {
		return errors.Join(fmt.Errorf("the daemon did not confirm the end: %w", err), l.conn.Close())
	}
	if len(reply) > 0 {
		return errors.Join(fmt.Errorf("the daemon says: %s", reply), l.conn.Close())
	}
	return l.conn.Close()
}
