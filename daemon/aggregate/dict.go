package aggregate

import (
	"sync/atomic"

	"example.com/nexusctl/protocol"
)

// A type that does not fit its bits would be another's.
const _ = uint(1<<typeBits - protocol.NumTypes)

// dict is a lane's dictionary: what each reference stands for. It grows by pages,
// so that a million references are never copied, and those that a sealed Part has
// seen stay where they are.
type dict struct {
	pages []*dictPage
	n     int
}

// dictPageSize leaves room for a page's pointer: with one reference more, it would
// take a quarter more memory.
const dictPageSize = 1<<12 - 1

// dictPage keeps each reference in eight bytes. Rates stand apart: nearly every
// reference's is 1, and they would double it.
type dictPage struct {
	refs  [dictPageSize]packedRef
	rates atomic.Pointer[[dictPageSize]float64] // nil while all are 1; a page grows beside its readers
}

// packedRef is a reference's series, and what it is: its cell, two flags and its type.
type packedRef struct{ series, what uint32 }

const (
	typeBits  = 3 // protocol.NumTypes is 8
	ownRef    = 1 << typeBits
	ratedRef  = 2 << typeBits
	cellShift = typeBits + 2 // which leaves cellBits
)

func packRef(r *Ref) packedRef {
	what := r.cell<<cellShift | uint32(r.Type)
	if r.Own {
		what |= ownRef
	}
	if r.Rate != 1 {
		what |= ratedRef
	}
	return packedRef{r.Series, what}
}

func (d *dict) add(r Ref) {
	if d.n%dictPageSize == 0 {
		d.pages = append(d.pages, new(dictPage))
	}
	page, i := d.pages[d.n/dictPageSize], d.n%dictPageSize
	page.refs[i] = packRef(&r)
	if r.Rate != 1 {
		if page.rates.Load() == nil {
			page.rates.Store(new([dictPageSize]float64))
		}
		page.rates.Load()[i] = r.Rate
	}
	d.n++
}

func (d *dict) at(ref uint32) Ref {
	page, i := d.pages[ref/dictPageSize], ref%dictPageSize
	p := page.refs[i]
	r := Ref{Series: p.series, Type: protocol.Type(p.what & (1<<typeBits - 1)), Rate: 1, Own: p.what&ownRef != 0, cell: p.what >> cellShift}
	if p.what&ratedRef != 0 {
		r.Rate = page.rates.Load()[i]
	}
	return r
}

// frozen returns the dictionary as it stands now.
func (d *dict) frozen() dict { return dict{d.pages[:len(d.pages):len(d.pages)], d.n} }

// each calls f for every reference, from 0, until it returns false.
func (d *dict) each(f func(r Ref) bool) {
	for i := range d.n {
		if !f(d.at(uint32(i))) {
			return
		}
	}
}
