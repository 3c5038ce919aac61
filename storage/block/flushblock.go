package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	blockMagic = "NXB1"
	crcSize    = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info is what a block says of itself without being decoded.
type Info struct {
	Shard  int64
	Base   int64  // bucket start, Unix milliseconds
	Points int    // points of all kinds
	TotalN uint64 // Σ N of all points
}

// AppendBlock encodes one shard's points of one flush. Points must be sorted by
// series, then time, and belong to the shard. Equal points give equal bytes.
func AppendBlock(dst []byte, shard, base int64, points []Point) []byte {
	start := len(dst)
	total := uint64(0)
	r := packing.Get().(*packRoom)
	defer packing.Put(r)
	r.sort(points)
	for i := range points {
		total += points[i].N
	}
	dst = append(dst, blockMagic...)
	dst = binary.AppendUvarint(dst, uint64(shard))
	dst = binary.AppendUvarint(dst, zigzag(base))
	dst = binary.AppendUvarint(dst, uint64(len(points)))
	dst = binary.AppendUvarint(dst, total)
	for kind := Counter; int(kind) < numSections; kind++ {
		if list := r.kinds[kind]; len(list) > 0 {
			dst = r.appendSection(dst, kind, shard*ShardSize, base, list)
		}
	}
	r.forget()
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// appendSection encodes all points of one kind, column by column.
func (r *packRoom) appendSection(dst []byte, kind Kind, first, base int64, list []*Point) []byte {
	dst = append(dst, byte(kind), 0, 0, 0, 0)
	start := len(dst)
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	last := first
	dst = r.appendInts(dst, list, func(p *Point) int64 {
		step := p.Series - last
		last = p.Series
		return step
	})
	dst = r.appendInts(dst, list, func(p *Point) int64 { return p.Time - base })
	dst = r.appendInts(dst, list, func(p *Point) int64 { return int64(p.N) })
	switch kind {
	case Counter:
		dst = r.appendFloats(dst, list, ColumnSum)
		dst = r.appendFloats(dst, list, ColumnNeg)
	case Gauge:
		dst = r.appendGauges(dst, list)
	case Histogram:
		for _, c := range []Column{ColumnCount, ColumnSum, ColumnMin, ColumnMax} {
			dst = r.appendFloats(dst, list, c)
		}
		dst = r.appendBlobs(dst, list)
	case Set:
		dst = r.appendBlobs(dst, list)
	case Raw:
		dst = r.appendFloats(dst, list, ColumnLast)
	case rawExtended:
		dst = r.appendFloats(dst, list, ColumnLast)
		dst = r.appendInts(dst, list, (*Point).start)
		dst = r.appendBlobs(dst, list)
	}
	binary.LittleEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}

// appendGauges writes minimum, maximum and sum only of the gauges that saw
// several values: of a single one all are the value itself.
func (r *packRoom) appendGauges(dst []byte, list []*Point) []byte {
	dst = r.appendFloats(dst, list, ColumnLast)
	dst = r.appendInts(dst, list, func(p *Point) int64 { return p.LastAt - p.Time })
	r.several = r.several[:0]
	dst = r.appendInts(dst, list, func(p *Point) int64 {
		if p.single() {
			return 0
		}
		r.several = append(r.several, p)
		return 1
	})
	if len(r.several) == 0 {
		return dst
	}
	for _, c := range []Column{ColumnMin, ColumnMax, ColumnSum} {
		dst = r.appendFloats(dst, r.several, c)
	}
	return dst
}

// single reports a gauge whose minimum, maximum and sum are its last value.
func (p *Point) single() bool {
	return same(p.Min, p.Last) && same(p.Max, p.Last) && same(p.Sum, p.Last)
}

// Header reads what the block says of itself. It does not check the rest.
func Header(b []byte) (Info, error) {
	info, _, err := header(b)
	return info, err
}

func header(b []byte) (Info, cursor, error) {
	if len(b) < len(blockMagic)+crcSize || string(b[:len(blockMagic)]) != blockMagic {
		return Info{}, cursor{}, fmt.Errorf("%w: no flush block", ErrMalformed)
	}
	c := cursor{b: b[len(blockMagic) : len(b)-crcSize]}
	// A point takes a byte at least, but for a run of neighbouring series, of
	// which a shard has only so many: more than that is a lie.
	info := Info{Shard: int64(c.uvarint()), Base: c.varint(), Points: int(c.uvarint()), TotalN: c.uvarint()}
	if c.bad || info.Points < 0 || info.Points > len(b)+ShardSize {
		return Info{}, cursor{}, fmt.Errorf("%w: header", ErrMalformed)
	}
	return info, c, nil
}

// DecodeBlock appends the block's points to dst, by kind, series and time.
func DecodeBlock(b []byte, dst []Point) ([]Point, error) {
	return sections(b, dst, (*section).decode)
}

// DecodeSince appends the points of the sections that have one at `from` or later,
// Unix milliseconds: of a block that was stored before, the times alone are read.
// What is left out is vouched for by the checksum alone.
func DecodeSince(b []byte, from int64, dst []Point) ([]Point, error) {
	return sections(b, dst, func(s *section, n int, dst []Point) ([]Point, error) {
		latest, err := s.latest(n)
		if err != nil || latest < from {
			return dst, err
		}
		return s.decode(n, dst)
	})
}

// sections has each section of n points taken.
func sections(b []byte, dst []Point, take func(s *section, n int, dst []Point) ([]Point, error)) ([]Point, error) {
	if err := Check(b); err != nil {
		return dst, err
	}
	return checkedSections(b, new(section), dst, take)
}

// Check compares a block's checksum.
func Check(b []byte) error {
	if _, _, err := header(b); err != nil {
		return err
	}
	if crc32.Checksum(b[:len(b)-crcSize], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-crcSize:]) {
		return fmt.Errorf("%w: checksum", ErrMalformed)
	}
	return nil
}

// checkedSections is sections of a block whose checksum was compared. s serves one
// section after the other.
func checkedSections(b []byte, s *section, dst []Point, take func(s *section, n int, dst []Point) ([]Point, error)) ([]Point, error) {
	info, c, err := header(b)
	if err != nil {
		return dst, err
	}
	left := info.Points
	for len(c.b) > 0 && !c.bad {
		kind := Kind(c.byte())
		size := c.take(4)
		if c.bad || kind == 0 || int(kind) >= numSections {
			return dst, fmt.Errorf("%w: section", ErrMalformed)
		}
		body := c.take(uint64(binary.LittleEndian.Uint32(size)))
		*s = section{kind: kind, first: info.Shard * ShardSize, base: info.Base, c: cursor{b: body}, end: len(b) - crcSize - len(c.b), heads: s.heads}
		n := int(s.c.uvarint())
		if n < 0 || n > left {
			return dst, fmt.Errorf("%w: section of %d points", ErrMalformed, n)
		}
		left -= n
		if dst, err = take(s, n, dst); err != nil {
			return dst, err
		}
	}
	if c.bad || left != 0 {
		return dst, fmt.Errorf("%w: it holds %d points less than it says", ErrMalformed, left)
	}
	return dst, nil
}
