package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Checkpoint is what the fold knows at a mark, besides what is in the store:
// with it the log before the mark is not needed. Keys are canonical.
type Checkpoint struct {
	Position uint64 // end of the mark's frame
	Mark     Mark   // the one that opened the generation at Position
	Lanes    []LaneDict
	Gauges   []Gauge

	Producers []Producer // by rising ID
	Keys      []Key      // by age, oldest first
}

// LaneDict is one lane's references, numbered from 0.
type LaneDict struct {
	Lane uint32
	Defs []Def
}

// Gauge is the last value of one gauge.
type Gauge struct {
	Key   []byte
	Value float64
}

const checkpointMagic = "NXCKPT02"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendCheckpoint encodes a checkpoint, closed by a CRC32C.
func AppendCheckpoint(dst []byte, c *Checkpoint) []byte {
	start := len(dst)
	dst = append(dst, checkpointMagic...)
	dst = binary.AppendUvarint(dst, c.Position)
	mark := AppendMark(nil, c.Mark)
	dst = binary.AppendUvarint(dst, uint64(len(mark)))
	dst = append(dst, mark...)
	dst = binary.AppendUvarint(dst, uint64(len(c.Lanes)))
	for _, l := range c.Lanes {
		dst = binary.AppendUvarint(dst, uint64(l.Lane))
		dst = binary.AppendUvarint(dst, uint64(len(l.Defs)))
		for _, d := range l.Defs {
			dst = appendKeyed(dst, d.Key, d.Rate)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Gauges)))
	for _, g := range c.Gauges {
		dst = appendKeyed(dst, g.Key, g.Value)
	}
	dst = appendProducers(dst, c.Producers)
	dst = appendKeys(dst, c.Keys)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func appendKeyed(dst, key []byte, v float64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	return appendValue(dst, 0, v)
}

// DecodeCheckpoint decodes what AppendCheckpoint wrote; keys point into b.
func DecodeCheckpoint(b []byte) (*Checkpoint, error) {
	const trailer = 4
	if len(b) < len(checkpointMagic)+trailer || string(b[:len(checkpointMagic)]) != checkpointMagic {
		return nil, fmt.Errorf("%w: no checkpoint", ErrMalformed)
	}
	body, sum := b[:len(b)-trailer], binary.LittleEndian.Uint32(b[len(b)-trailer:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checkpoint checksum", ErrMalformed)
	}
	r := reader{b: body[len(checkpointMagic):]}
	c := &Checkpoint{Position: r.uvarint()}
	mark, err := DecodeMark(r.bytes())
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c.Mark = mark
	for range r.count() {
		l := LaneDict{Lane: r.uint32()}
		for range r.count() {
			d := Def{Key: r.bytes()}
			_, d.Rate = r.value()
			l.Defs = append(l.Defs, d)
		}
		c.Lanes = append(c.Lanes, l)
	}
	for range r.count() {
		g := Gauge{Key: r.bytes()}
		_, g.Value = r.value()
		c.Gauges = append(c.Gauges, g)
	}
	c.Producers, c.Keys = r.producers(), r.keys()
	if r.bad || len(r.b) != 0 {
		return nil, fmt.Errorf("%w: checkpoint", ErrMalformed)
	}
	return c, nil
}
