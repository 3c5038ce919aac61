package record

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/decimals"
	"example.com/nexusctl/protocol/scan"
)

// Add appends a sample, and makes its bytes at once.
func (b *Batch) Add(ref uint32, v float64) {
	if p := &b.packed; p.n == len(b.Samples) {
		p.bytes = appendValue(p.bytes, ref, v)
		p.n++
	} else {
		p.n = void
	}
	b.Samples = append(b.Samples, Sample{Ref: ref, Value: v})
}

// AddDecimal is Add for a number that is known as it was written: nothing has to
// find out again how few digits it needs.
func (b *Batch) AddDecimal(ref uint32, d protocol.Decimal) {
	p := &b.packed
	at := len(p.bytes)
	switch {
	case p.n != len(b.Samples):
		p.n = void
	case cap(p.bytes)-at < maxPacked:
		p.bytes = slices.Grow(p.bytes, max(maxPacked, at))
		fallthrough
	default:
		p.n++
		p.bytes = p.bytes[:at+putDecimal((*[maxPacked]byte)(p.bytes[at:at+maxPacked]), ref, d)]
	}
	b.Samples = append(b.Samples, Sample{Ref: ref, Value: d.Float64()})
}

// AddDecimals is AddDecimal for len(refs) numbers of a group, from one on. All of
// them are known; what is known has eight digits at most.
func (b *Batch) AddDecimals(refs []uint32, d *decimals.Group, from int) {
	p := &b.packed
	if p.n != len(b.Samples) || !scan.Wide {
		b.addEach(refs, d, from)
		return
	}
	// The processor writes eight at once, behind the last ones too.
	b.Samples = slices.Grow(b.Samples, len(refs)+packGroup)
	p.bytes = slices.Grow(p.bytes, (len(refs)+packGroup)*maxPacked)
	for len(refs) > 0 {
		samples, at := b.Samples[len(b.Samples):cap(b.Samples)], len(p.bytes)
		size, n := packDecimals(p.bytes[at:cap(p.bytes)], samples, refs, d, from)
		b.Samples, p.bytes, p.n = b.Samples[:len(b.Samples)+n], p.bytes[:at+size], p.n+n
		refs, from = refs[n:], from+n
		if n := min(packGroup, len(refs)); n > 0 { // one of them takes too many bytes
			b.addEach(refs[:n], d, from)
			refs, from = refs[n:], from+n
		}
	}
}

func (b *Batch) addEach(refs []uint32, d *decimals.Group, from int) {
	for i, ref := range refs {
		b.AddDecimal(ref, protocol.Decimal{Mantissa: int64(d.Mantissa[from+i]), Scale: uint8(d.Scale[from+i])})
	}
}

// packGroup is how many numbers are packed at once.
const packGroup = 8

// packed are the bytes of the first n samples of a batch. Where a batch has lost
// or gained samples in another way n is not their number, and the bytes are
// worth nothing until the batch is empty again.
type packed struct {
	bytes []byte
	n     int
}

// void is a number that no batch has.
const void = -1

// maxPacked is the most bytes of one decimal: its head, its scale, its mantissa.
const maxPacked = 5 + 1 + binary.MaxVarintLen64

// shortVarint is the first number that takes more than four bytes.
const shortVarint = 1 << 28

// putDecimal writes what appendValue appends for the same value. Which form a
// value has, and how long it is, changes from one to the next, so there is no
// branch on either: a wrong guess costs the processor more than all of this.
func putDecimal(b *[maxPacked]byte, ref uint32, d protocol.Decimal) (n int) {
	head, zigzag := uint64(ref)<<2, uint64(d.Mantissa<<1)^uint64(d.Mantissa>>63)
	if head >= shortVarint || zigzag >= shortVarint {
		return len(appendValue(b[:0], ref, d.Float64()))
	}
	form, scale := uint32(formInteger), 0
	if d.Scale != 0 {
		form, scale = formDecimal, 1
	}
	one := zigzag == 2 && d.Scale == 0
	if one {
		form = formOne
	}
	n = putShort(b, 0, uint32(head)|form)
	b[n&0xf] = d.Scale
	last := putShort(b, n+scale, uint32(zigzag))
	if one {
		last = n
	}
	return last
}

// putShort writes a varint of up to four bytes at b[at:] and returns its end.
func putShort(b *[maxPacked]byte, at int, x uint32) int {
	spread := x&0x7f | x<<1&0x7f00 | x<<2&0x7f0000 | x<<3&0x7f000000
	n := (bits.Len32(x|1) + 6) / 7
	more := uint32(0x80808080) & (1<<(8*(n-1)) - 1)
	binary.LittleEndian.PutUint32(b[at:], spread|more)
	return at + n
}
