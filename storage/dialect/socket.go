package dialect

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

// quickly has connections read and written without the scheduler being told. A call
// to a local server takes longer than the 20 µs after which the scheduler hands the
// processor to another thread, and whoever comes back from it then waits for its turn
// behind a flush that encodes: a small read did so twice.
func quickly(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		s, ok := c.(syscall.Conn)
		if !ok {
			return c, nil
		}
		raw, err := s.SyscallConn()
		if err != nil {
			return c, nil
		}
		return &quickConn{Conn: c, raw: raw}, nil
	}
}

// quickConn is a connection whose descriptor does not block. All but what is read and
// written, deadlines too, is the connection's own.
type quickConn struct {
	net.Conn
	raw syscall.RawConn
}

// Read implements net.Conn.
func (c *quickConn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var failed error
	err = c.raw.Read(func(fd uintptr) (done bool) {
		n, failed = readSocket(int(fd), b)
		return failed != unix.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failed != nil:
		return 0, c.failure("read", failed)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *quickConn) Write(b []byte) (n int, err error) {
	var failed error
	for n < len(b) && err == nil && failed == nil {
		err = c.raw.Write(func(fd uintptr) (done bool) {
			var some int
			some, failed = writeSocket(int(fd), b[n:])
			n += some
			return failed != unix.EAGAIN
		})
	}
	if err == nil && failed != nil {
		err = c.failure("write", failed)
	}
	return n, err
}

func (c *quickConn) failure(op string, err error) error {
	at := c.LocalAddr()
	return &net.OpError{Op: op, Net: at.Network(), Source: at, Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
