package dialect

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"example.com/nexusctl/protocol/socket"
)

// pair returns both ends of a connection, the first one quick.
func pair(t *testing.T) (quick, other net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var d net.Dialer
	if quick, err = quickly(d.DialContext)(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if _, ok := quick.(*socket.Conn); !ok {
		t.Fatalf("it is a %T", quick)
	}
	if other, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { quick.Close(); other.Close() })
	return quick, other
}

// TestQuickConnLoses tells a server that has gone, and a connection that was closed,
// as what they are.
func TestQuickConnLoses(t *testing.T) {
	quick, other := pair(t)
	other.(*net.TCPConn).SetLinger(0)
	other.Close()
	_, err := quick.Read(make([]byte, 1))
	for try := 0; err == nil || try == 0; try++ {
		_, err = quick.Write(make([]byte, 1<<10))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) || classifyPostgres(err) != Unavailable {
		t.Errorf("%v", err)
	}
	quick, _ = pair(t)
	quick.Close()
	if _, err := quick.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) || classifyPostgres(err) != Unavailable {
		t.Errorf("a read of a connection that was closed: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var d net.Dialer
	if _, err := quickly(d.DialContext)(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("a dial that was given up: %v", err)
	}
}
