package admit

import (
	"bytes"
	"encoding/binary"

	"example.com/nexusctl/protocol"
)

// aliases maps a line's raw name and raw suffix (the bytes on both sides of the
// value, as sent) to a local reference, so that a line seen before is not
// understood again. It is a cache: forgetting an alias costs one trip through the
// canonical path and changes no answer.
//
// Open addressing: a key's slot is the first free one of its hash's line, eight
// slots that are a line of the processor's cache, or of the lines behind it. Keys
// are hashed with keys of the process's own and compared in full, so that no
// sender can aim collisions.
//
// An entry is eight bytes of head, then name and suffix without a gap, padded to
// eight bytes. Where it stands is all that a slot holds beside a piece of the
// hash: a look-up touches two places in memory.
type aliases struct {
	hasher hasher
	slots  [][lineSlots]uint64 // tag<<placeBits | place; 0 is free
	arenas [][]byte            // of arenaSize, never moved
	count  int
	limit  int

	group group
}

// Alias is what a spelling stands for. Its Type is 0 where the spelling is not
// known.
type Alias struct {
	Ref  uint32
	Type protocol.Type
}

const (
	arenaSize   = 256 << 10
	lineSlots   = 8
	minLines    = 1 << 7
	maxAliasKey = 4<<10 - 1 // longer keys take the canonical path each time

	placeBits = 40 // of a place: eight bytes at 2^40 are more than any memory
	placeMask = 1<<placeBits - 1
	usedTag   = 1 << 23 // is in every tag, so that no slot that is taken is 0
)

// head is an entry's first eight bytes: the reference, the lengths of name and
// suffix in twelve bits each, the type.
type head uint64

func newHead(a Alias, name, suffix int) head {
	return head(a.Ref) | head(name)<<32 | head(suffix)<<44 | head(a.Type)<<56
}

func (h head) alias() Alias { return Alias{Ref: uint32(h), Type: protocol.Type(h >> 56)} }

func (h head) name() int   { return int(h >> 32 & 0xfff) }
func (h head) suffix() int { return int(h >> 44 & 0xfff) }

// fits says that the lengths are those.
func (h head) fits(name, suffix int) bool {
	return uint64(h)>>32&0xffffff == uint64(name|suffix<<12) && name|suffix <= maxAliasKey
}

func (h head) size() int { return 8 + (h.name()+h.suffix()+7)&^7 }

func newAliases(limit int) *aliases {
	a := &aliases{limit: limit, hasher: newHasher()}
	a.reset()
	return a
}

func (a *aliases) reset() {
	a.slots = make([][lineSlots]uint64, minLines)
	a.count = 0
	a.arenas = nil
}

// tagOf is the piece of a hash that its slot holds.
func tagOf(h uint64) uint64 { return h>>placeBits | usedTag }

// lookup finds one spelling.
func (a *aliases) lookup(name, suffix []byte) (Alias, bool) {
	h := a.hasher.hash(name, suffix)
	mask := uint64(len(a.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		for _, slot := range a.slots[i] {
			if slot == 0 {
				return Alias{}, false
			}
			if slot>>placeBits == tagOf(h) {
				if head, ok := a.match(slot, name, suffix); ok {
					return head.alias(), true
				}
			}
		}
	}
}

// match compares an entry's key in full.
func (a *aliases) match(slot uint64, name, suffix []byte) (head, bool) {
	e := a.entry(slot)
	h := head(binary.LittleEndian.Uint64(e))
	if !h.fits(len(name), len(suffix)) {
		return 0, false
	}
	e = e[8:h.size()]
	return h, bytes.Equal(e[:len(name)], name) && bytes.Equal(e[len(name):][:len(suffix)], suffix)
}

// entry returns the bytes from an entry on.
func (a *aliases) entry(slot uint64) []byte {
	place := slot & placeMask
	return a.arenas[place/(arenaSize/8)][place%(arenaSize/8)*8:]
}

// insert adds an alias that lookup has just missed.
func (a *aliases) insert(name, suffix []byte, to Alias) {
	if len(name)+len(suffix) > maxAliasKey {
		return
	}
	if a.count >= a.limit {
		a.reset()
	}
	if (a.count+1)*2 > len(a.slots)*lineSlots {
		a.grow()
	}
	h := newHead(to, len(name), len(suffix))
	if len(a.arenas) == 0 || len(a.arenas[len(a.arenas)-1])+h.size() > arenaSize {
		a.arenas = append(a.arenas, make([]byte, 0, arenaSize))
	}
	last := len(a.arenas) - 1
	at := len(a.arenas[last])
	e := a.arenas[last][at : at+h.size()]
	a.arenas[last] = a.arenas[last][:at+h.size()]
	binary.LittleEndian.PutUint64(e, uint64(h))
	copy(e[8:], name)
	copy(e[8+len(name):], suffix)
	a.count++
	a.place(a.hasher.hash(name, suffix), uint64(last*arenaSize+at)/8)
}

func (a *aliases) place(h, place uint64) {
	mask := uint64(len(a.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		for j := range a.slots[i] {
			if slot := &a.slots[i][j]; *slot == 0 {
				*slot = tagOf(h)<<placeBits | place
				return
			}
		}
	}
}

func (a *aliases) grow() {
	a.slots = make([][lineSlots]uint64, 2*len(a.slots))
	for i, arena := range a.arenas {
		for at := 0; at < len(arena); {
			h := head(binary.LittleEndian.Uint64(arena[at:]))
			key := arena[at+8:]
			name, suffix := key[:h.name()], key[h.name():][:h.suffix()]
			a.place(a.hasher.hash(name, suffix), uint64(i*arenaSize+at)/8)
			at += h.size()
		}
	}
}
