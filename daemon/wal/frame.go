package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame: length of the payload (4 bytes), checksum (4 bytes), payload. Both
// numbers are little endian. The checksum is CRC32C over the checksum of the
// frame before, the length and the payload: it says that these bytes are whole
// and that they stand behind that frame, so a frame that was dropped, doubled
// or moved is as visible as one that was altered. A length of zero ends a
// segment.
const frameHeader = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendFrame(dst []byte, chain uint32, payload []byte) ([]byte, uint32) {
	chain = link(chain, payload)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, chain)
	return append(dst, payload...), chain
}

// link returns the checksum of a payload behind the frame with checksum chain.
func link(chain uint32, payload []byte) uint32 {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], chain)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(payload)))
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, payload)
}

// frameAt is what stands at an offset of a segment.
type frameAt int

const (
	wholeFrame frameAt = iota
	noFrame            // zeros, or the end: the segment ends here
	badFrame           // bytes that are no frame in this place
)

// nextFrame reads the frame at the start of b, which holds the rest of a
// segment. reason says what is wrong with a bad one.
func nextFrame(b []byte, chain uint32) (payload []byte, next uint32, what frameAt, reason string) {
	if len(b) < frameHeader {
		return nil, 0, endOrBad(b), "half a frame header"
	}
	n := binary.LittleEndian.Uint32(b)
	sum := binary.LittleEndian.Uint32(b[4:])
	switch {
	case n == 0 && sum == 0:
		return nil, 0, noFrame, ""
	case n == 0 || n > MaxFrame:
		return nil, 0, badFrame, "an impossible length"
	case int64(n) > int64(len(b)-frameHeader):
		return nil, 0, badFrame, "a frame beyond the segment's end"
	}
	payload = b[frameHeader : frameHeader+n : frameHeader+n]
	if next = link(chain, payload); next != sum {
		return nil, 0, badFrame, "a checksum that does not hold"
	}
	return payload, next, wholeFrame, ""
}

func endOrBad(b []byte) frameAt {
	for _, c := range b {
		if c != 0 {
			return badFrame
		}
	}
	return noFrame
}
