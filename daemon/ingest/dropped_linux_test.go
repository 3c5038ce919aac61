package ingest

import (
	"strings"
	"testing"
)

// TestDropped sends datagrams to a server that reads none for a while: what came and
// what the system dropped are all that was sent.
func TestDropped(t *testing.T) {
	lanes := &recorder{hold: true}
	s := newServer(t, lanes, Options{})
	c := dial(t, "udp", s.listenPackets("udp", "127.0.0.1:0"))
	line := strings.Repeat("x", 1400)
	const sent = 3 * datagramBuffer / 1400
	for range sent {
		write(t, c, line)
	}
	if s.Dropped() == 0 {
		t.Fatalf("%d datagrams of %d bytes fit", sent, len(line))
	}
	lanes.release()
	all := func() uint64 { return s.Stats().Packets.Load() + s.Dropped() }
	eventually(t, "what came and what was dropped are all", func() bool { return all() == sent })
	if err := s.CloseDoors(); err != nil {
		t.Fatal(err)
	}
	if got := all(); got != sent {
		t.Errorf("%d once the door is closed, %d were sent", got, sent)
	}
}

// TestUnixDropsNothing: who sends to a Unix socket waits.
func TestUnixDropsNothing(t *testing.T) {
	s := newServer(t, &recorder{}, Options{})
	s.listenPackets("unixgram", t.TempDir()+"/s")
	if n := s.Dropped(); n != 0 || len(s.drops) != 0 {
		t.Errorf("%d of %d sockets", n, len(s.drops))
	}
}
