package aggregate

import (
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// sketch gathers the histograms or sets of one series and bucket. A single one
// is encoded as it is; only several are merged, into a copy.
type sketch struct {
	hist *histogram.Histogram
	set  *histogram.Set
	own  bool // hist or set is a copy and may be merged into
	bare bool // hist has totals alone

	coded []byte // a packed one, instead: nothing is merged with it

	spare *histogram.Histogram // the copy of the last one that needed any
	room  *histogram.Histogram // where few values are counted
}

// clear makes it empty.
func (k *sketch) clear() { *k = sketch{spare: k.spare, room: k.room} }

func (k *sketch) add(e *entry, kind block.Kind) {
	switch {
	case e.coded != nil:
		k.coded, k.bare = e.coded, e.bare
	case e.totals != nil:
		k.bare = true
		k.addHistogram(e.totals)
	case kind == block.Histogram:
		k.makeOwn() // before the room is used again, which may hold what it has
		k.addHistogram(e.table.distribution(e.slot.pos, e.slot.n, k.makeRoom(e.table.schema)))
	case kind == block.Set:
		k.addSet(e.table.sets[e.slot.pos-1])
	}
}

func (k *sketch) addHistogram(h *histogram.Histogram) {
	if k.hist == nil {
		k.hist = h
		return
	}
	k.makeOwn()
	k.hist.Merge(h)
}

// makeOwn makes what the sketch has its own to be merged into: a copy, or the room
// itself, in whose place the spare one is taken.
func (k *sketch) makeOwn() {
	switch {
	case k.hist == nil || k.own:
		return
	case k.hist == k.room:
		k.room, k.spare = k.spare, k.room
	default:
		k.hist = k.copyOf(k.hist)
	}
	k.own = true
}

func (k *sketch) makeRoom(schema int) *histogram.Histogram {
	if k.room == nil {
		k.room = histogram.New(schema)
	}
	return k.room
}

func (k *sketch) copyOf(h *histogram.Histogram) *histogram.Histogram {
	if k.spare == nil {
		k.spare = histogram.New(h.Schema())
	}
	k.spare.Become(h)
	return k.spare
}

func (k *sketch) addSet(s *histogram.Set) {
	switch {
	case k.set == nil:
		k.set = s
		return
	case !k.own:
		c := histogram.NewSet()
		c.Merge(k.set)
		k.set, k.own = c, true
	}
	k.set.Merge(s)
}

// finish completes the point, whose sketch is appended to room.
func (k *sketch) finish(p *block.Point, room []byte) []byte {
	from := len(room)
	switch {
	case k.coded != nil:
		r := unpacker{b: k.coded}
		if p.Kind == block.Histogram {
			p.Count, p.Sum, p.Min, p.Max = r.float(), r.float(), r.float(), r.float()
		}
		if k.bare && p.Kind == block.Histogram {
			return room
		}
		room = append(room, r.b...)
	case k.hist != nil:
		p.Count, p.Sum, p.Min, p.Max = k.hist.Count, k.hist.Sum(), k.hist.Min, k.hist.Max
		if k.bare {
			return room
		}
		room = k.hist.AppendBinary(room)
	case k.set != nil:
		room = k.set.AppendBinary(room)
	default:
		return room
	}
	p.Sketch = room[from:len(room):len(room)]
	return room
}
