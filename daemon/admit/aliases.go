package admit

import (
	"bytes"
	"hash/maphash"
	"math/bits"
)

// aliases maps a line's raw name and raw suffix (the bytes behind the value:
// type, rate, tags, as sent) to a local reference, so that a line seen before
// is not understood again. It is a cache: forgetting an alias costs one trip
// through the canonical path and changes no answer.
//
// Open addressing with linear probing. Keys are hashed with the process's own
// random seed and compared in full, so that no sender can aim collisions.
type aliases struct {
	seed  maphash.Seed
	slots []uint64 // hash's upper half | entry number + 1; 0 is free
	mask  uint64
	items []alias
	keys  [][]byte // arenas of arenaSize, never moved
	limit int
}

type alias struct {
	arena, offset uint32
	name, suffix  uint16 // lengths
	ref           uint32
}

const (
	arenaSize   = 256 << 10
	minSlots    = 1 << 10
	maxAliasKey = 4 << 10 // longer keys take the canonical path each time
)

func newAliases(limit int) *aliases {
	a := &aliases{seed: maphash.MakeSeed(), limit: limit}
	a.reset()
	return a
}

func (a *aliases) reset() {
	a.slots = make([]uint64, minSlots)
	a.mask = minSlots - 1
	a.items = nil
	a.keys = nil
}

func (a *aliases) hash(name, suffix []byte) uint64 {
	h := maphash.Bytes(a.seed, name)
	return bits.RotateLeft64(h, 31) ^ maphash.Bytes(a.seed, suffix)*0x9e3779b97f4a7c15
}

func (a *aliases) lookup(name, suffix []byte) (ref uint32, ok bool) {
	h := a.hash(name, suffix)
	for i := h & a.mask; ; i = (i + 1) & a.mask {
		slot := a.slots[i]
		if slot == 0 {
			return 0, false
		}
		if slot>>32 == h>>32 && a.equal(uint32(slot)-1, name, suffix) {
			return a.items[uint32(slot)-1].ref, true
		}
	}
}

func (a *aliases) equal(item uint32, name, suffix []byte) bool {
	it := &a.items[item]
	if int(it.name) != len(name) || int(it.suffix) != len(suffix) {
		return false
	}
	key := a.keys[it.arena][it.offset:]
	return bytes.Equal(key[:len(name)], name) && bytes.Equal(key[len(name):len(name)+len(suffix)], suffix)
}

// insert adds an alias that lookup has just missed.
func (a *aliases) insert(name, suffix []byte, ref uint32) {
	n := len(name) + len(suffix)
	if n > maxAliasKey {
		return
	}
	if len(a.items) >= a.limit {
		a.reset()
	}
	if uint64(len(a.items)+1)*4 > uint64(len(a.slots))*3 {
		a.grow()
	}
	if len(a.keys) == 0 || len(a.keys[len(a.keys)-1])+n > arenaSize {
		a.keys = append(a.keys, make([]byte, 0, arenaSize))
	}
	arena := &a.keys[len(a.keys)-1]
	a.items = append(a.items, alias{
		arena: uint32(len(a.keys) - 1), offset: uint32(len(*arena)),
		name: uint16(len(name)), suffix: uint16(len(suffix)), ref: ref,
	})
	*arena = append(append(*arena, name...), suffix...)
	a.place(a.hash(name, suffix), uint32(len(a.items)))
}

func (a *aliases) place(h uint64, item uint32) {
	i := h & a.mask
	for a.slots[i] != 0 {
		i = (i + 1) & a.mask
	}
	a.slots[i] = h>>32<<32 | uint64(item)
}

func (a *aliases) grow() {
	a.slots = make([]uint64, 2*len(a.slots))
	a.mask = uint64(len(a.slots) - 1)
	for i, it := range a.items {
		key := a.keys[it.arena][it.offset:]
		name, suffix := key[:it.name], key[it.name:int(it.name)+int(it.suffix)]
		a.place(a.hash(name, suffix), uint32(i+1))
	}
}
