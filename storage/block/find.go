package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// FindSeries appends the points of one series. Everything else of the block is
// stepped over, eight bytes at a time where they allow it: an open hour is 360
// blocks of a thousand series, of which a reader wants one. What is stepped over
// is vouched for by the block's checksum alone.
func FindSeries(b []byte, id int64, dst []Point) ([]Point, error) {
	if err := Check(b); err != nil {
		return dst, err
	}
	f := Finder{id: id}
	return f.Find(b, dst)
}

// Finder finds one series in one block after the other. The blocks of a shard mostly hold
// the same series: where they do, it stands where it stood.
type Finder struct {
	id   int64
	s    section
	last *[numSections]stood // by kind; nil: not remembered

	fetched byte
}

// stood is where the series, so far behind the shard's first, stood among n points of a
// section, whose column of series was ids.
type stood struct {
	ids    []byte
	series int64
	n      int
	places []int
}

// NewFinder returns a Finder of a series.
func NewFinder(id int64) *Finder { return &Finder{id: id, last: new([numSections]stood)} }

// Find appends the series' points of a block whose checksum was compared (Check). It
// holds on to the block up to the next one.
func (f *Finder) Find(b []byte, dst []Point) ([]Point, error) {
	return checkedSections(b, &f.s, dst, f.find)
}

// FindAll is Find for one block after the other. They lie in memory that nobody has read
// for long, and where a column begins is only known once the one before it has come: so
// the next block's are asked for all at once, at the places where this one's are.
func (f *Finder) FindAll(blocks [][]byte, dst []Point) (_ []Point, err error) {
	var at [2]heads
	for i, b := range blocks {
		if i+1 < len(blocks) {
			f.fetched += at[1-i%2].fetch(blocks[i+1])
		}
		f.s.heads = &at[i%2]
		f.s.heads.n = 0
		if dst, err = f.Find(b, dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// heads are where a block's columns begin, as far as there is room.
type heads struct {
	at [24]int
	n  int
}

func (h *heads) note(at int) {
	if h.n < len(h.at) {
		h.at[h.n] = at
		h.n++
	}
}

// fetch reads a byte at each place, and returns their sum: it would not be done if nobody
// wanted it.
func (h *heads) fetch(b []byte) (sum byte) {
	for _, at := range h.at[:h.n] {
		if at < len(b) {
			sum += b[at]
		}
	}
	if len(b) > 0 {
		sum += b[0]
	}
	return sum
}

// find appends the points of the series, of n.
func (f *Finder) find(s *section, n int, dst []Point) ([]Point, error) {
	ids, times, ns := s.open()
	places, ok := f.places(s, &ids, n)
	if !ok {
		return dst, s.malformed()
	}
	at := 0
	for _, place := range places {
		skip := place - at
		times.skipInts(skip)
		ns.skipInts(skip)
		s.skip(skip)
		p := Point{Series: f.id, Time: s.base + times.int(), Kind: s.kind, N: uint64(ns.int())}
		s.fields(&p)
		if s.c.bad || times.c.bad || ns.c.bad || s.bad() {
			return dst, s.malformed()
		}
		dst, at = append(dst, p), place+1
	}
	return dst, nil
}

// places returns which of a section's n points are of the series.
func (f *Finder) places(s *section, ids *column, n int) (places []int, ok bool) {
	series := f.id - s.first
	if ids.constant || f.last == nil {
		return placesOf(ids, n, series, s.places[:0])
	}
	last := &f.last[s.kind]
	if last.ids != nil && last.n == n && last.series == series && bytes.Equal(last.ids, ids.c.b) {
		return last.places, true
	}
	all := ids.c.b
	if places, ok = placesOf(ids, n, series, last.places[:0]); ok {
		*last = stood{all, series, n, places}
	}
	return places, ok
}

// placesOf appends which of n points are of the series, given as its distance from
// the shard's first.
func placesOf(ids *column, n int, series int64, places []int) (_ []int, ok bool) {
	at, b := int64(0), ids.c.b
	if ids.constant {
		step := ids.int()
		if step > 0 && step <= ShardSize { // n times that is no overflow
			if i := series/step - 1; series%step == 0 && i >= 0 && i < int64(n) {
				places = append(places, int(i))
			}
			return places, !ids.c.bad
		}
		for i := range n {
			if at += step; at == series {
				places = append(places, i)
			}
		}
		return places, !ids.c.bad
	}
	for i := 0; i < n; i++ {
		if n-i >= 8 && len(b) >= 8 {
			if sum, ok := eightSteps(b); ok && (at > series || at+sum < series) {
				at, b, i = at+sum, b[8:], i+7
				continue
			}
		}
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, false
		}
		at += unzigzag(v)
		b = b[size:]
		if at == series {
			places = append(places, i)
		}
	}
	return places, len(b) == 0
}

// eightSteps adds up eight steps from one series to the next, where each is one byte
// and none goes back.
func eightSteps(b []byte) (sum int64, ok bool) {
	word := binary.LittleEndian.Uint64(b)
	if word&(highBits|lowBits) != 0 {
		return 0, false
	}
	steps := word >> 1 // of zigzag; the low bits are 0
	pairs := steps&evenBytes + steps>>8&evenBytes
	return int64(pairs * lowWords >> 48), true
}

// skip steps over what the kind has of n points.
func (s *section) skip(n int) {
	switch s.kind {
	case Counter:
		s.skipFloats(n, 0, 1)
	case Gauge:
		s.skipGauges(n)
	case Histogram:
		s.skipFloats(n, 0, 1, 2, 3)
		s.skipBlobs(n, 4)
	case Set:
		s.skipBlobs(n, 0)
	case Raw:
		s.skipFloats(n, 0)
	case rawExtended:
		s.skipFloats(n, 0)
		s.cols[1].skipInts(n)
		s.skipBlobs(n, 2)
	}
}

func (s *section) skipFloats(n int, columns ...int) {
	for _, c := range columns {
		s.cols[c].skipFloats(n)
	}
}

// skipGauges counts the gauges that saw several values: they alone have the last
// three columns.
func (s *section) skipGauges(n int) {
	s.cols[0].skipFloats(n)
	s.cols[1].skipInts(n)
	if several := s.cols[2].skipFlags(n); len(s.cols) == 6 {
		s.skipFloats(several, 3, 4, 5)
	}
}

// skipFlags steps over n flags, and returns how many are set. A flag is the integer 0
// or 1, and so a byte that is 0 or 2.
func (k *column) skipFlags(n int) (set int) {
	if k.constant {
		if n > 0 && k.int() != 0 {
			return n
		}
		return 0
	}
	for n >= 8 && len(k.c.b) >= 8 {
		word := binary.LittleEndian.Uint64(k.c.b)
		if word&^(lowBits<<1) != 0 {
			break
		}
		set += bits.OnesCount64(word)
		n, k.c.b = n-8, k.c.b[8:]
	}
	for range n {
		if k.int() != 0 {
			set++
		}
	}
	return set
}

func (s *section) skipBlobs(n, sizes int) {
	for range n {
		s.blob(s.cols[sizes].int())
	}
}

// bad reports a column that was read beyond its end.
func (s *section) bad() bool {
	for i := range s.cols {
		if s.cols[i].c.bad {
			return true
		}
	}
	return false
}

func (s *section) malformed() error {
	return fmt.Errorf("%w: section of kind %d", ErrMalformed, s.kind)
}

const (
	highBits = 0x8080808080808080
	lowBits  = 0x0101010101010101

	evenBytes = 0x00ff00ff00ff00ff
	lowWords  = 0x0001000100010001
)

// skipInts steps over n integers: of eight bytes, those without the high bit end
// one each.
func (k *column) skipInts(n int) {
	if k.constant {
		return
	}
	for n >= 8 && len(k.c.b) >= 8 {
		ends := ^binary.LittleEndian.Uint64(k.c.b) & highBits
		if ends == 0 {
			k.c.uvarint() // longer than eight bytes
			n--
			continue
		}
		n -= bits.OnesCount64(ends)
		k.c.b = k.c.b[8-bits.LeadingZeros64(ends)/8:]
	}
	for range n {
		k.c.uvarint()
	}
}

// skipFloats steps over n floats. One that begins with the byte 7 is followed by
// eight bytes that end nothing: where there may be one among the next eight, they
// are read one by one.
func (k *column) skipFloats(n int) {
	if k.constant {
		return
	}
	for n >= 8 && len(k.c.b) >= 8 {
		word := binary.LittleEndian.Uint64(k.c.b)
		ends, sevens := ^word&highBits, word&^highBits^lowBits*rawFloat
		if ends == 0 || (sevens-lowBits)&^sevens&highBits != 0 {
			k.c.float()
			n--
			continue
		}
		n -= bits.OnesCount64(ends)
		k.c.b = k.c.b[8-bits.LeadingZeros64(ends)/8:]
	}
	for range n {
		k.c.float()
	}
}
