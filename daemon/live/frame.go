package live

import (
	"bytes"
	"math"
	"slices"

	"example.com/nexusctl/daemon/lane"
)

// A cell holds a value, or one of two NaNs, which no counter or gauge can have.
var (
	unknown = math.Float64frombits(0x7ff8_0000_0000_0001) // nobody followed, or could tell
	quiet   = math.Float64frombits(0x7ff8_0000_0000_0002) // nothing had come in the bucket
)

func isUnknown(v float64) bool { return math.Float64bits(v) == math.Float64bits(unknown) }
func isQuiet(v float64) bool   { return math.Float64bits(v) == math.Float64bits(quiet) }

// frame is the open bucket, second by second. Counters and gauges have a row of cells
// each: how far they had come at each second within the bucket, whose end the
// bucket's own point tells. Distributions have what came in each second. There
// are no pointers in it by series, so that the collector never walks it. Once the
// bucket is over the frame is packed, and its room used for the next one.
type frame struct {
	bucket int64
	inner  int // seconds within the bucket

	index map[uint32]int32 // of a series' row
	cells []float64        // inner of them a row
	neg   map[int32][]float64

	newest   map[uint32]int32 // of a series' sketches, one more than its place
	sketches []sketch
	blob     []byte

	passes int // that had an answer
	points int // cells that hold something, and sketches
}

// sketch is what came into a distribution in one second.
type sketch struct {
	before int32 // the one before of the same series, one more than its place
	second int32
	at, n  uint32 // in blob
}

// What a row takes beside its cells, and a sketch's series, about: their places in
// the maps.
const entryBytes = 24

func newFrame(inner int) *frame {
	return &frame{inner: inner, index: map[uint32]int32{}, neg: map[int32][]float64{}, newest: map[uint32]int32{}}
}

// begin empties the frame for a bucket, of about so many rows. Room that was four
// times as much is given back.
func (f *frame) begin(bucket int64, rows int) {
	clear(f.index)
	clear(f.neg)
	clear(f.newest)
	if cap(f.cells) > 4*rows*f.inner {
		f.cells = nil
	}
	if cap(f.blob) > 4*len(f.blob) {
		f.sketches, f.blob = nil, nil
	}
	f.cells = slices.Grow(f.cells[:0], rows*f.inner)
	f.sketches, f.blob = f.sketches[:0], f.blob[:0]
	f.bucket, f.passes, f.points = bucket, 0, 0
}

// rowBytes is what a counter or a gauge takes in one bucket, at the most.
func rowBytes(inner int) int { return entryBytes + 8*inner }

func (f *frame) scalarBytes() int {
	return entryBytes*len(f.index) + 8*cap(f.cells) + len(f.neg)*(2*entryBytes+8*f.inner)
}

func (f *frame) sketchBytes() int {
	return entryBytes*len(f.newest) + 16*cap(f.sketches) + cap(f.blob)
}

// set notes how far a counter or gauge had come at a second, counted from 0.
func (f *frame) set(series uint32, second int, r *lane.Running) {
	row, ok := f.index[series]
	if !ok {
		row = int32(len(f.index))
		f.index[series] = row
		f.cells = appendUnknown(f.cells, f.inner)
	}
	v := unknown
	switch {
	case !r.Known:
	case r.Any:
		v = r.Value
	default:
		v = quiet
	}
	if isUnknown(v) {
		return
	}
	f.cells[int(row)*f.inner+second] = v
	f.points++
	if r.Neg == 0 {
		return
	}
	if f.neg[row] == nil {
		f.neg[row] = make([]float64, f.inner)
	}
	f.neg[row][second] = r.Neg
}

func appendUnknown(cells []float64, n int) []float64 {
	for range n {
		cells = append(cells, unknown)
	}
	return cells
}

// maxBlob bounds the sketches of one bucket, bytes: their places are 32 bits.
const maxBlob = 1 << 30

// add notes what came into a distribution in the second that ended.
func (f *frame) add(series uint32, second int, r *lane.Running) {
	if r.Hist == nil || len(f.blob) > maxBlob {
		return
	}
	at := len(f.blob)
	f.blob = r.Hist.AppendBinary(f.blob)
	f.sketches = append(f.sketches, sketch{before: f.newest[series], second: int32(second), at: uint32(at), n: uint32(len(f.blob) - at)})
	f.newest[series] = int32(len(f.sketches))
	f.points++
}

// dropSketches gives up the distributions, and returns how many points that were.
func (f *frame) dropSketches() (points int) {
	points = len(f.sketches)
	f.newest, f.sketches, f.blob = map[uint32]int32{}, nil, nil
	f.points -= points
	return points
}

// still reports a series that was followed and to which nothing came.
func (f *frame) still(series uint32) bool {
	if f.passes == 0 {
		return false
	}
	if row, ok := f.index[series]; ok {
		for _, v := range f.cells[int(row)*f.inner:][:f.inner] {
			if !math.IsNaN(v) {
				return false
			}
		}
		return true
	}
	_, came := f.newest[series]
	return !came
}

// row returns a series' share of the frame, in memory of its own.
func (f *frame) row(series uint32) (r Row, ok bool) {
	r.Bucket = f.bucket
	if row, has := f.index[series]; has {
		r.Values = append(r.Values, f.cells[int(row)*f.inner:][:f.inner]...)
		r.Neg = slices.Clone(f.neg[row])
		return r, true
	}
	r.Sketches = f.sketchesOf(nil, series)
	for i := range r.Sketches {
		r.Sketches[i].Data = bytes.Clone(r.Sketches[i].Data)
	}
	return r, len(r.Sketches) > 0
}

// sketchesOf appends a series' sketches to dst, by rising second, in the frame's own
// memory.
func (f *frame) sketchesOf(dst []Sketch, series uint32) []Sketch {
	first := len(dst)
	for at := f.newest[series]; at > 0; at = f.sketches[at-1].before {
		s := &f.sketches[at-1]
		dst = append(dst, Sketch{Second: int(s.second), Data: f.blob[s.at:][:s.n:s.n]})
	}
	slices.Reverse(dst[first:])
	return dst
}
