package aggregate

import "example.com/nexusctl/protocol/histogram"

// fewValues is how many values of a distribution are kept as they came, each of
// weight 1, before they are counted in buckets: a line of the processor's cache.
// Of a million series most have no more in ten seconds and one lane, and a
// histogram of as many takes three times the memory, and a search for each.
const fewValues = 8

type values [fewValues]float64

// few are the distributions of a table that have few values. Places that were given
// back are taken again.
type few struct {
	numbered[values]
	free []uint32
}

func (f *few) take() (place uint64) {
	if n := len(f.free); n > 0 {
		place = uint64(f.free[n-1])
		f.free = f.free[:n-1]
		return place
	}
	return f.next(&fewPages)
}

func (f *few) give(place uint64) { f.free = append(f.free, uint32(place)) }

func (f *few) release() {
	f.numbered.release(&fewPages)
	f.free = nil
}

// isFew marks the place of a distribution as one among few.
const isFew = 1 << 63

// sample adds a value of weight 1 to a distribution.
func (t *table) sample(s *sketched, v float64) {
	s.n++
	switch {
	case s.place == 0:
		place := t.few.take()
		t.few.at(place)[0] = v
		s.place = place | isFew
	case s.place&isFew == 0:
		t.hists.at(s.place).Add(v, 1)
	case s.n <= fewValues:
		t.few.at(s.place &^ isFew)[s.n-1] = v
	default:
		t.spread(&s.place, s.n-1).Add(v, 1)
	}
}

// spread makes a histogram of the n values of a place, and returns it; where there is
// one, or nothing, it does only what is left to do.
func (t *table) spread(place *uint64, n uint64) *histogram.Histogram {
	if *place != 0 && *place&isFew == 0 {
		return t.hists.at(*place)
	}
	old := *place &^ isFew
	*place = t.hists.add(t.schema)
	h := t.hists.at(*place)
	if old != 0 {
		addAll(h, t.few.at(old)[:n])
		t.few.give(old)
	}
	return h
}

// distribution returns what n values at a place are: the table's own histogram, which
// must not be written to, or few values counted in room.
func (t *table) distribution(place, n uint64, room *histogram.Histogram) *histogram.Histogram {
	if place&isFew == 0 {
		return t.hists.at(place)
	}
	room.Reset(t.schema)
	addAll(room, t.few.at(place &^ isFew)[:n])
	return room
}

func addAll(h *histogram.Histogram, list []float64) {
	for _, v := range list {
		h.Add(v, 1)
	}
}

// memory is where the values of a distribution are kept: what has to be fetched before
// they are used. It is 0 where there are none yet.
func (t *table) memory(place uint64) address {
	switch {
	case place == 0:
		return 0
	case place&isFew != 0:
		return addressOf(t.few.at(place &^ isFew))
	}
	return addressOf(t.hists.at(place))
}
