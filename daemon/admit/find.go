package admit

import "example.com/nexusctl/protocol/scan"

// group is the scratch of one find: what each line has in each pass.
type group struct {
	hashes  [scan.GroupSize]uint64
	entries [scan.GroupSize]uintptr // find_amd64.s: where the key to be compared stands, 0 for none
	slots   [scan.GroupSize]uint64
	touched uint64
}

// find looks up to scan.GroupSize lines of buf up.
func (a *aliases) find(buf []byte, lines []scan.Line, found []Alias) {
	if scan.Wide && len(lines) > 0 {
		a.findWide(buf, lines, found)
		return
	}
	a.findPlain(buf, lines, found)
}

// findPlain goes pass by pass: every line's hash, every line's slot, every line's
// entry, every line's key. Within a pass no line waits for another, so the
// processor fetches them from memory at the same time; line by line each would
// wait for all of its own.
func (a *aliases) findPlain(buf []byte, lines []scan.Line, found []Alias) {
	g := &a.group
	for i, l := range lines {
		g.hashes[i] = 0
		if l.Plain() {
			g.hashes[i] = a.hasher.hash(buf[l.Start:l.Colon], buf[l.Bar:l.End])
		}
	}
	for i := range lines {
		g.slots[i] = a.guess(g.hashes[i])
	}
	for i, l := range lines {
		if slot := g.slots[i]; slot>>placeBits == tagOf(g.hashes[i]) {
			e := a.entry(slot)
			// A key of the usual length reaches into a second line of the cache: its
			// last byte is asked for too, and none behind it, where another lane may be
			// writing. The sum keeps the reads from being left out.
			end := keyAt + int(l.Colon-l.Start+l.End-l.Bar)
			g.touched += uint64(e[0]) + uint64(e[min(end, len(e))-1])
		}
	}
	for i, l := range lines {
		found[i] = Alias{}
		if !l.Plain() {
			continue
		}
		name, suffix := buf[l.Start:l.Colon], buf[l.Bar:l.End]
		if slot := g.slots[i]; slot>>placeBits == tagOf(g.hashes[i]) {
			if to, ok := a.match(slot, name, suffix); ok {
				found[i] = to
				continue
			}
		}
		found[i], _ = a.lookup(name, suffix)
	}
}

// guess returns the slot that is most likely the hash's: one of the first four of
// its line that has its tag, else the first. There is nothing to be guessed by the
// processor: which it is changes from line to line.
func (a *aliases) guess(h uint64) uint64 {
	line := &a.slots[h&uint64(len(a.slots)-1)]
	tag := tagOf(h)
	slot := line[0]
	if line[1]>>placeBits == tag {
		slot = line[1]
	}
	if line[2]>>placeBits == tag {
		slot = line[2]
	}
	if line[3]>>placeBits == tag {
		slot = line[3]
	}
	return slot
}
