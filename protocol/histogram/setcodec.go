package histogram

import (
	"encoding/binary"
	"slices"
)

// A set's bytes: kind 's', the number of members as uvarint, and their hashes
// in rising order, the first as it is and each later one less its predecessor,
// as uvarints; or kind 'r' and the registers, runs of empty ones as a 0 and
// their number as uvarint.
const (
	kindMembers   = 's'
	kindRegisters = 'r'
)

// AppendBinary encodes the set; equal content gives equal bytes.
func (s *Set) AppendBinary(dst []byte) []byte {
	if s.regs != nil {
		return s.appendRegisters(dst)
	}
	hashes := make([]uint64, 0, len(s.hashes))
	for h := range s.hashes {
		hashes = append(hashes, h)
	}
	slices.Sort(hashes)
	dst = append(dst, kindMembers)
	dst = binary.AppendUvarint(dst, uint64(len(hashes)))
	last := uint64(0)
	for _, h := range hashes {
		dst = binary.AppendUvarint(dst, h-last)
		last = h
	}
	return dst
}

func (s *Set) appendRegisters(dst []byte) []byte {
	dst = append(dst, kindRegisters)
	for i := 0; i < registers; {
		if s.regs[i] != 0 {
			dst = append(dst, s.regs[i])
			i++
			continue
		}
		run := i
		for i < registers && s.regs[i] == 0 {
			i++
		}
		dst = append(dst, 0)
		dst = binary.AppendUvarint(dst, uint64(i-run))
	}
	return dst
}

// DecodeSet decodes what AppendBinary wrote.
func DecodeSet(b []byte) (*Set, error) {
	r := reader{b: b}
	s := NewSet()
	switch r.byte() {
	case kindMembers:
		r.members(s)
	case kindRegisters:
		r.registers(s)
	default:
		r.bad = true
	}
	if r.bad || len(r.b) != 0 {
		return nil, ErrMalformed
	}
	return s, nil
}

func (r *reader) members(s *Set) {
	n := r.uvarint()
	r.bad = r.bad || n > exactMembers
	last := uint64(0)
	for i := uint64(0); i < n && !r.bad; i++ {
		d := r.uvarint()
		r.bad = r.bad || (i > 0 && d == 0) || last+d < last
		last += d
		s.hashes[last] = struct{}{}
	}
}

func (r *reader) registers(s *Set) {
	s.hashes, s.regs = nil, make([]uint8, registers)
	for i := uint64(0); i < registers && !r.bad; {
		c := r.byte()
		if c > 0 {
			r.bad = r.bad || c > maxRank
			s.regs[i] = c
			i++
			continue
		}
		n := r.uvarint()
		r.bad = r.bad || n == 0 || n > registers-i
		i += n
	}
}
