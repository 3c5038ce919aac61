package powerfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// directory is names, as programs see them and as they were last synced.
type directory struct {
	seen, platter map[string]*node
	changes       []change // what lies between the two, in order
}

// change is a name made, where from is empty, removed, where to is, or changed.
type change struct {
	from, to string
	node     *node
}

func newDirectory() *directory {
	return &directory{seen: map[string]*node{}, platter: map[string]*node{}}
}

// apply makes the change, where what it is about has come to be.
func (c change) apply(names map[string]*node) {
	if c.from != "" {
		if names[c.from] != c.node {
			return
		}
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

func (d *directory) do(c change) {
	c.apply(d.seen)
	d.changes = append(d.changes, c)
	if n := len(d.changes) - maxChanges; n > 0 {
		d.settle(d.changes[:n])
		d.changes = d.changes[n:]
	}
}

func (d *directory) sync() {
	d.settle(d.changes)
	d.changes = nil
}

func (d *directory) settle(list []change) {
	for _, c := range list {
		c.apply(d.platter)
	}
}

// survive makes of the directory what the cut leaves of it.
func (d *directory) survive(r *rand.Rand, how fate) {
	switch how {
	case lost:
	case kept:
		d.sync()
	case cut:
		d.settle(d.changes[:r.IntN(len(d.changes)+1)])
	case mixed:
		d.settle(slices.DeleteFunc(d.changes, func(change) bool { return r.IntN(2) == 0 }))
	}
	d.seen, d.changes = maps.Clone(d.platter), nil
}
