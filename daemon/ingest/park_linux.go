package ingest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// lot holds the connections that have been silent for a while. A goroutine that
// waits in a read keeps a stack, twice or thrice what else a connection takes: such
// connections have none. One epoll set waits for all of them.
type lot struct {
	epoll, wakeup int // descriptors: the set, and what ends its waiting
	resume        func(*conn)

	mu     sync.Mutex
	parked map[int32]*conn // by descriptor
	closed bool
}

// newLot returns an empty lot. resume is called, from run, with every connection
// that has something to be read, or has ended.
func newLot(resume func(*conn)) (*lot, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a set of silent connections: %w", err)
	}
	wakeup, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wakeup, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wakeup)})
	}
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("make a set of silent connections: %w", err)
	}
	return &lot{epoll: epoll, wakeup: wakeup, resume: resume, parked: map[int32]*conn{}}, nil
}

// park takes a connection over whose goroutine ends now. What has come since it
// looked last resumes it at once. false: it has to wait by itself.
func (l *lot) park(c *conn) bool {
	if l == nil {
		return false
	}
	fd, err := c.detach()
	if err != nil {
		return false // no descriptor is free, most likely
	}
	if !l.add(fd, c) {
		c.attach(fd)
		return false
	}
	return true
}

func (l *lot) add(fd int, c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd)}
	if unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &e) != nil {
		return false // no room for it
	}
	l.parked[e.Fd] = c
	return true
}

// detach parts the socket from what the runtime keeps for one that is read: the
// descriptor that is returned is all that is left of it.
func (c *conn) detach() (fd int, err error) {
	failed := c.raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(failed, err); err != nil {
		return -1, err
	}
	c.server.leave(c.net)
	_ = c.net.Close() // the socket stays: fd is one more of it
	c.net, c.raw = nil, nil
	return fd, nil
}

// attach makes a connection of a descriptor again.
func (c *conn) attach(fd int) {
	f := os.NewFile(uintptr(fd), "connection")
	c.net = &revived{f, c.local, c.peer}
	c.raw, _ = f.SyscallConn() // of a file that is not nil
	c.server.back(c.net)
}

// revived is a connection made of a descriptor. What the net package would make of it
// is no different, and takes a second descriptor, which there may be none of.
type revived struct {
	*os.File
	local, peer net.Addr
}

func (r *revived) LocalAddr() net.Addr  { return r.local }
func (r *revived) RemoteAddr() net.Addr { return r.peer }

// CloseWrite tells the peer that nothing more is said.
func (r *revived) CloseWrite() error {
	raw, err := r.SyscallConn()
	if err != nil {
		return err
	}
	failed := raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) })
	return errors.Join(failed, err)
}

// run resumes connections until close is called, and then all.
func (l *lot) run() {
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			break // the set is gone, which only a fault of ours brings
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd == int32(l.wakeup) {
				l.empty()
				return
			}
			if c := l.take(e.Fd); c != nil {
				c.attach(int(e.Fd))
				l.resume(c)
			}
		}
	}
	l.empty()
}

func (l *lot) take(fd int32) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.parked[fd]
	delete(l.parked, fd)
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(fd), nil)
	return c
}

// empty resumes all and takes no more.
func (l *lot) empty() {
	l.mu.Lock()
	all := l.parked
	l.parked, l.closed = nil, true
	_ = unix.Close(l.epoll)
	_ = unix.Close(l.wakeup)
	l.mu.Unlock()
	for fd, c := range all {
		c.attach(int(fd))
		l.resume(c)
	}
}

// close has run come to its end.
func (l *lot) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		_, _ = unix.Write(l.wakeup, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}
