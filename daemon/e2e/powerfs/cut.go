package powerfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Damage is what was at stake in a cut.
type Damage struct {
	Writes  int   // of files, unsynced
	Bytes   int64 // in them
	Changes int   // of directories, unsynced
	Harmed  int   // files that are not what programs last saw of them
}

// Restore turns the power on after a cut: programs see what is left. The same r
// over the same requests leaves the same; without a cut before it, it is one by
// itself.
func (d *Disk) Restore(r *rand.Rand) (damage Damage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &survival{r: r, damage: &damage}
	switch r.IntN(8) {
	case 0, 1:
		s.all, s.alike = lost, true
	case 2:
		s.all, s.alike = kept, true
	}
	s.walk(d.root)
	d.used = s.used
	d.power, d.trap = on, nil
	d.turned.Broadcast()
	return damage
}

// survival is a walk over what outlives a cut.
type survival struct {
	r      *rand.Rand
	alike  bool // everything fares the same
	all    fate
	damage *Damage
	used   int64
}

func (s *survival) fate() fate {
	if s.alike {
		return s.all
	}
	return fate(s.r.IntN(int(fates)))
}

func (s *survival) walk(n *node) {
	if n.dir == nil {
		s.file(n.file)
		return
	}
	s.damage.Changes += len(n.dir.changes)
	n.dir.survive(s.r, s.fate())
	for _, name := range slices.Sorted(maps.Keys(n.dir.seen)) {
		s.walk(n.dir.seen[name])
	}
}

func (s *survival) file(f *file) {
	before := f.seen
	s.damage.Writes += len(f.pending)
	s.damage.Bytes += f.unsynced
	f.survive(s.r, s.fate())
	s.used += f.size()
	if !slices.Equal(before, f.seen) {
		s.damage.Harmed++
	}
}
