package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
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
	if kind == Raw && slices.ContainsFunc(points, func(p Point) bool { return sectionOf(&p) == rawExtended }) {
		kind = rawExtended
	}
	dst = append(dst, chunkMagic, byte(kind))
	dst = binary.AppendUvarint(dst, uint64(len(points)))
	var body []byte
	ints, floats := make([]int64, len(points)), make([]float64, len(points))
	for _, c := range chunkColumns[kind] {
		at := len(body)
		if kind == Gauge && impliedByLast(c) && !slices.ContainsFunc(points, func(p Point) bool { return !p.single() }) {
			dst = append(dst, 0) // an empty column: the same as Last
			continue
		}
		if c.isFloat() {
			for i := range points {
				floats[i] = *points[i].float(c)
			}
			body = packFloats(body, floats)
		} else {
			for i := range points {
				ints[i] = points[i].int(c, base)
			}
			body = packInts(body, ints)
		}
		dst = binary.AppendUvarint(dst, uint64(len(body)-at))
	}
	dst = append(dst, body...)
	for i := range points {
		dst = append(dst, points[i].Sketch...)
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// impliedByLast names the columns of a gauge that equal its last value while
// every bucket saw a single one.
func impliedByLast(c Column) bool { return c == ColumnMin || c == ColumnMax || c == ColumnSum }

// chunk is a chunk taken apart into its columns' bytes.
type chunk struct {
	kind    Kind
	n       int
	columns map[Column][]byte
	rest    []byte // sketches
}

func openChunk(b []byte) (chunk, error) {
	if len(b) < 2+crcSize || b[0] != chunkMagic || b[1] == 0 || int(b[1]) >= numSections {
		return chunk{}, fmt.Errorf("%w: no chunk", ErrMalformed)
	}
	if crc32.Checksum(b[:len(b)-crcSize], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-crcSize:]) {
		return chunk{}, fmt.Errorf("%w: chunk checksum", ErrMalformed)
	}
	k := chunk{kind: Kind(b[1]), columns: map[Column][]byte{}}
	c := cursor{b: b[2 : len(b)-crcSize]}
	n := c.uvarint()
	if n > maxChunkPoints {
		return chunk{}, fmt.Errorf("%w: a chunk of %d points", ErrMalformed, n)
	}
	k.n = int(n)
	sizes := make([]uint64, len(chunkColumns[k.kind]))
	for i := range sizes {
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

// DecodeChunk appends the chunk's points to dst. base is the start it was
// encoded with.
func DecodeChunk(b []byte, base int64, dst []Point) ([]Point, error) {
	k, err := openChunk(b)
	if err != nil {
		return dst, err
	}
	times, err := unpackInts(k.columns[ColumnTime], k.n)
	if err != nil {
		return dst, err
	}
	first := len(dst)
	dst = slices.Grow(dst, k.n)
	for _, t := range times {
		dst = append(dst, Point{Time: base + t, Kind: pointKind(k.kind)})
	}
	points := dst[first:]
	for _, c := range chunkColumns[k.kind][1:] {
		if err := k.fill(points, c); err != nil {
			return dst[:first], err
		}
	}
	if len(k.rest) != 0 {
		return dst[:first], fmt.Errorf("%w: %d bytes behind the chunk", ErrMalformed, len(k.rest))
	}
	return dst, nil
}

// Floats decodes one float column alone, with the points' times.
func Floats(b []byte, base int64, c Column) (times []int64, values []float64, err error) {
	k, err := openChunk(b)
	if err != nil {
		return nil, nil, err
	}
	if times, err = unpackInts(k.columns[ColumnTime], k.n); err != nil {
		return nil, nil, err
	}
	for i := range times {
		times[i] += base
	}
	if k.kind == Gauge && impliedByLast(c) && len(k.columns[c]) == 0 {
		c = ColumnLast
	}
	values, err = unpackFloats(k.columns[c], k.n)
	return times, values, err
}

func (k *chunk) fill(points []Point, c Column) error {
	if k.kind == Gauge && impliedByLast(c) && len(k.columns[c]) == 0 {
		for i := range points {
			*points[i].float(c) = points[i].Last
		}
		return nil
	}
	if c.isFloat() {
		values, err := unpackFloats(k.columns[c], k.n)
		for i := range values {
			*points[i].float(c) = values[i]
		}
		return err
	}
	values, err := unpackInts(k.columns[c], k.n)
	for i, v := range values {
		switch c {
		case ColumnN:
			points[i].N = uint64(v)
		case ColumnLastAt:
			points[i].LastAt = points[i].Time + v
		case ColumnStart:
			points[i].setStart(v)
		case ColumnSketchSize:
			if v < 0 || v > int64(len(k.rest)) {
				return fmt.Errorf("%w: sketch of %d bytes", ErrMalformed, v)
			}
			points[i].Sketch, k.rest = k.rest[:v:v], k.rest[v:]
		}
	}
	return err
}
