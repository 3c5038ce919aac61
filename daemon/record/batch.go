package record

import (
	"encoding/binary"
	"fmt"
	"math"

	"example.com/nexusctl/protocol"
)

// Sections of a batch. A section that is empty is absent; sections stand in
// this order, each at most once.
const (
	sectionDefs       = 1
	sectionSamples    = 2
	sectionOrdered    = 3
	sectionTimed      = 4
	sectionRejected   = 5
	sectionShed       = 6
	sectionDuplicates = 7
	sectionSession    = 8
	sectionClaim      = 9
	sectionLost       = 10
	sectionRaw        = 11
	sectionRawMore    = 12
	sectionEvents     = 13
)

// AppendBatch encodes a batch. Definitions must be at most 2^32 references in
// all; every key is canonical.
func AppendBatch(dst []byte, b *Batch) []byte {
	dst = append(dst, byte(KindBatch))
	dst = binary.AppendUvarint(dst, uint64(b.Lane))
	dst = binary.AppendVarint(dst, b.At)
	dst = appendDefs(dst, b)
	dst = appendSamples(dst, b)
	dst = appendOrdered(dst, b.Ordered)
	dst = appendTimed(dst, b.Timed)
	dst = appendCounts(dst, b)
	dst = appendDelivery(dst, b)
	if b.Lost > 0 {
		dst = append(dst, sectionLost)
		dst = binary.AppendUvarint(dst, b.Lost)
	}
	dst = appendRaw(dst, b)
	return appendEvents(dst, &b.Events)
}

func appendDefs(dst []byte, b *Batch) []byte {
	if len(b.Defs) == 0 {
		return dst
	}
	dst = append(dst, sectionDefs)
	dst = binary.AppendUvarint(dst, uint64(b.FirstRef))
	dst = binary.AppendUvarint(dst, uint64(len(b.Defs)))
	for _, d := range b.Defs {
		dst = appendValue(dst, 0, d.Rate)
		dst = binary.AppendUvarint(dst, uint64(len(d.Key)))
		dst = append(dst, d.Key...)
	}
	return dst
}

func appendSamples(dst []byte, b *Batch) []byte {
	if len(b.Samples) == 0 {
		return dst
	}
	dst = append(dst, sectionSamples)
	dst = binary.AppendUvarint(dst, uint64(len(b.Samples)))
	if b.packed.n == len(b.Samples) {
		return append(dst, b.packed.bytes...)
	}
	for _, s := range b.Samples {
		dst = appendValue(dst, s.Ref, s.Value)
	}
	return dst
}

func appendOrdered(dst []byte, ops []Ordered) []byte {
	if len(ops) == 0 {
		return dst
	}
	dst = append(dst, sectionOrdered)
	dst = binary.AppendUvarint(dst, uint64(len(ops)))
	for _, o := range ops {
		var delta byte
		if o.Delta {
			delta = 1
		}
		dst = append(dst, delta)
		dst = appendValue(dst, o.Ref, o.Value)
	}
	return dst
}

func appendTimed(dst []byte, timed []Timed) []byte {
	if len(timed) == 0 {
		return dst
	}
	dst = append(dst, sectionTimed)
	dst = binary.AppendUvarint(dst, uint64(len(timed)))
	for _, t := range timed {
		dst = binary.AppendVarint(dst, t.Time)
		dst = appendValue(dst, 0, t.Rate)
		dst = appendValue(dst, t.Ref, t.Value)
	}
	return dst
}

func appendCounts(dst []byte, b *Batch) []byte {
	dst = appendCountSection(dst, sectionRejected, protocol.NumReasons, func(i int) uint64 { return uint64(b.Rejected[i]) })
	dst = appendCountSection(dst, sectionShed, protocol.NumSheds, func(i int) uint64 { return b.Shed[i] })
	if b.Duplicates > 0 {
		dst = append(dst, sectionDuplicates)
		dst = binary.AppendUvarint(dst, b.Duplicates)
	}
	return dst
}

func appendCountSection(dst []byte, section byte, n int, count func(int) uint64) []byte {
	kinds := 0
	for i := range n {
		if count(i) > 0 {
			kinds++
		}
	}
	if kinds == 0 {
		return dst
	}
	dst = append(dst, section, byte(kinds))
	for i := range n {
		if c := count(i); c > 0 {
			dst = append(dst, byte(i))
			dst = binary.AppendUvarint(dst, c)
		}
	}
	return dst
}

// DecodeBatch decodes what AppendBatch wrote into b, whose memory it reuses.
// Keys and the producer point into src. On an error b is undefined.
func DecodeBatch(src []byte, b *Batch) error {
	b.Reset()
	r := reader{b: src}
	if r.byte() != byte(KindBatch) {
		return fmt.Errorf("%w: no batch", ErrMalformed)
	}
	b.Lane = r.uint32()
	b.At = r.varint()
	last := byte(0)
	for len(r.b) > 0 && !r.bad {
		section := r.byte()
		if section <= last {
			return fmt.Errorf("%w: section %d after %d", ErrMalformed, section, last)
		}
		last = section
		r.section(section, b)
	}
	if r.bad {
		return fmt.Errorf("%w: batch, section %d", ErrMalformed, last)
	}
	return nil
}

func (r *reader) section(section byte, b *Batch) {
	switch section {
	case sectionDefs:
		r.defs(b)
	case sectionSamples:
		for range r.count() {
			ref, v := r.value()
			b.Samples = append(b.Samples, Sample{Ref: ref, Value: v})
		}
	case sectionOrdered:
		for range r.count() {
			delta := r.byte()
			ref, v := r.value()
			r.bad = r.bad || delta > 1
			b.Ordered = append(b.Ordered, Ordered{Ref: ref, Delta: delta == 1, Value: v})
		}
	case sectionTimed:
		for range r.count() {
			t := Timed{Time: r.varint()}
			_, t.Rate = r.value()
			t.Ref, t.Value = r.value()
			b.Timed = append(b.Timed, t)
		}
	case sectionRejected:
		r.counts(protocol.NumReasons, func(i int, n uint64) {
			r.bad = r.bad || n > math.MaxUint32
			b.Rejected[i] = uint32(n)
		})
	case sectionShed:
		r.counts(protocol.NumSheds, func(i int, n uint64) { b.Shed[i] = n })
	case sectionDuplicates:
		b.Duplicates = r.uvarint()
	case sectionSession:
		r.session(&b.Session)
	case sectionClaim:
		b.Claim = r.claim()
	case sectionLost:
		b.Lost = r.uvarint()
	case sectionRaw:
		r.raw(b)
	case sectionRawMore:
		r.rawMore(b)
	case sectionEvents:
		r.events(&b.Events)
	default:
		r.bad = true
	}
}

func (r *reader) defs(b *Batch) {
	b.FirstRef = r.uint32()
	for range r.count() {
		var d Def
		_, d.Rate = r.value()
		d.Key = r.bytes()
		r.bad = r.bad || !(d.Rate > 0 && d.Rate <= 1)
		b.Defs = append(b.Defs, d)
	}
}

func (r *reader) counts(limit int, set func(i int, n uint64)) {
	for range int(r.byte()) {
		i := int(r.byte())
		if r.bad || i >= limit {
			r.bad = true
			return
		}
		set(i, r.uvarint())
	}
}
