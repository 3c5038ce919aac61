package ingest

import (
	"errors"
	"net"
	"time"
)

// servePackets reads datagrams until the socket is closed. Each holds one or
// more lines, the last of which needs no newline.
func (s *Server) servePackets(pc net.PacketConn) error {
	tokens := make(chan struct{}, inFlight)
	lane, local := s.lanes.Assign(), pc.LocalAddr()
	for {
		k := chunks.Get().(*chunk)
		n, peer, err := pc.ReadFrom(k.buf[:])
		if err != nil {
			chunks.Put(k)
			for range inFlight {
				tokens <- struct{}{}
			}
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		if n == 0 {
			chunks.Put(k)
			continue
		}
		s.stats.Packets.Add(1)
		s.stats.Bytes.Add(uint64(n))
		tokens <- struct{}{}
		k.units, k.inFlight, k.server, k.arrived = k.buf[:n], tokens, s, time.Now()
		k.local, k.peer = local, peer
		s.lanes.Submit(lane, k)
	}
}
