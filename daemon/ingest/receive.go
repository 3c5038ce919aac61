package ingest

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// leastReceive is what a connection's receive buffer has at least, bytes.
const leastReceive = 16 << 10

// ReceiveBuffers says what the system may hold of connections until it is read, in
// bytes as setsockopt(SO_RCVBUF) counts them; the system takes twice as much.
type ReceiveBuffers struct {
	Each int // of one connection at most, as its listener sets it; 0: it is the system's to size
	All  int // by which they are sized where there are many: 5,000 take as much, 10,000 1.6 times that
}

// share returns what the next connection gets where n are there. Those that came
// first keep more, so it is a quarter of an equal share.
func (b ReceiveBuffers) share(n int64) int {
	return min(max(b.All/4/int(max(n, 1)), leastReceive), b.Each)
}

// next returns what the next connection gets where n are there and the last one got
// so much: the same, until its share has become half or twice that.
func (b ReceiveBuffers) next(last int, n int64) int {
	if share := b.share(n); share <= last/2 || share >= 2*last {
		return share
	}
	return last
}

// unknownTCPMemory stands for where the system does not say what TCP may have.
const unknownTCPMemory = 256 << 20

// AllReceive returns what all connections may have. The system counts the memory of
// TCP, and beyond its first bound it begins to drop what has come, which its senders
// then send again after a fifth of a second and more: ten thousand of them with
// 128 KiB each came to a third of their rate so. With a quarter of that
// bound 5,000 take half of it and 10,000 four fifths, as the system doubles what is
// set; the least of each adds up beyond.
func AllReceive() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_mem")
	if err != nil {
		return unknownTCPMemory
	}
	return receiveOf(string(text), os.Getpagesize())
}

// receiveOf reads the system's three bounds, pages.
func receiveOf(text string, page int) int {
	bounds := strings.Fields(text)
	if len(bounds) == 0 {
		return unknownTCPMemory
	}
	pages, err := strconv.ParseInt(bounds[0], 10, 32)
	if err != nil || pages <= 0 {
		return unknownTCPMemory
	}
	return int(pages) * page / 4
}

// receiver is a listener whose next connections get less of a receive buffer the more
// there are. A connection's own cannot be made smaller: its peer may send what it was
// once allowed to, and the system drops what does not fit.
type receiver struct {
	raw syscall.RawConn
	set int // bytes
}

// receiverOf returns nil where the system sizes the buffers: it does those of Unix
// sockets, which lie with the sender.
func (s *Server) receiverOf(l net.Listener) *receiver {
	t, ok := l.(*net.TCPListener)
	if !ok || s.opts.Receive.Each == 0 {
		return nil
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return &receiver{raw, s.opts.Receive.Each}
}

// ReceiveBuffer returns the share of the next connection, bytes, which it gets half to
// twice of; 0: the system sizes it.
func (s *Server) ReceiveBuffer() int { return s.opts.Receive.share(s.unparked()) }

// unparked returns how many connections may have something to be read.
func (s *Server) unparked() int64 { return s.stats.Active.Load() - s.stats.Parked.Load() }

// resize follows the number of connections.
func (r *receiver) resize(s *Server) {
	if r == nil {
		return
	}
	next := s.opts.Receive.next(r.set, s.unparked())
	if next == r.set {
		return
	}
	var err error
	if failed := r.raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, next)
	}); failed == nil && err == nil {
		r.set = next
	}
}
