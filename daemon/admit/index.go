package admit

import (
	"hash/maphash"
	"unsafe"
)

// index finds a series by its canonical key: open addressing with linear probing,
// half full at most. A slot is the series' number, from 1, and eight more bits of the
// key's hash; 0 is free. It holds no pointers, so that the collector does not walk it,
// and a key is hashed once for a look-up and what follows it.
type index struct {
	seed    maphash.Seed // the process's own: no sender can aim collisions
	numbers []uint32
	bits    []uint8
	n       int
}

func newIndex() index {
	const slots = 1 << 10
	return index{seed: maphash.MakeSeed(), numbers: make([]uint32, slots), bits: make([]uint8, slots)}
}

func (x *index) hash(key []byte) uint64 { return maphash.Bytes(x.seed, key) }

// bitsOf are those that do not choose the slot.
func bitsOf(h uint64) uint8 { return uint8(h >> 56) }

// find returns the series of the key whose hash is h, nil where there is none.
func (x *index) find(h uint64, key []byte, all []*Series) *Series {
	mask := uint64(len(x.numbers) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		number := x.numbers[i]
		if number == 0 {
			return nil
		}
		if x.bits[i] == bitsOf(h) {
			if s := all[number-1]; s.Key == string(key) {
				return s
			}
		}
	}
}

// insert adds the newest of all series, which find has just missed.
func (x *index) insert(h uint64, all []*Series) {
	if (x.n+1)*2 > len(x.numbers) {
		n := 2 * len(x.numbers)
		x.numbers, x.bits = make([]uint32, n), make([]uint8, n)
		for i, s := range all[:len(all)-1] {
			x.place(x.hash(s.Bytes()), uint32(i+1))
		}
	}
	x.n++
	x.place(h, uint32(len(all)))
}

func (x *index) place(h uint64, number uint32) {
	mask := uint64(len(x.numbers) - 1)
	i := h & mask
	for x.numbers[i] != 0 {
		i = (i + 1) & mask
	}
	x.numbers[i], x.bits[i] = number, bitsOf(h)
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
