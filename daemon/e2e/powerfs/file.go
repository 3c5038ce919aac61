package powerfs

import (
	"math/rand/v2"
	"slices"
)

// file is a file's content.
type file struct {
	seen     []byte  // as programs see it
	platter  []byte  // as of the last sync
	pending  []write // what lies between the two, in order
	unsynced int64   // bytes of pending
}

// write is one change of a file: bytes put at off, or, without any, off as the
// new size.
type write struct {
	off  int64
	data []byte
}

func (w write) sets() bool { return w.data == nil }
func (w write) end() int64 { return w.off + int64(len(w.data)) }

// apply makes the change on b.
func (w write) apply(b []byte) []byte {
	if w.sets() {
		return resize(b, w.off)
	}
	b = resize(b, max(int64(len(b)), w.end()))
	copy(b[w.off:], w.data)
	return b
}

func resize(b []byte, size int64) []byte {
	old := int64(len(b))
	if size <= old {
		return b[:size]
	}
	b = slices.Grow(b, int(size-old))[:size]
	clear(b[old:])
	return b
}

func (f *file) size() int64 { return int64(len(f.seen)) }

func (f *file) do(w write) {
	f.seen = w.apply(f.seen)
	f.pending = append(f.pending, w)
	f.unsynced += int64(len(w.data))
	for f.unsynced > maxPending || len(f.pending) > maxPending/512 {
		f.settle(1 + len(f.pending)/2)
	}
}

func (f *file) sync() { f.settle(len(f.pending)) }

// settle brings the oldest changes to the platter.
func (f *file) settle(n int) {
	for _, w := range f.pending[:n] {
		f.platter = w.apply(f.platter)
		f.unsynced -= int64(len(w.data))
	}
	f.pending = slices.Clone(f.pending[n:])
}

// fate is what a cut does to what is unsynced.
type fate int

const (
	lost fate = iota
	kept
	cut // the first few are kept
	mixed
	fates
)

// survive makes of the file what the cut leaves of it.
func (f *file) survive(r *rand.Rand, how fate) {
	grain := []int64{512, 4096}[r.IntN(2)]
	switch how {
	case lost:
	case kept:
		f.sync()
	case cut:
		f.tear(r.IntN(len(f.pending)+1), r, grain)
	case mixed:
		f.platter = f.mix(r, grain)
	}
	f.seen, f.pending, f.unsynced = slices.Clone(f.platter), nil, 0
}

// tear keeps n changes, and of the next one what stands before a block's
// border.
func (f *file) tear(n int, r *rand.Rand, grain int64) {
	f.settle(n)
	if len(f.pending) == 0 || f.pending[0].sets() {
		return
	}
	w := f.pending[0]
	borders := (w.end()-1)/grain - w.off/grain // within the write
	if borders == 0 {
		return
	}
	at := (w.off/grain+1+r.Int64N(borders))*grain - w.off
	f.platter = write{off: w.off, data: w.data[:at]}.apply(f.platter)
}

// mix keeps the first few sizes that were set, and each block as it was at any
// time since the last sync.
func (f *file) mix(r *rand.Rand, grain int64) []byte {
	left, seen := slices.Clone(f.platter), slices.Clone(f.platter)
	sizes := 0
	for _, w := range f.pending {
		if w.sets() {
			sizes++
		}
	}
	sizes = r.IntN(sizes + 1)
	for _, w := range f.pending {
		seen = w.apply(seen)
		if !w.sets() {
			left = w.reach(left, seen, r, grain)
		} else if sizes > 0 {
			sizes--
			left = w.apply(left)
		}
	}
	return left
}

// reach brings some of the blocks that a write touched to the platter, as they
// were right after it.
func (w write) reach(platter, seen []byte, r *rand.Rand, grain int64) []byte {
	for from := w.off / grain * grain; from < w.end(); from += grain {
		if r.IntN(2) == 0 {
			continue
		}
		to := min(from+grain, int64(len(seen)))
		platter = write{off: from, data: seen[from:to]}.apply(platter)
		clear(platter[to:min(from+grain, int64(len(platter)))]) // behind the file's end a block is zeros
	}
	return platter
}
