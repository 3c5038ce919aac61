package block

import (
	"fmt"
	"slices"
)

// Reader reads a block's points by rising series, some series at a time. An hour of
// a shard is 360 blocks and 40 MB of points: whoever deals them out by series needs
// room for as few of these as it takes at once. Its zero value has nothing to read.
type Reader struct {
	sections []openSection
}

// openSection is a section whose points are read up to some series.
type openSection struct {
	section
	ids, times, ns column
	left           int
	series         int64 // of the next point, where it was looked at
	ahead          bool  // it was
}

// Open begins a block, with the room that the reader has. A block that was not
// written in order is put into order.
func (r *Reader) Open(b []byte) error {
	sorted, err := r.open(b)
	if err != nil || sorted {
		return err
	}
	info, err := Header(b)
	if err != nil {
		return err
	}
	points, err := DecodeBlock(b, nil)
	if err != nil {
		return err
	}
	slices.SortStableFunc(points, func(a, b Point) int { return int(a.Series - b.Series) })
	_, err = r.open(AppendBlock(nil, info.Shard, info.Base, points))
	return err
}

// open takes the sections apart, and tells whether each is in order.
func (r *Reader) open(b []byte) (sorted bool, err error) {
	r.sections = r.sections[:0]
	sorted = true
	_, err = sections(b, nil, func(s *section, n int, _ []Point) ([]Point, error) {
		r.sections = append(r.sections, openSection{section: *s, left: n, series: s.first})
		inOrder, err := r.sections[len(r.sections)-1].begin()
		sorted = sorted && inOrder
		return nil, err
	})
	for i := range r.sections { // they may have moved since their columns were taken
		s := &r.sections[i]
		s.cols = s.room[:len(s.cols)]
	}
	return sorted, err
}

// begin takes the section's columns, and looks which series it has.
func (o *openSection) begin() (sorted bool, err error) {
	o.ids, o.times, o.ns = o.section.open()
	sorted = true
	ids, at := o.ids, int64(0)
	for i := range o.left {
		step := ids.int()
		if at += step; at < 0 || at >= ShardSize || ids.c.bad {
			return false, fmt.Errorf("%w: series %d of another shard", ErrMalformed, o.first+at)
		}
		sorted = sorted && (i == 0 || step >= 0)
	}
	if !ids.done() {
		return false, o.malformed()
	}
	return sorted, nil
}

// Next reads the points of the series before one, by section, series and time, each
// into the place that it is given for it, which has to be zero. Sketches are parts
// of the block.
func (r *Reader) Next(before int64, place func(series int64, kind Kind) *Point) error {
	for i := range r.sections {
		if err := r.sections[i].next(before, place); err != nil {
			return err
		}
	}
	return nil
}

func (o *openSection) next(before int64, place func(series int64, kind Kind) *Point) error {
	for ; o.left > 0; o.left-- {
		if !o.ahead {
			o.series += o.ids.int()
		}
		if o.ahead = o.series >= before; o.ahead {
			return nil
		}
		p := place(o.series, pointKind(o.kind))
		p.Series, p.Time, p.Kind, p.N = o.series, o.base+o.times.int(), o.kind, uint64(o.ns.int())
		o.fields(p)
		if o.section.c.bad {
			return o.malformed()
		}
	}
	if !o.times.done() || !o.ns.done() || !o.section.done() {
		return o.malformed()
	}
	return nil
}
