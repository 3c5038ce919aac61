package query

import (
	"bytes"
	"hash/maphash"
	"slices"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/storage"
)

// register holds names, each once, and finds them by what PromQL knows them as. Of that
// it keeps hashes and no strings: those of a million counters took half a gigabyte, and
// each collection of garbage went through them.
type register struct {
	list   []storage.Name
	seed   maphash.Seed
	newest map[uint64]int32 // where the chain of those that are shown alike begins, by hash
	chain  []shownName
	text   []byte // what a name is shown as, while it is put
}

// shownName is one of the ways in which a name of the list is shown, and where an older
// one with the same hash is.
type shownName struct{ name, older int32 }

// ways is in how many ways a counter is shown; nothing else is in more than two.
const ways = 3

// newRegister returns one with room for so many names.
func newRegister(names int) *register {
	return &register{
		list: make([]storage.Name, 0, names), seed: maphash.MakeSeed(),
		newest: make(map[uint64]int32, ways*names), chain: make([]shownName, 0, ways*names),
	}
}

// find returns the names that PromQL finds under one, in the order in which they came.
func (r *register) find(shown string) (out []storage.Name) {
	r.each(maphash.String(r.seed, shown), func(name storage.Name) {
		if !slices.Contains(out, name) && slices.ContainsFunc(shownAs(name, shown), func(t target) bool { return t.shown == shown }) {
			out = append(out, name)
		}
	})
	slices.Reverse(out)
	return out
}

// each tells the names that are shown so that it has a hash, newest first.
func (r *register) each(hash uint64, tell func(storage.Name)) {
	at, ok := r.newest[hash]
	for ok {
		link := r.chain[at]
		tell(r.list[link.name])
		at, ok = link.older, link.older >= 0
	}
}

// put takes a name, under each that shownAs has for it and under its own.
func (r *register) put(name storage.Name) {
	own, known := maphash.String(r.seed, name.Name), false
	r.each(own, func(other storage.Name) { known = known || other == name })
	if known {
		return
	}
	r.list = append(r.list, name)
	r.link(own)
	if name.Type == protocol.Raw {
		return
	}
	r.text = r.text[:0]
	for _, c := range name.Name {
		r.text = append(r.text, byte(promRune(c))) // which leaves ASCII alone
	}
	if name.Type == protocol.Counter {
		r.text = append(bytes.TrimSuffix(r.text, []byte(totalSuffix)), decrementsSuffix...)
		r.link(maphash.Bytes(r.seed, r.text))
		r.text = append(bytes.TrimSuffix(r.text, []byte(decrementsSuffix)), totalSuffix...)
	}
	if string(r.text) != name.Name {
		r.link(maphash.Bytes(r.seed, r.text))
	}
}

// link puts the newest name into the chain of a hash.
func (r *register) link(hash uint64) {
	older, ok := r.newest[hash]
	if !ok {
		older = -1
	}
	r.newest[hash] = int32(len(r.chain))
	r.chain = append(r.chain, shownName{name: int32(len(r.list) - 1), older: older})
}
