package wal

import "encoding/binary"

// salvage finds the frames in b, which is a segment's bytes from a place on,
// although some of them are damaged. A frame counts where its checksum holds
// behind the one that stands before it, as that one is written: so after a
// damaged frame the next is found, and where a length cannot be trusted, every
// byte is tried. visit gets offsets in b.
type salvage struct {
	b     []byte
	chain uint32
	known bool // chain is the checksum of the frame before the place
	visit func(offset int, payload []byte, before uint32) error

	unreadable int64
}

func (s *salvage) run() error {
	end := int(nonZero(s.b))
	for at := 0; at < end; {
		n, err := s.frame(at)
		if err != nil {
			return err
		}
		if n == 0 {
			n = s.skip(at, end)
			s.unreadable += int64(n)
		}
		at += n
	}
	return nil
}

// frame takes the whole frame at a place, and returns its size.
func (s *salvage) frame(at int) (int, error) {
	if !s.known {
		return 0, nil
	}
	payload, next, what, _ := nextFrame(s.b[at:], s.chain)
	if what != wholeFrame {
		return 0, nil
	}
	if err := s.visit(at, payload, s.chain); err != nil {
		return 0, err
	}
	s.chain = next
	return frameHeader + len(payload), nil
}

// skip passes over bytes that are no frame: over a whole one whose length leads
// to a frame that holds behind it, or over one byte.
func (s *salvage) skip(at, end int) int {
	s.known = false
	if at+frameHeader > end {
		return end - at
	}
	n := binary.LittleEndian.Uint32(s.b[at:])
	if n == 0 || n > MaxFrame || int64(at)+frameHeader+int64(n) > int64(end) {
		return 1
	}
	sum := binary.LittleEndian.Uint32(s.b[at+4:])
	behind := at + frameHeader + int(n)
	if behind == end {
		return 1
	}
	if _, _, what, _ := nextFrame(s.b[behind:end:end], sum); what != wholeFrame {
		return 1
	}
	s.chain, s.known = sum, true
	return behind - at
}
