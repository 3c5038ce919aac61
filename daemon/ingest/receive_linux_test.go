package ingest

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReceiveBuffer: the more connections there are the smaller is the receive buffer
// of further ones, from their handshake on; when they are gone new ones have it whole.
func TestReceiveBuffer(t *testing.T) {
	const each, n = 128 << 10, 48
	r := &recorder{maxLine: 1 << 10}
	s := New(r, Options{MaxLine: 1 << 10, MaxConnections: 2 * n, Receive: ReceiveBuffers{Each: each, All: 40 * each}})
	l := narrow(t, each)
	s.Listen(l)
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = dial(t, "tcp", l.Addr().String())
		eventually(t, "it is open", func() bool { return s.Stats().Active.Load() == int64(i+1) })
		write(t, conns[i], "a.b:1|c\n")
	}
	r.wait(t, n)
	list := sizes(t, s)
	slices.Sort(list)
	if list[0] != 2*each/4 || list[n-1] != 2*each {
		t.Errorf("receive buffers are from %d to %d bytes, want %d to %d", list[0], list[n-1], 2*each/4, 2*each)
	}
	sum := 0
	for _, size := range list {
		sum += size / 2
	}
	if sum > 40*each {
		t.Errorf("all receive buffers take %d bytes, want %d at most", sum, 40*each)
	}
	for _, c := range conns {
		_ = c.Close()
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Active.Load() == 0 })
	dial(t, "tcp", l.Addr().String()) // grows it for the next one
	eventually(t, "it is open", func() bool { return s.Stats().Active.Load() == 1 })
	dial(t, "tcp", l.Addr().String())
	eventually(t, "it is open", func() bool { return s.Stats().Active.Load() == 2 })
	if list = sizes(t, s); slices.Max(list) != 2*each {
		t.Errorf("receive buffers of the only two have %d bytes, want %d", list, 2*each)
	}
	if err := errors.Join(s.CloseDoors(), s.Drain(t.Context())); err != nil {
		t.Error(err)
	}
}

// narrow listens for connections with a receive buffer of size bytes.
func narrow(t *testing.T, size int) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		failed := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size) })
		if failed != nil {
			return failed
		}
		return err
	}}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sizes are the receive buffers of a server's connections, as the system counts them.
func sizes(t *testing.T, s *Server) (list []int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
			if err != nil {
				t.Error(err)
			}
			list = append(list, size)
		}); err != nil {
			t.Fatal(err)
		}
	}
	return list
}
