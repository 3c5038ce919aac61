package record

import (
	"bytes"
	"encoding/binary"
)

// Raw is a sample that is kept as it is, with its time in Unix milliseconds.
// It may be NaN, an infinity or a stale marker.
type Raw struct {
	Ref   uint32
	Time  int64
	Value float64
	Start int64  // when the count it is of began, Unix milliseconds; 0 for unknown
	Hist  []byte // a native histogram (package histogram) in the place of Value
}

// plain says that the sample is a number and no more.
func (s *Raw) plain() bool { return s.Start == 0 && len(s.Hist) == 0 }

// appendRaw encodes raw samples: the plain ones, then the others. Samples of a
// request share their times, so a time is written as its distance to the one
// before; the first, to when the batch was logged.
func appendRaw(dst []byte, b *Batch) []byte {
	plain := 0
	for i := range b.Raw {
		if b.Raw[i].plain() {
			plain++
		}
	}
	if plain > 0 {
		dst = append(dst, sectionRaw)
		dst = binary.AppendUvarint(dst, uint64(plain))
		last := b.At
		for i := range b.Raw {
			if s := &b.Raw[i]; s.plain() {
				dst = binary.AppendVarint(dst, s.Time-last)
				dst = appendValue(dst, s.Ref, s.Value)
				last = s.Time
			}
		}
	}
	if plain == len(b.Raw) {
		return dst
	}
	dst = append(dst, sectionRawMore)
	dst = binary.AppendUvarint(dst, uint64(len(b.Raw)-plain))
	last := b.At
	for i := range b.Raw {
		if s := &b.Raw[i]; !s.plain() {
			dst = appendRawMore(dst, s, last)
			last = s.Time
		}
	}
	return dst
}

func appendRawMore(dst []byte, s *Raw, last int64) []byte {
	dst = binary.AppendVarint(dst, s.Time-last)
	dst = appendValue(dst, s.Ref, s.Value)
	dst = binary.AppendVarint(dst, s.Start)
	dst = binary.AppendUvarint(dst, uint64(len(s.Hist)))
	return append(dst, s.Hist...)
}

func (r *reader) raw(b *Batch) {
	last := b.At
	for range r.count() {
		s := Raw{Time: last + r.varint()}
		s.Ref, s.Value = r.value()
		b.Raw = append(b.Raw, s)
		last = s.Time
	}
}

// rawMore copies the histograms: they live until their generation is stored,
// and the record's bytes do not.
func (r *reader) rawMore(b *Batch) {
	last := b.At
	for range r.count() {
		s := Raw{Time: last + r.varint()}
		s.Ref, s.Value = r.value()
		s.Start = r.varint()
		s.Hist = bytes.Clone(r.bytes())
		r.bad = r.bad || s.plain()
		b.Raw = append(b.Raw, s)
		last = s.Time
	}
}
