package ingest

import (
	"encoding/binary"
	"time"

	"example.com/nexusctl/protocol"
)

// cutFrames takes length-prefixed packets apart: each is four bytes of length,
// little endian, and then lines, the last of which needs no newline. The
// packets are moved together in place, over their own prefixes.
func (c *conn) cutFrames(k *chunk, n int) {
	data := k.buf[:n]
	out := data[:0]
	for len(data) >= 4 {
		size := int(binary.LittleEndian.Uint32(data))
		if size > maxPacket {
			k.refused, k.refusals = protocol.BatchTooLarge, 1
			c.server.stats.Closed[BadFrame].Add(1)
			_ = c.net.Close() // what follows cannot be told from the middle of a packet
			data = nil
			break
		}
		if len(data) < 4+size {
			break
		}
		packet := data[4 : 4+size]
		data = data[4+size:]
		// A packet and its newline never reach past the prefix and packet
		// they came from, so this overwrites only what was read.
		out = append(out, packet...)
		if size > 0 && packet[size-1] != '\n' {
			out = append(out, '\n')
		}
	}
	c.keep(data)
	same, rest := len(out) == 0, len(data)
	k.units = out
	c.submit(k)
	c.grown(same, rest, time.Now()) // as in cut
}
