package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/protocol/socket"
)

const (
	// dialers bounds the connections that are being made at one time: more
	// would overflow the daemon's backlog, and a dropped SYN costs a second.
	dialers = 64
	// spareFiles is what the process opens besides connections.
	spareFiles = 64
	// closeWait bounds the wait for the daemon to have read everything: what
	// the kernel holds, and before it the write that is under way when the run is
	// halted. That one waits behind the kernel's megabytes, and cut short it
	// would leave half a line.
	closeWait = 30 * time.Second
	// eachWait is added for every connection: the daemon holds senders back by not
	// reading, and what ten thousand have under way takes it as many turns.
	eachWait = 4 * time.Millisecond
)

// conn is one connection. What it has that client.Lines has not: it can be
// stopped while it writes, and its send buffer is small.
type conn struct {
	net   *net.TCPConn
	quick net.Conn // the same, as lines are written
	among int      // connections of the run
}

// dialAll makes n connections. sendBuffer bounds what the kernel takes for a
// connection before a write waits; 0 leaves it to the kernel. A large buffer
// would hide a daemon that has stopped reading.
func dialAll(ctx context.Context, addr string, n, sendBuffer int) ([]*conn, error) {
	if err := allowFiles(n + spareFiles); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conns := make([]*conn, n)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(dialers, n) {
		wg.Go(func() {
			for i := range next {
				c, err := dial(ctx, addr, sendBuffer)
				if err != nil {
					cancel(fmt.Errorf("connection %d of %d: %w", i+1, n, err))
					continue
				}
				c.among = n
				conns[i] = c
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		for _, c := range conns {
			if c != nil {
				_ = c.net.Close() // nothing was sent
			}
		}
		return nil, err
	}
	return conns, nil
}

func dial(ctx context.Context, addr string, sendBuffer int) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	switch {
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, fmt.Errorf("this machine has no more files or ports for a connection to %s: %w", addr, err)
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w at %s: %w", client.ErrUnreachable, addr, err)
	}
	t := c.(*net.TCPConn)
	if sendBuffer > 0 {
		if err := t.SetWriteBuffer(sendBuffer); err != nil {
			return nil, errors.Join(fmt.Errorf("send buffer: %w", err), t.Close())
		}
	}
	return &conn{net: t, quick: socket.Quick(t)}, nil
}

// allowFiles raises the limit of open files as far as this process may.
func allowFiles(need int) error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur >= uint64(need) {
		return nil // not known: the dials will tell
	}
	l.Cur = l.Max
	if l.Max < uint64(need) || unix.Setrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return fmt.Errorf("%d connections need %d open files and this process may have %d: raise the limit (ulimit -n, LimitNOFILE=) or use fewer connections",
			need-spareFiles, need, l.Max)
	}
	return nil
}

// write sends b and returns, with an error, how many of its lines the kernel
// took, all of each.
func (c *conn) write(b []byte) (lines int64, err error) {
	n, err := c.quick.Write(b)
	if err == nil {
		return 0, nil
	}
	if n > 0 && b[n-1] != '\n' {
		err = errors.Join(err, errCut)
	}
	return wholeLines(b[:n]), err
}

// errCut says that the last line on the wire is not whole.
var errCut = errors.New("a line was cut in the middle")

// stop bounds the write that is under way.
func (c *conn) stop() { _ = c.net.SetWriteDeadline(time.Now().Add(c.patience(closeWait))) }

// patience is a wait as long as the run's connections need.
func (c *conn) patience(one time.Duration) time.Duration {
	return one + time.Duration(c.among)*eachWait
}

// abort resets the connection: after a clean end half a line would be judged as
// if it were one.
func (c *conn) abort() error { return errors.Join(c.net.SetLinger(0), c.net.Close()) }

// finish says that nothing more comes and waits until the daemon has read all
// of it and closed its side.
func (c *conn) finish() error {
	if err := c.net.CloseWrite(); err != nil {
		return errors.Join(fmt.Errorf("finish sending: %w", err), c.net.Close())
	}
	if err := c.net.SetReadDeadline(time.Now().Add(c.patience(closeWait))); err != nil {
		return errors.Join(err, c.net.Close())
	}
	reply, err := io.ReadAll(io.LimitReader(c.net, 512))
	switch {
	case err != nil:
		err = fmt.Errorf("the daemon did not confirm the end: %w", err)
	case len(reply) > 0:
		err = fmt.Errorf("the daemon says: %s", reply)
	}
	return errors.Join(err, c.net.Close())
}
