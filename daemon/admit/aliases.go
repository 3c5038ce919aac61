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
// The spellings themselves are shared by several lanes, see spellings: a lane's own
// are its slots, and in each entry the reference under which it knows the series.
// Where the entry stands is all that a slot holds beside a piece of the hash: a
// look-up touches two places in memory, and waits for no lock.
type aliases struct {
	hasher hasher
	slots  [][lineSlots]uint64 // tag<<placeBits | place; 0 is free
	count  int
	limit  int

	shared *spellings
	set    *spellingSet // whose places the slots hold
	arenas [][]byte     // of it, as they were when this lane last put something in
	back   uint32       // words from an entry's head back to the lane's reference

	group group
}

// Alias is what a spelling stands for. Its Type is 0 where the spelling is not
// known.
type Alias struct {
	Ref  uint32
	Type protocol.Type
}

const (
	lineSlots = 8
	minLines  = 1 << 7

	placeBits = 40 // of a slot; an entry's place takes 32 of them
	placeMask = 1<<placeBits - 1
	usedTag   = 1 << 23 // is in every tag, so that no slot that is taken is 0
)

// newAliases returns the aliases of the lane that is the given one, from 0, of
// those that share spellings.
func newAliases(limit int, shared *spellings, lane int) *aliases {
	a := &aliases{limit: limit, hasher: newHasher(), shared: shared, back: refsBefore + uint32(lane)}
	a.reset()
	return a
}

func (a *aliases) reset() {
	a.slots = make([][lineSlots]uint64, minLines)
	a.count = 0
	a.set, a.arenas = nil, nil
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
				if to, ok := a.match(slot, name, suffix); ok {
					return to, true
				}
			}
		}
	}
}

// match compares an entry's key in full.
func (a *aliases) match(slot uint64, name, suffix []byte) (Alias, bool) {
	e := a.entry(slot)
	if !headOf(e).fits(len(name), len(suffix)) {
		return Alias{}, false
	}
	key := e[keyAt:]
	if !bytes.Equal(key[:len(name)], name) || !bytes.Equal(key[len(name):][:len(suffix)], suffix) {
		return Alias{}, false
	}
	return Alias{Ref: binary.LittleEndian.Uint32(a.entry(slot - uint64(a.back))), Type: headOf(e).typ()}, true
}

// entry returns the bytes from an entry on.
func (a *aliases) entry(slot uint64) []byte { return entryAt(a.arenas, uint32(slot&placeMask)) }

// insert adds an alias that lookup has just missed, of the series that has the
// number.
func (a *aliases) insert(series uint32, name, suffix []byte, to Alias) {
	if len(name)+len(suffix) > maxAliasKey {
		return
	}
	if a.count >= a.limit {
		a.reset()
	}
	place := a.keep(series, name, suffix, to)
	if (a.count+1)*2 > len(a.slots)*lineSlots {
		a.grow()
	}
	a.count++
	a.place(a.hasher.hash(name, suffix), uint64(place))
}

// keep has the spelling kept for all lanes and puts the lane's reference into it.
// Where the set that it knows was given up, it forgets all that stand there.
func (a *aliases) keep(series uint32, name, suffix []byte, to Alias) (place uint32) {
	a.shared.mu.Lock()
	defer a.shared.mu.Unlock()
	set := a.shared.room()
	if a.set != set {
		if a.count > 0 {
			a.reset()
		}
		a.set = set
	}
	place = set.keep(a.shared.lanes, series, name, suffix, to.Type)
	a.arenas = set.arenas
	binary.LittleEndian.PutUint32(a.entry(uint64(place-a.back)), to.Ref)
	return place
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
	old := a.slots
	a.slots = make([][lineSlots]uint64, 2*len(old))
	for _, line := range old {
		for _, slot := range line {
			if slot == 0 {
				continue
			}
			e := a.entry(slot)
			h, key := headOf(e), e[keyAt:]
			a.place(a.hasher.hash(key[:h.name()], key[h.name():][:h.suffix()]), slot&placeMask)
		}
	}
}
