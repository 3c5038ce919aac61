// Package socket reads and writes sockets without the scheduler being told.
//
// A call that the scheduler knows of loses its processor to another thread after 20 µs.
// A copy of 64 KiB takes longer, and so does what a local server does within a write:
// each such call costs both threads a wake-up, has the scheduler's monitor look every
// 20 µs for more of that kind, and whoever comes back waits for a processor anew. A
// descriptor that does not block never waits, so nobody has to be told.
package socket

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Conn is a connection that is read and written in that way. All else, deadlines too,
// is the connection's own.
type Conn struct {
	net.Conn
	raw syscall.RawConn
}

// Quick returns c as a Conn, or as it is where it is no socket of the system.
func Quick(c net.Conn) net.Conn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	return &Conn{Conn: c, raw: raw}
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var failed error
	err = c.raw.Read(func(fd uintptr) (done bool) {
		n, failed = Read(int(fd), b)
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
func (c *Conn) Write(b []byte) (n int, err error) {
	var failed error
	for n < len(b) && err == nil && failed == nil {
		err = c.raw.Write(func(fd uintptr) (done bool) {
			var some int
			some, failed = Write(int(fd), b[n:])
			n += some
			return failed != unix.EAGAIN
		})
	}
	if err == nil && failed != nil {
		err = c.failure("write", failed)
	}
	return n, err
}

func (c *Conn) failure(op string, err error) error {
	at := c.LocalAddr()
	return &net.OpError{Op: op, Net: at.Network(), Source: at, Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}
