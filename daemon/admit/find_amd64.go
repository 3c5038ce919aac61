package admit

import "example.com/nexusctl/protocol/scan"

// hashWide hashes a name and a suffix of at most maxWide bytes each.
func (h *hasher) hashWide(name, suffix []byte) uint64 {
	return hashBytes(&h.wide, name, suffix)
}

// findWide goes pass by pass, as findPlain does, but asks for what the next pass
// needs without waiting for it. What it does not find, long keys among it, is
// looked up alone.
func (a *aliases) findWide(buf []byte, lines []scan.Line, found []Alias) {
	hashLines(&a.hasher.wide, buf, lines, a.slots, &a.group.hashes)
	if len(a.arenas) > 0 {
		locateLines(a.slots, a.arenas, &a.group, len(lines))
	} else {
		clear(a.group.entries[:])
	}
	compareLines(buf, lines, &a.group, found, -placeUnit*int(a.back))
	for i, l := range lines {
		if found[i].Type == 0 && l.Plain() {
			found[i], _ = a.lookup(buf[l.Start:l.Colon], buf[l.Bar:l.End])
		}
	}
}

// hashBytes is one line's hash.
//
//go:noescape
func hashBytes(keys *wideKeys, name, suffix []byte) uint64

// hashLines hashes lines and has their slots' lines fetched.
//
//go:noescape
func hashLines(keys *wideKeys, buf []byte, lines []scan.Line, slots [][lineSlots]uint64, hashes *[scan.GroupSize]uint64)

// locateLines looks at the first line of slots of n hashes, fills in the entries
// whose tag is theirs, and has them fetched.
//
//go:noescape
func locateLines(slots [][lineSlots]uint64, arenas [][]byte, scratch *group, n int)

// compareLines compares the entries' keys with the lines and fills found, with
// an Alias of type 0 where there is no such key. ref is where the lane's reference
// stands, seen from an entry.
//
//go:noescape
func compareLines(buf []byte, lines []scan.Line, scratch *group, found []Alias, ref int)
