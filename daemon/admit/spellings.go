package admit

import (
	"bytes"
	"encoding/binary"
	"sync"

	"example.com/nexusctl/protocol"
)

// sharingLanes is how many lanes share spellings at most. Each has four bytes in
// every entry, which a look-up walks past.
const sharingLanes = 8

// spellings keeps the raw bytes of lines for lanes that share them: most series come
// to every lane, and their spellings would take as much again for each.
//
// The lock is taken where a lane meets a spelling for the first time. What stands in
// an entry never changes but for the lanes' references, and of those each lane reads
// and writes its own alone; it knows the place of an entry only after it held the
// lock. So look-ups need none.
type spellings struct {
	lanes int
	limit int // entries

	mu  sync.Mutex
	set *spellingSet
}

// spellingSet is what is kept at a time. It only grows, and is given up as a whole
// where it is full: by each lane when it next meets a spelling that it does not know.
type spellingSet struct {
	arenas [][]byte // of arenaSize, never moved
	used   int      // bytes of the last one
	first  []uint32 // by series: one more than the place of its newest spelling, 0 for none
	count  int
}

const (
	arenaSize   = 256 << 10
	placeUnit   = 4         // bytes: entries begin at multiples of it
	maxAliasKey = 4<<10 - 1 // longer keys take the canonical path each time
	// maxSpellings is how many spellings of one series are looked through for one
	// that another lane has met; of a series that has more some are kept twice.
	maxSpellings = 8
	maxArenas    = 1 << 16 // 16 GiB, for a place has 32 bits
)

// An entry is the lanes' references, the last lane's first, the place of the spelling
// that its series had before, as first has it, then the head, and name and suffix
// without a gap, padded to four bytes. Its place is that of the head: what a look-up
// compares stands at one distance, however many lanes there are.
const (
	nextBefore = 1 // words before the head
	refsBefore = 2 // of lane 0's reference
	keyAt      = 4 // bytes behind the head
)

// head is an entry's first four bytes: the lengths of name and suffix in twelve bits
// each, the type.
type head uint32

func newHead(name, suffix int, t protocol.Type) head {
	return head(name) | head(suffix)<<12 | head(t)<<24
}

func headOf(e []byte) head { return head(binary.LittleEndian.Uint32(e)) }

func (h head) name() int          { return int(h & 0xfff) }
func (h head) suffix() int        { return int(h >> 12 & 0xfff) }
func (h head) typ() protocol.Type { return protocol.Type(h >> 24) }

// fits says that the lengths are those.
func (h head) fits(name, suffix int) bool {
	return uint64(h)&0xffffff == uint64(name|suffix<<12) && name|suffix <= maxAliasKey
}

// newSpellings returns what some lanes share, at most sharingLanes. It keeps up to
// limit spellings for each.
func newSpellings(lanes, limit int) *spellings {
	return &spellings{lanes: lanes, limit: lanes * limit}
}

// room returns a set that takes one more. Callers hold the lock.
func (s *spellings) room() *spellingSet {
	if s.set == nil || s.set.count >= s.limit || len(s.set.arenas) == maxArenas {
		s.set = new(spellingSet)
	}
	return s.set
}

// keep returns the place of a series' spelling, which it adds where it is new, for
// some lanes.
func (s *spellingSet) keep(lanes int, series uint32, name, suffix []byte, t protocol.Type) (place uint32) {
	if n := int(series) + 1 - len(s.first); n > 0 {
		s.first = append(s.first, make([]uint32, n)...)
	}
	head := newHead(len(name), len(suffix), t)
	at := s.first[series]
	for range maxSpellings {
		if at == 0 {
			break
		}
		e := entryAt(s.arenas, at-1)
		if key := e[keyAt:]; headOf(e) == head && bytes.Equal(key[:len(name)], name) && bytes.Equal(key[len(name):][:len(suffix)], suffix) {
			return at - 1
		}
		at = binary.LittleEndian.Uint32(entryAt(s.arenas, at-1-nextBefore))
	}
	place = s.add(lanes+nextBefore, keyAt+len(name)+len(suffix))
	e := entryAt(s.arenas, place)
	binary.LittleEndian.PutUint32(e, uint32(head))
	copy(e[keyAt:], name)
	copy(e[keyAt+len(name):], suffix)
	binary.LittleEndian.PutUint32(entryAt(s.arenas, place-nextBefore), s.first[series])
	s.first[series] = place + 1
	return place
}

// add makes room for an entry of some words and, from its place on, some bytes, a few
// thousand at most.
func (s *spellingSet) add(words, size int) (place uint32) {
	size = (size + placeUnit - 1) &^ (placeUnit - 1)
	if len(s.arenas) == 0 || s.used+words*placeUnit+size > arenaSize {
		s.arenas, s.used = append(s.arenas, make([]byte, arenaSize)), 0
	}
	at := s.used + words*placeUnit
	s.used = at + size
	s.count++
	return uint32(((len(s.arenas)-1)*arenaSize + at) / placeUnit)
}

// entryAt returns the bytes from a place on.
func entryAt(arenas [][]byte, place uint32) []byte {
	return arenas[place/(arenaSize/placeUnit)][place%(arenaSize/placeUnit)*placeUnit:]
}
