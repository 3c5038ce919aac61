package aggregate

import (
	"sync/atomic"

	"example.com/nexusctl/protocol"
)

// dict is a lane's dictionary: what each reference stands for. It grows by pages,
// so that a million references are never copied, and those that a sealed Part has
// seen stay where they are.
type dict struct {
	pages []*dictPage
	n     int
}

const dictPageSize = 1 << 12

// dictPage keeps each reference in twelve bytes. Rates stand apart: nearly every
// reference's is 1, and they would double it.
type dictPage struct {
	refs  [dictPageSize]packedRef
	rates atomic.Pointer[[dictPageSize]float64] // nil while all are 1; a page grows beside its readers
}

type packedRef struct {
	series, cell uint32
	typ          protocol.Type
	own          bool
	rated        bool
}

func (d *dict) add(r Ref) {
	if d.n%dictPageSize == 0 {
		d.pages = append(d.pages, new(dictPage))
	}
	page, i := d.pages[d.n/dictPageSize], d.n%dictPageSize
	page.refs[i] = packedRef{r.Series, r.cell, r.Type, r.Own, r.Rate != 1}
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
	p := &page.refs[i]
	r := Ref{Series: p.series, Type: p.typ, Rate: 1, Own: p.own, cell: p.cell}
	if p.rated {
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
