package admit

import (
	"hash/maphash"
	"unsafe"
)

// index finds a series by its canonical key: open addressing with linear probing,
// half full at most. A slot is 32 bits of the key's hash and the series' number,
// from 1; 0 is free. It holds no pointers, so that the collector does not walk it,
// and a key is hashed once for a look-up and what follows it.
type index struct {
	seed  maphash.Seed // the process's own: no sender can aim collisions
	slots []uint64
	n     int
}

func newIndex() index { return index{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<10)} }

func (x *index) hash(key []byte) uint32 { return uint32(maphash.Bytes(x.seed, key) >> 32) }

// find returns the series of the key whose hash is h, nil where there is none.
func (x *index) find(h uint32, key []byte, all []*Series) *Series {
	mask := uint32(len(x.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		slot := x.slots[i]
		if slot == 0 {
			return nil
		}
		if uint32(slot>>32) == h {
			if s := all[uint32(slot)-1]; s.Key == string(key) {
				return s
			}
		}
	}
}

// insert adds a series that find has just missed.
func (x *index) insert(h uint32, number int) {
	if (x.n+1)*2 > len(x.slots) {
		old := x.slots
		x.slots = make([]uint64, 2*len(old))
		for _, slot := range old {
			if slot != 0 {
				x.place(slot)
			}
		}
	}
	x.n++
	x.place(uint64(h)<<32 | uint64(number+1))
}

func (x *index) place(slot uint64) {
	mask := uint32(len(x.slots) - 1)
	i := uint32(slot>>32) & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = slot
}

// shelf hands out memory for what is never given back, many at a time: a million
// series are then some thousand allocations.
type shelf struct {
	keys    []byte
	series  []Series
	entries []entry
}

const (
	shelfBytes = 64 << 10
	shelfItems = 256
)

// key returns a copy of a key.
func (s *shelf) key(b []byte) string {
	if len(b) > cap(s.keys)-len(s.keys) {
		s.keys = make([]byte, 0, max(shelfBytes, len(b)))
	}
	at := len(s.keys)
	s.keys = append(s.keys, b...)
	return unsafe.String(unsafe.SliceData(s.keys[at:]), len(b))
}

func (s *shelf) oneSeries() *Series {
	if len(s.series) == 0 {
		s.series = make([]Series, shelfItems)
	}
	one := &s.series[0]
	s.series = s.series[1:]
	return one
}

func (s *shelf) entry() *entry {
	if len(s.entries) == 0 {
		s.entries = make([]entry, shelfItems)
	}
	one := &s.entries[0]
	s.entries = s.entries[1:]
	return one
}
