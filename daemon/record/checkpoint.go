package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"
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

// Draft is a checkpoint to be written. What there are many of comes one by one: the
// keys of a million series would take twice their memory at once.
type Draft struct {
	Position  uint64
	Mark      Mark
	Lanes     []LaneDraft
	Gauges    int // how many EachGauge gives
	EachGauge iter.Seq[Gauge]
	Producers []Producer
	Keys      []Key
}

// LaneDraft is a LaneDict to be written.
type LaneDraft struct {
	Lane uint32
	Refs int // how many Each gives
	Each iter.Seq[Def]
}

// Draft returns the checkpoint to be written.
func (c *Checkpoint) Draft() *Draft {
	d := &Draft{Position: c.Position, Mark: c.Mark, Gauges: len(c.Gauges), EachGauge: slices.Values(c.Gauges), Producers: c.Producers, Keys: c.Keys}
	for _, l := range c.Lanes {
		d.Lanes = append(d.Lanes, LaneDraft{l.Lane, len(l.Defs), slices.Values(l.Defs)})
	}
	return d
}

// checkpointPiece is how much of a checkpoint is in memory at once.
const checkpointPiece = 256 << 10

// WriteTo encodes the checkpoint, closed by a CRC32C.
func (d *Draft) WriteTo(w io.Writer) (int64, error) {
	p := pieces{w: w, b: append(make([]byte, 0, checkpointPiece+4<<10), checkpointMagic...)}
	p.b = binary.AppendUvarint(p.b, d.Position)
	p.b = appendBytes(p.b, AppendMark(nil, d.Mark))
	p.b = binary.AppendUvarint(p.b, uint64(len(d.Lanes)))
	for _, l := range d.Lanes {
		p.b = binary.AppendUvarint(p.b, uint64(l.Lane))
		p.b = binary.AppendUvarint(p.b, uint64(l.Refs))
		for def := range l.Each {
			p.keyed(def.Key, def.Rate)
		}
	}
	p.b = binary.AppendUvarint(p.b, uint64(d.Gauges))
	for g := range d.EachGauge {
		p.keyed(g.Key, g.Value)
	}
	p.b = appendProducers(p.b, d.Producers)
	p.b = appendKeys(p.b, d.Keys)
	p.pass()
	p.b = binary.LittleEndian.AppendUint32(p.b, p.sum)
	p.pass()
	return p.n, p.err
}

// pieces passes bytes on, piece by piece.
type pieces struct {
	w   io.Writer
	b   []byte // not passed on yet
	sum uint32 // CRC32C of what was
	n   int64
	err error // the first
}

func (p *pieces) keyed(key []byte, v float64) {
	if p.b = appendKeyed(p.b, key, v); len(p.b) >= checkpointPiece {
		p.pass()
	}
}

func (p *pieces) pass() {
	p.sum = crc32.Update(p.sum, castagnoli, p.b)
	if p.err == nil {
		var n int
		n, p.err = p.w.Write(p.b)
		p.n += int64(n)
	}
	p.b = p.b[:0]
}

func appendKeyed(dst, key []byte, v float64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	dst = append(dst, key...)
	return appendValue(dst, 0, v)
}

// DecodeCheckpoint decodes what a Draft wrote; keys point into b.
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
