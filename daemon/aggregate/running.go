package aggregate

import (
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
)

// Running is how far one reference has come in the open bucket. The bucket may
// span several generations, where some were closed early.
type Running struct {
	// Known is false where a part of the bucket was closed before the reference
	// was followed: then nothing can be said until the next bucket.
	Known bool
	N     uint64 // values so far; 0: nothing came

	Sum, Neg float64 // counter: as of a point's
	Last     float64 // gauge: its last value
	Pos      uint64  // and where the log has it

	// Hist is what came into a distribution since it was asked for last; nil
	// where nothing did.
	Hist *histogram.Histogram
}

// follower keeps what a lane needs to tell how far references have come: what
// generations of the open bucket held that are sealed already, and how
// distributions stood when they were asked for last. It is made by the first
// question, so a lane that nobody asks does nothing for it.
type follower struct {
	refs    []uint32 // asked for last
	early   bool     // a generation of the open bucket is sealed
	carried map[uint32]Running
	seen    map[uint32]*histogram.Histogram
	room    *histogram.Histogram // for one of few values
}

// Running tells how far the references have come in the open bucket, in their
// order, and which bucket that is. Only the lane's own goroutine may call it. A
// lane that is asked for nothing stops following.
func (l *Lane) Running(refs []uint32) (list []Running, bucket int64) {
	if len(refs) == 0 {
		l.follow = nil
		return nil, l.bucket
	}
	if l.follow == nil {
		// What this bucket held before is not known, unless nothing was sealed.
		l.follow = &follower{early: l.again, carried: map[uint32]Running{}, seen: map[uint32]*histogram.Histogram{}, room: histogram.New(l.opts.Schema)}
	}
	f := l.follow
	f.refs = refs
	list = make([]Running, len(refs))
	for i, ref := range refs {
		list[i] = f.running(l, ref)
	}
	f.forget()
	return list, l.bucket
}

// Following returns how much memory following takes, bytes.
func (l *Lane) Following() (bytes int) {
	if l.follow == nil {
		return 0
	}
	for _, h := range l.follow.seen {
		bytes += seenBytes + h.Bytes()
	}
	return bytes + carriedBytes*len(l.follow.carried)
}

// What an entry of the follower's maps takes beside the buckets, about.
const (
	seenBytes    = 250
	carriedBytes = 120
)

func (f *follower) running(l *Lane, ref uint32) Running {
	r := Running{Known: !f.early}
	if c, ok := f.carried[ref]; ok {
		r = c
		if c.Hist != nil { // told now, and not again
			c.Hist = nil
			f.carried[ref] = c
		}
	}
	what := l.dict.at(ref)
	s := l.table.slot(&what)
	if s.n == 0 {
		return r
	}
	r.N += s.n
	switch kindOf(what.Type) {
	case block.Counter:
		r.Sum, r.Neg = r.Sum+s.total(), r.Neg+s.low
	case block.Gauge:
		if s.pos >= r.Pos {
			r.Last, r.Pos = s.last, s.pos
		}
	case block.Histogram:
		r.Hist = joined(r.Hist, f.since(ref, l.table.distribution(s.pos, s.n, f.room)))
	}
	return r
}

// since returns what came into a distribution since it was asked for last.
func (f *follower) since(ref uint32, h *histogram.Histogram) *histogram.Histogram {
	seen := f.seen[ref]
	if seen == nil {
		seen = histogram.New(h.Schema())
		f.seen[ref] = seen
	}
	if seen.Count == h.Count {
		return nil
	}
	d := h.Without(seen)
	seen.Become(h)
	if d.Count == 0 {
		return nil
	}
	return d
}

func joined(a, b *histogram.Histogram) *histogram.Histogram {
	switch {
	case a == nil:
		return b
	case b != nil:
		a.Merge(b)
	}
	return a
}

// forget lets go of distributions that are not asked for any more, once they are
// more than those that are.
func (f *follower) forget() {
	if len(f.seen) <= 2*len(f.refs) {
		return
	}
	asked := make(map[uint32]struct{}, len(f.refs))
	for _, ref := range f.refs {
		asked[ref] = struct{}{}
	}
	for ref := range f.seen {
		if _, ok := asked[ref]; !ok {
			delete(f.seen, ref)
		}
	}
}

// seal runs before a generation is sealed. Where its bucket goes on, what it held
// is carried over; else all begins anew.
func (f *follower) seal(l *Lane, goesOn bool) {
	if !goesOn {
		f.early = false
		clear(f.carried)
	} else {
		held := make(map[uint32]Running, len(f.refs))
		for _, ref := range f.refs {
			if r := f.running(l, ref); r.Known {
				held[ref] = r
			}
		}
		f.carried, f.early = held, true
	}
	for _, h := range f.seen { // the next generation's begin empty
		h.Become(&emptyHistogram)
	}
}

var emptyHistogram = histogram.Make(histogram.MaxSchema)
