package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
)

// Column names a field of a chunk's points.
type Column byte

const (
	ColumnTime Column = iota + 1 // less the chunk's base, milliseconds
	ColumnN
	ColumnSum
	ColumnNeg
	ColumnCount
	ColumnMin
	ColumnMax
	ColumnLast
	ColumnLastAt // less the point's Time, milliseconds
	ColumnSketchSize
	ColumnStart // of a raw sample's count; see Point.start

	numColumns
)

const chunkMagic = 0xC1

// chunkColumns are the columns of each kind, in their order.
var chunkColumns = [numSections][]Column{
	Counter:   {ColumnTime, ColumnN, ColumnSum, ColumnNeg},
	Gauge:     {ColumnTime, ColumnN, ColumnLast, ColumnLastAt, ColumnMin, ColumnMax, ColumnSum},
	Histogram: {ColumnTime, ColumnN, ColumnCount, ColumnSum, ColumnMin, ColumnMax, ColumnSketchSize},
	Set:       {ColumnTime, ColumnN, ColumnSketchSize},
	Raw:       {ColumnTime, ColumnLast},

	rawExtended: {ColumnTime, ColumnLast, ColumnStart, ColumnSketchSize},
}

func (c Column) isFloat() bool {
	switch c {
	case ColumnSum, ColumnNeg, ColumnCount, ColumnMin, ColumnMax, ColumnLast:
		return true
	}
	return false
}

func (p *Point) float(c Column) *float64 {
	switch c {
	case ColumnSum:
		return &p.Sum
	case ColumnNeg:
		return &p.Neg
	case ColumnCount:
		return &p.Count
	case ColumnMin:
		return &p.Min
	case ColumnMax:
		return &p.Max
	}
	return &p.Last
}

func (p *Point) int(c Column, base int64) int64 {
	switch c {
	case ColumnTime:
		return p.Time - base
	case ColumnN:
		return int64(p.N)
	case ColumnLastAt:
		return p.LastAt - p.Time
	case ColumnStart:
		return p.start()
	}
	return int64(len(p.Sketch))
}

// AppendChunk encodes the points of one series and one kind, sorted by time.
// base is the chunk's start, Unix milliseconds; Series is not kept. Equal
// points give equal bytes.
func AppendChunk(dst []byte, base int64, kind Kind, points []Point) []byte {
	start := len(dst)
	if kind == Raw && !all(points, func(p *Point) bool { return sectionOf(p) == Raw }) {
		kind = rawExtended
	}
	dst = append(dst, chunkMagic, byte(kind))
	dst = binary.AppendUvarint(dst, uint64(len(points)))
	r := packing.Get().(*packRoom)
	defer packing.Put(r)
	r.body = r.body[:0]
	for _, c := range chunkColumns[kind] {
		at := len(r.body)
		if implied(kind, c, points) {
			dst = append(dst, 0) // an empty column: see impliedBy
			continue
		}
		r.pack(c, base, points)
		dst = binary.AppendUvarint(dst, uint64(len(r.body)-at))
	}
	dst = append(dst, r.body...)
	for i := range points {
		dst = append(dst, points[i].Sketch...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// packRoom is what columns are packed in: making it for each chunk took as long as
// packing what is constant.
type packRoom struct {
	ints, spare []int64
	floats      []float64
	body        []byte
	kinds       [numSections][]*Point // of a flush block, by section
	several     []*Point              // gauges that saw several values
}

var packing = sync.Pool{New: func() any { return new(packRoom) }}

// sort deals points out by section, in their order.
func (r *packRoom) sort(points []Point) {
	for i := range points {
		kind := sectionOf(&points[i])
		r.kinds[kind] = append(r.kinds[kind], &points[i])
	}
}

// forget lets go of points.
func (r *packRoom) forget() {
	for i := range r.kinds {
		clear(r.kinds[i])
		r.kinds[i] = r.kinds[i][:0]
	}
	clear(r.several)
	r.several = r.several[:0]
}

// pack appends one column to the body.
func (r *packRoom) pack(c Column, base int64, points []Point) {
	if c.isFloat() {
		r.floats = r.floats[:0]
		for i := range points {
			r.floats = append(r.floats, *points[i].float(c))
		}
		r.body, r.spare = packFloats(r.body, r.spare, r.floats)
		return
	}
	r.ints = r.ints[:0]
	for i := range points {
		r.ints = append(r.ints, points[i].int(c, base))
	}
	r.body = packInts(r.body, r.ints)
}

// impliedBy names the column that says what an empty one would: of a gauge that
// saw one value a bucket, least, greatest and sum are the last; of a counter
// that counts ones, the sum is the number of samples. 0: the column is never
// empty.
func impliedBy(kind Kind, c Column) Column {
	switch {
	case kind == Gauge && (c == ColumnMin || c == ColumnMax || c == ColumnSum):
		return ColumnLast
	case kind == Counter && c == ColumnSum:
		return ColumnN
	}
	return 0
}

func implied(kind Kind, c Column, points []Point) bool {
	switch impliedBy(kind, c) {
	case ColumnLast:
		return all(points, (*Point).single)
	case ColumnN:
		return all(points, func(p *Point) bool { return same(p.Sum, float64(int64(p.N))) })
	}
	return false
}

// all reports that something holds for every point. They are not copied, as
// slices.ContainsFunc would.
func all(points []Point, holds func(p *Point) bool) bool {
	for i := range points {
		if !holds(&points[i]) {
			return false
		}
	}
	return true
}

// chunk is a chunk taken apart into its columns' bytes.
type chunk struct {
	kind    Kind
	n       int
	columns [numColumns][]byte
	rest    []byte // sketches
}

func openChunk(b []byte) (chunk, error) {
	if len(b) < 2+crcSize || b[0] != chunkMagic || b[1] == 0 || int(b[1]) >= numSections {
		return chunk{}, fmt.Errorf("%w: no chunk", ErrMalformed)
	}
	if crc32.Checksum(b[:len(b)-crcSize], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-crcSize:]) {
		return chunk{}, fmt.Errorf("%w: chunk checksum", ErrMalformed)
	}
	k := chunk{kind: Kind(b[1])}
	c := cursor{b: b[2 : len(b)-crcSize]}
	n := c.uvarint()
	if n > maxChunkPoints {
		return chunk{}, fmt.Errorf("%w: a chunk of %d points", ErrMalformed, n)
	}
	k.n = int(n)
	var sizes [numColumns]uint64
	for i := range chunkColumns[k.kind] {
		sizes[i] = c.uvarint()
	}
	for i, col := range chunkColumns[k.kind] {
		k.columns[col] = c.take(sizes[i])
	}
	if c.bad {
		return chunk{}, fmt.Errorf("%w: chunk columns", ErrMalformed)
	}
	k.rest = c.b
	return k, nil
}

// maxChunkPoints bounds a chunk: an hour of raw samples a millisecond apart
// fits.
const maxChunkPoints = 1 << 22

// ChunkInfo returns the kind and the number of points.
func ChunkInfo(b []byte) (Kind, int, error) {
	k, err := openChunk(b)
	return pointKind(k.kind), k.n, err
}

// room is what columns are unpacked into. Decoding an hour takes little more
// time than making that room would.
type room struct {
	ints   [numColumns][]int64
	floats [numColumns][]float64
	spare  []int64 // for mantissas
}

var rooms = sync.Pool{New: func() any { return new(room) }}

// maxRoom is up to how many points a chunk's room is kept.
const maxRoom = 1 << 14

// DecodeChunk appends the chunk's points to dst. base is the start it was
// encoded with. Sketches are parts of b.
func DecodeChunk(b []byte, base int64, dst []Point) ([]Point, error) {
	k, err := openChunk(b)
	if err != nil {
		return dst, err
	}
	r := rooms.Get().(*room)
	if k.n <= maxRoom {
		defer rooms.Put(r)
	}
	u := unpacked{chunk: &k, room: r}
	for _, c := range chunkColumns[k.kind] {
		if err := u.unpack(c); err != nil {
			return dst, err
		}
	}
	first := len(dst)
	if dst, err = u.points(base, dst); err != nil {
		return dst[:first], err
	}
	if len(k.rest) != 0 {
		return dst[:first], fmt.Errorf("%w: %d bytes behind the chunk", ErrMalformed, len(k.rest))
	}
	return dst, nil
}

// unpacked is a chunk and its columns' values, which stand in room.
type unpacked struct {
	*chunk
	*room
	i [numColumns][]int64
	f [numColumns][]float64
}

func (u *unpacked) unpack(c Column) (err error) {
	b := u.columns[c]
	switch {
	case len(b) > 0 && c.isFloat():
		if u.f[c], u.spare, err = unpackFloats(u.floats[c], u.spare, b, u.n); err == nil {
			u.floats[c] = u.f[c]
		}
	case len(b) > 0:
		if u.i[c], err = unpackInts(u.ints[c], b, u.n); err == nil {
			u.ints[c] = u.i[c]
		}
	case impliedBy(u.kind, c) == ColumnLast:
		u.f[c] = u.f[ColumnLast]
	case impliedBy(u.kind, c) == ColumnN:
		u.f[c] = u.floats[c][:0]
		for _, n := range u.i[ColumnN] {
			u.f[c] = append(u.f[c], float64(n))
		}
		u.floats[c] = u.f[c]
	default:
		err = fmt.Errorf("%w: no column %d", ErrMalformed, c)
	}
	return err
}

// points makes a point of every row: one after the other, for a point is as
// long as two cache lines, and going over them once a column took most of the
// time.
func (u *unpacked) points(base int64, dst []Point) ([]Point, error) {
	dst = slices.Grow(dst, u.n)
	for i := range u.n {
		p := Point{Time: base + u.i[ColumnTime][i], Kind: pointKind(u.kind)}
		if u.kind < Raw {
			p.N = uint64(u.i[ColumnN][i])
		}
		switch u.kind {
		case Counter:
			p.Sum, p.Neg = u.f[ColumnSum][i], u.f[ColumnNeg][i]
		case Gauge:
			p.Last, p.LastAt = u.f[ColumnLast][i], p.Time+u.i[ColumnLastAt][i]
			p.Min, p.Max, p.Sum = u.f[ColumnMin][i], u.f[ColumnMax][i], u.f[ColumnSum][i]
		case Histogram:
			p.Count, p.Sum = u.f[ColumnCount][i], u.f[ColumnSum][i]
			p.Min, p.Max = u.f[ColumnMin][i], u.f[ColumnMax][i]
		case Raw:
			p.Last = u.f[ColumnLast][i]
		case rawExtended:
			p.Last = u.f[ColumnLast][i]
			p.setStart(u.i[ColumnStart][i])
		}
		if sizes := u.i[ColumnSketchSize]; sizes != nil {
			size := sizes[i]
			if size < 0 || size > int64(len(u.rest)) {
				return dst, fmt.Errorf("%w: sketch of %d bytes", ErrMalformed, size)
			}
			p.Sketch, u.rest = u.rest[:size:size], u.rest[size:]
		}
		dst = append(dst, p)
	}
	return dst, nil
}

// Floats decodes one float column alone, with the points' times, into the room of
// times and values.
func Floats(b []byte, base int64, c Column, times []int64, values []float64) ([]int64, []float64, error) {
	k, err := openChunk(b)
	if err != nil {
		return nil, nil, err
	}
	if times, err = unpackInts(times, k.columns[ColumnTime], k.n); err != nil {
		return nil, nil, err
	}
	for i := range times {
		times[i] += base
	}
	r := rooms.Get().(*room)
	if k.n <= maxRoom {
		defer rooms.Put(r)
	}
	if len(k.columns[c]) == 0 {
		switch impliedBy(k.kind, c) {
		case ColumnLast:
			c = ColumnLast
		case ColumnN:
			if r.spare, err = unpackInts(r.spare, k.columns[ColumnN], k.n); err != nil {
				return nil, nil, err
			}
			values = values[:0]
			for _, n := range r.spare {
				values = append(values, float64(n))
			}
			return times, values, nil
		}
	}
	values, r.spare, err = unpackFloats(values, r.spare, k.columns[c], k.n)
	return times, values, err
}

// ChunkPoints returns how many points there is room to be made for: what the chunk
// says, unchecked, but no more than a chunk by the tiers has.
func ChunkPoints(b []byte) int {
	c := cursor{b: b[min(len(b), 2):]}
	return int(min(c.uvarint(), maxRoom))
}
