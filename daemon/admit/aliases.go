package admit

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/scan"
)

// aliases maps a line's raw name and raw suffix (the bytes on both sides of the
// value, as sent) to a local reference, so that a line seen before is not
// understood again. It is a cache: forgetting an alias costs one trip through the
// canonical path and changes no answer.
//
// Open addressing with linear probing. Keys are hashed with keys of the process's
// own and compared in full, so that no sender can aim collisions.
//
// An entry is eight bytes of head, then name and suffix without a gap, padded to
// eight bytes. Where it stands is all that a slot holds beside a piece of the
// hash: a look-up touches two places in memory.
type aliases struct {
	keys   [2]uint64
	slots  []uint64 // tag<<placeBits | place+1; 0 is free
	mask   uint64
	arenas [][]byte // of arenaSize, never moved
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
	minSlots    = 1 << 10
	maxAliasKey = 4<<10 - 1 // longer keys take the canonical path each time

	placeBits = 40 // of a place: eight bytes at 2^40 are more than any memory
	placeMask = 1<<placeBits - 1
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
	a := &aliases{limit: limit, keys: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}}
	a.reset()
	return a
}

func (a *aliases) reset() {
	a.slots = make([]uint64, minSlots)
	a.mask = minSlots - 1
	a.count = 0
	a.arenas = nil
}

// lookup finds one spelling.
func (a *aliases) lookup(name, suffix []byte) (Alias, bool) {
	return a.probe(a.hash(name, suffix), name, suffix)
}

// probe goes along the slots from the hash's own.
func (a *aliases) probe(h uint64, name, suffix []byte) (Alias, bool) {
	for i := h & a.mask; ; i = (i + 1) & a.mask {
		slot := a.slots[i]
		if slot == 0 {
			return Alias{}, false
		}
		if slot>>placeBits == h>>placeBits {
			if head, ok := a.match(slot, name, suffix); ok {
				return head.alias(), true
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
	place := (slot & placeMask) - 1
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
	if (a.count+1)*2 > len(a.slots) {
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
	a.place(a.hash(name, suffix), uint64(last*arenaSize+at)/8)
}

func (a *aliases) place(h, place uint64) {
	i := h & a.mask
	for a.slots[i] != 0 {
		i = (i + 1) & a.mask
	}
	a.slots[i] = h>>placeBits<<placeBits | (place + 1)
}

func (a *aliases) grow() {
	a.slots = make([]uint64, 2*len(a.slots))
	a.mask = uint64(len(a.slots) - 1)
	for i, arena := range a.arenas {
		for at := 0; at < len(arena); {
			h := head(binary.LittleEndian.Uint64(arena[at:]))
			key := arena[at+8:]
			name, suffix := key[:h.name()], key[h.name():][:h.suffix()]
			a.place(a.hash(name, suffix), uint64(i*arenaSize+at)/8)
			at += h.size()
		}
	}
}

// groupSize is how many lines are looked up together.
const groupSize = 128

// group is the scratch of one find: what each line has in each pass.
type group struct {
	hashes, slots [groupSize]uint64
	touched       uint64
}

// find looks up to groupSize lines of buf up, pass by pass: every line's hash,
// every line's slot, every line's entry, every line's key. Within a pass no line
// waits for another, so the processor fetches them from memory at the same time;
// line by line each would wait for all of its own.
func (a *aliases) find(buf []byte, lines []scan.Line, found []Alias) {
	g := &a.group
	for i, l := range lines {
		g.hashes[i] = 0
		if l.Plain() {
			g.hashes[i] = a.hash(buf[l.Start:l.Colon], buf[l.Bar:l.End])
		}
	}
	for i := range lines {
		g.slots[i] = a.guess(g.hashes[i])
	}
	for i := range lines {
		if slot := g.slots[i]; slot != 0 {
			e := a.entry(slot)
			// A key of the usual length reaches into a second line of the cache.
			// The sum keeps the reads from being left out.
			g.touched += uint64(e[0]) + uint64(e[min(cacheLine, len(e)-1)])
		}
	}
	for i, l := range lines {
		found[i] = Alias{}
		if !l.Plain() {
			continue
		}
		name, suffix := buf[l.Start:l.Colon], buf[l.Bar:l.End]
		if slot := g.slots[i]; slot>>placeBits == g.hashes[i]>>placeBits {
			if h, ok := a.match(slot, name, suffix); ok {
				found[i] = h.alias()
				continue
			}
		}
		found[i], _ = a.probe(g.hashes[i], name, suffix)
	}
}

const cacheLine = 64

// guess returns the slot that is most likely the hash's: one of the first three
// that has its tag, else the first. There is nothing to be guessed by the
// processor: which it is changes from line to line.
func (a *aliases) guess(h uint64) uint64 {
	i := h & a.mask
	slot, second, third := a.slots[i], a.slots[(i+1)&a.mask], a.slots[(i+2)&a.mask]
	if (third^h)>>placeBits == 0 {
		slot = third
	}
	if (second^h)>>placeBits == 0 {
		slot = second
	}
	if first := a.slots[i]; (first^h)>>placeBits == 0 {
		slot = first
	}
	return slot
}

// hash multiplies and folds 16 bytes a step, with random keys, as wyhash does and
// the runtime's own hash where there is no AES.
func (a *aliases) hash(name, suffix []byte) uint64 {
	h := a.keys[0] ^ uint64(len(name)|len(suffix)<<12)
	return a.absorb(a.absorb(h, name), suffix)
}

func (a *aliases) absorb(h uint64, b []byte) uint64 {
	for len(b) > 16 {
		h = fold(binary.LittleEndian.Uint64(b)^a.keys[1], binary.LittleEndian.Uint64(b[8:])^h)
		b = b[16:]
	}
	// What is left is read in two words that may overlap: the length is in the
	// hash already.
	switch n := len(b); {
	case n >= 8:
		return fold(binary.LittleEndian.Uint64(b)^a.keys[1], binary.LittleEndian.Uint64(b[n-8:])^h)
	case n >= 4:
		return fold(uint64(binary.LittleEndian.Uint32(b))^a.keys[1], uint64(binary.LittleEndian.Uint32(b[n-4:]))^h)
	case n > 0:
		return fold((uint64(b[0])<<16|uint64(b[n/2])<<8|uint64(b[n-1]))^a.keys[1], h)
	}
	return h
}

func fold(x, y uint64) uint64 {
	high, low := bits.Mul64(x, y)
	return high ^ low
}
