package ingest

import (
	"net"
	"sync"
	"syscall"
)

// datagramBuffer is what the system is asked to hold of a UDP socket until it is
// read, bytes: 3,000 full datagrams, or some tens of milliseconds of a busy network. It gives
// net.core.rmem_max at most, unless the daemon may ask for more.
const datagramBuffer = 4 << 20

// dropCount counts what the system dropped of one datagram socket, because nobody had
// read what was there before. It never came to the daemon, so that no account of
// units has it.
type dropCount struct {
	mu    sync.Mutex
	raw   syscall.RawConn
	last  uint32 // the system's own count, which turns over
	total uint64
}

// look brings the count up to date and returns it. A socket that is closed keeps its
// last one.
func (d *dropCount) look() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now, ok := socketDrops(d.raw); ok {
		d.total += uint64(now - d.last)
		d.last = now
	}
	return d.total
}

// countDrops has the drops of a UDP socket counted. A Unix socket has none: its
// senders wait.
func (s *Server) countDrops(pc net.PacketConn) {
	u, ok := pc.(*net.UDPConn)
	if !ok {
		return
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return
	}
	growBuffer(raw, datagramBuffer)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops = append(s.drops, &dropCount{raw: raw})
}

// Dropped returns how many datagrams the system dropped before the daemon could read
// them.
func (s *Server) Dropped() (total uint64) {
	s.mu.Lock()
	drops := s.drops
	s.mu.Unlock()
	for _, d := range drops {
		total += d.look()
	}
	return total
}
