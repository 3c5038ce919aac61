package aggregate

// dict is a lane's dictionary: what each reference stands for. It grows by pages,
// so that a million references are never copied, and those that a sealed Part has
// seen stay where they are.
type dict struct {
	pages []*[dictPage]Ref
	n     int
}

const dictPage = 1 << 12

func (d *dict) add(r Ref) {
	if d.n%dictPage == 0 {
		d.pages = append(d.pages, new([dictPage]Ref))
	}
	d.pages[d.n/dictPage][d.n%dictPage] = r
	d.n++
}

func (d *dict) at(ref uint32) *Ref { return &d.pages[ref/dictPage][ref%dictPage] }

// frozen returns the dictionary as it stands now.
func (d *dict) frozen() dict { return dict{d.pages[:len(d.pages):len(d.pages)], d.n} }

// each calls f for every reference, from 0.
func (d *dict) each(f func(r *Ref)) {
	for i := range d.n {
		f(d.at(uint32(i)))
	}
}
