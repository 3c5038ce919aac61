package live

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"

	"github.com/klauspost/compress/zstd"

	"example.com/nexusctl/storage/block"
)

// packed is a bucket that is over: each series' row in bytes, by rising index of the
// series. It never changes. A row begins with its form.
//
// Of a counter or a gauge, where not every second has something (patchy), the states
// of the seconds follow, four in a byte, the first in its lowest bits; then the number
// of bytes as uvarint and a block's column of floats: the values of the seconds that
// have something; then, with negatives, such a column of the negative increments in
// the rest of the row.
//
// Of a distribution (sketched) the sketches follow by rising second, each as the
// second and its number of bytes, uvarints, and those bytes; all of that by zstd where
// it is shorter so (zipped).
type packed struct {
	bucket int64
	inner  int // seconds within the bucket

	series []uint32
	ends   []uint32 // of their rows
	rows   []byte

	points      int // seconds that hold something, sketches among them
	sketches    int
	sketchBytes int
}

// Forms of a row.
const (
	patchy    byte = 1 << iota // not every second has something
	negatives                  // there were negative increments
	sketched                   // a distribution, which has neither
	zipped                     // its sketches by zstd
)

// placeBytes is what the place of a row takes.
const placeBytes = 8

// bytes returns what counters and gauges take, and what distributions do.
func (p *packed) bytes() (scalars, sketches int) {
	return placeBytes*len(p.series) + len(p.rows) - p.sketchBytes, p.sketchBytes
}

// find returns a series' row, nil where it has none.
func (p *packed) find(series uint32) []byte {
	i, ok := slices.BinarySearch(p.series, series)
	if !ok {
		return nil
	}
	return p.at(i)
}

func (p *packed) at(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = p.ends[i-1]
	}
	return p.rows[from:p.ends[i]]
}

// withoutSketches returns the bucket without its distributions.
func (p *packed) withoutSketches() *packed {
	out := &packed{bucket: p.bucket, inner: p.inner, points: p.points - p.sketches}
	for i, s := range p.series {
		if row := p.at(i); row[0]&sketched == 0 {
			out.rows = append(out.rows, row...)
			out.series, out.ends = append(out.series, s), append(out.ends, uint32(len(out.rows)))
		}
	}
	out.series, out.ends, out.rows = exact(out.series), exact(out.ends), exact(out.rows)
	return out
}

// exact returns a copy that has no more room than it needs.
func exact[T any](s []T) []T { return append(make([]T, 0, len(s)), s...) }

// packer packs frames. Its room is used again.
type packer struct {
	zip *zstd.Encoder

	series []uint32
	ends   []uint32
	rows   []byte

	sketches []Sketch
	states   []byte
	values   []float64
	neg      []float64
	ints     []int64
	column   []byte
	plain    []byte
}

// maxZipped bounds what the sketches of a row unpack to, bytes. Longer ones stay as they
// came.
const maxZipped = 16 << 20

// packAtOnce is how many rows are packed before others go first.
const packAtOnce = 64

func newPacker() *packer {
	// A row of sketches is some kilobytes: little is gained by a larger window, which
	// would stay allocated.
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(64<<10),
		zstd.WithLowerEncoderMem(true), zstd.WithAllLitEntropyCompression(true), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true))
	if err != nil {
		panic(err) // an option that there is not
	}
	return &packer{zip: zip}
}

// bytes returns what the packer's room takes; the encoder's own is some 300 KB beside.
func (k *packer) bytes() int {
	return 4*(cap(k.series)+cap(k.ends)) + cap(k.rows) + cap(k.column) + cap(k.plain)
}

// pack returns what a frame holds.
func (k *packer) pack(f *frame) *packed {
	k.series, k.ends, k.rows = k.series[:0], k.ends[:0], k.rows[:0]
	for s := range f.index {
		k.series = append(k.series, s)
	}
	for s := range f.newest {
		k.series = append(k.series, s)
	}
	slices.Sort(k.series)
	p := &packed{bucket: f.bucket, inner: f.inner, points: f.points, sketches: len(f.sketches)}
	for i, s := range k.series {
		if i%packAtOnce == packAtOnce-1 {
			runtime.Gosched() // ten thousand rows take 30 ms: lines and reads do not wait for that
		}
		if row, ok := f.index[s]; ok {
			k.scalar(f.cells[int(row)*f.inner:][:f.inner], f.neg[row])
		} else {
			before := len(k.rows)
			k.distribution(f, s)
			p.sketchBytes += placeBytes + len(k.rows) - before
		}
		k.ends = append(k.ends, uint32(len(k.rows)))
	}
	p.series, p.ends, p.rows = exact(k.series), exact(k.ends), exact(k.rows)
	return p
}

// scalar adds the row of a counter or gauge.
func (k *packer) scalar(cells, neg []float64) {
	r, form := Row{Values: cells, Neg: neg}, byte(0)
	k.values, k.neg, k.states = k.values[:0], k.neg[:0], append(k.states[:0], make([]byte, (len(cells)+3)/4)...)
	for i := range cells {
		v, n, state := r.At(i)
		k.states[i/4] |= byte(state) << (i % 4 * 2)
		if state == Some {
			k.values, k.neg = append(k.values, v), append(k.neg, n)
		}
	}
	if len(k.values) < len(cells) {
		form |= patchy
	}
	if neg != nil {
		form |= negatives
	}
	k.rows = append(k.rows, form)
	if form&patchy != 0 {
		k.rows = append(k.rows, k.states...)
	}
	k.column, k.ints = block.AppendFloats(k.column[:0], k.ints, k.values)
	k.rows = append(binary.AppendUvarint(k.rows, uint64(len(k.column))), k.column...)
	if neg != nil {
		k.rows, k.ints = block.AppendFloats(k.rows, k.ints, k.neg)
	}
}

// distribution adds the row of a series' sketches.
func (k *packer) distribution(f *frame, series uint32) {
	k.sketches, k.plain = f.sketchesOf(k.sketches[:0], series), k.plain[:0]
	for _, s := range k.sketches {
		k.plain = binary.AppendUvarint(k.plain, uint64(s.Second))
		k.plain = append(binary.AppendUvarint(k.plain, uint64(len(s.Data))), s.Data...)
	}
	at := len(k.rows)
	if len(k.plain) <= maxZipped {
		k.rows = k.zip.EncodeAll(k.plain, append(k.rows, sketched|zipped))
	}
	if n := len(k.rows) - at - 1; n < 0 || n >= len(k.plain) {
		k.rows = append(append(k.rows[:at], sketched), k.plain...)
	}
}

// unpacker reads packed rows. It is safe for concurrent use.
type unpacker struct{ unzip *zstd.Decoder }

func newUnpacker() unpacker {
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxZipped))
	if err != nil {
		panic(err) // an option that there is not
	}
	return unpacker{unzip}
}

// row returns a series' row. A row that cannot be read, of which this package has
// written none, is as if it were not there: that costs detail and nothing else.
func (u unpacker) row(p *packed, series uint32) (r Row, ok bool) {
	r.Bucket = p.bucket
	b := p.find(series)
	switch {
	case len(b) == 0:
		return r, false
	case b[0]&sketched != 0:
		r.Sketches, ok = u.sketches(b[0], b[1:])
		return r, ok
	}
	return r, r.unpack(b[0], b[1:], p.inner)
}

// unpack reads a counter's or gauge's row of so many seconds.
func (r *Row) unpack(form byte, b []byte, inner int) (ok bool) {
	states, some := []byte(nil), inner
	if n := (inner + 3) / 4; form&patchy != 0 {
		if len(b) < n {
			return false
		}
		states, b, some = b[:n], b[n:], 0
		for i := range inner {
			if stateAt(states, i) == Some {
				some++
			}
		}
	}
	n, m := binary.Uvarint(b)
	if m <= 0 || n > uint64(len(b)-m) {
		return false
	}
	values, err := block.ReadFloats(b[m:][:n], some)
	if err != nil {
		return false
	}
	r.Values = spread(values, states, inner)
	if form&negatives != 0 {
		neg, err := block.ReadFloats(b[m+int(n):], some)
		if err != nil {
			return false
		}
		r.Neg = spread(neg, states, inner)
	}
	return true
}

// spread puts the values of the seconds that have something into their places.
func spread(values []float64, states []byte, inner int) []float64 {
	if states == nil {
		return values
	}
	out := make([]float64, 0, inner)
	for i := range inner {
		switch stateAt(states, i) {
		case Some:
			out, values = append(out, values[0]), values[1:]
		case Quiet:
			out = append(out, quiet)
		default:
			out = append(out, unknown)
		}
	}
	return out
}

func stateAt(states []byte, i int) State { return State(states[i/4] >> (i % 4 * 2) & 3) }

// sketches reads a distribution's row.
func (u unpacker) sketches(form byte, b []byte) (list []Sketch, ok bool) {
	if form&zipped != 0 {
		var err error
		if b, err = u.unzip.DecodeAll(b, nil); err != nil {
			return nil, false
		}
	} else {
		b = bytes.Clone(b) // else who keeps a sketch would keep the bucket
	}
	for len(b) > 0 {
		second, m := binary.Uvarint(b)
		if m <= 0 {
			return nil, false
		}
		n, l := binary.Uvarint(b[m:])
		if b = b[m+max(l, 0):]; l <= 0 || n > uint64(len(b)) {
			return nil, false
		}
		list = append(list, Sketch{Second: int(second), Data: b[:n:n]})
		b = b[n:]
	}
	return list, len(list) > 0
}
