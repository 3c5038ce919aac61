package ingest

import (
	"net"
	"sync"
	"time"

	"example.com/nexusctl/daemon/admit"
	"example.com/nexusctl/daemon/lane"
	"example.com/nexusctl/daemon/wal"
	"example.com/nexusctl/protocol"
)

// A chunk is 64 KiB, the size at which the cost of a wake-up and of a lock no
// longer shows, and some room so that the longest permitted line fits whole.
const (
	chunkSize = 64<<10 + chunkRoom
	chunkRoom = 4 << 10
)

// chunk is a buffer on its way from a connection through a lane. It is lent
// from a pool while there is something to read and given back by the lane.
type chunk struct {
	buf   [chunkSize]byte
	units []byte // whole lines, in buf
	// refused are units that never became lines.
	refused  protocol.Reason
	refusals int
	inFlight chan struct{} // the connection's tokens; one is given back
	server   *Server
	arrived  time.Time // when its last byte was read
	local    net.Addr  // of the listener, nil for none
	peer     net.Addr
	lease    chan struct{} // of the lane's buffers, one of which this is; nil for one beyond them
}

// lent bounds the buffers that one lane's connections hold at one time: more than
// its queue and its batch take, and few enough to stay in the processor's caches.
// Without it each of ten thousand senders held one while it waited for the lane.
const lent = 32

// maxLanes is how many lanes have buffers of their own.
const maxLanes = 64

// leases are the buffers of each lane; one that is lent is in its channel.
type leases [maxLanes]chan struct{}

func newLeases() (l leases) {
	for i := range l {
		l[i] = make(chan struct{}, lent)
	}
	return l
}

func (l *leases) of(lane int) chan struct{} { return l[lane%maxLanes] }

// giveBack ends the loan of the buffer. Nothing of it may be used after.
func (c *chunk) giveBack() {
	lease := c.lease
	c.lease = nil
	chunks.Put(c)
	if lease != nil {
		<-lease
	}
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// Take hands the chunk's lines over.
func (c *chunk) Take(t *lane.Taker) {
	t.Unlogged()
	if c.refusals > 0 {
		t.Reject(c.refused, c.refusals)
	}
	var blank uint64
	if why, shed := c.server.opts.Pressure.Shed(); shed {
		blank = t.ShedLines(c.units, why)
	} else {
		blank = t.Lines(c.units)
	}
	if blank > 0 {
		c.server.stats.Blank.Add(blank)
	}
}

// Share says that the chunk may stand in one record with others.
func (c *chunk) Share() (lane.Share, bool) {
	return lane.Share{Bytes: len(c.units), Unlogged: true}, true
}

// Source says whom the chunk is from.
func (c *chunk) Source() admit.Source { return sourceOf(c.local, c.peer) }

// Arrived returns when the chunk's last byte was read.
func (c *chunk) Arrived() time.Time { return c.arrived }

// Done gives the buffer back.
func (c *chunk) Done(_ wal.Position, err error) {
	if err != nil {
		c.server.stats.Refused.Add(1)
	} else if c.server.opts.Taken != nil {
		c.server.opts.Taken(time.Since(c.arrived))
	}
	token := c.inFlight
	c.units, c.refusals, c.inFlight, c.peer = nil, 0, nil, nil
	c.giveBack()
	<-token
}
