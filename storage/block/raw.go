package block

// rawExtended is the form that raw points take on disk which say more than one
// number: a native histogram, or when their count started. In memory they are
// Raw as well, so a series may hold both.
const rawExtended = Raw + 1

// numSections is one more than the highest kind on disk.
const numSections = int(rawExtended) + 1

// sectionOf returns the kind under which a point is written.
func sectionOf(p *Point) Kind {
	if p.Kind == Raw && (len(p.Sketch) > 0 || p.LastAt != 0) {
		return rawExtended
	}
	return p.Kind
}

// pointKind is the kind in memory of what is written under a kind.
func pointKind(k Kind) Kind {
	if k == rawExtended {
		return Raw
	}
	return k
}

// start returns a raw point's LastAt as it is written: 0 where it is unknown,
// else by how much it lies before the point's time, from 0 on one more.
func (p *Point) start() int64 {
	back := p.Time - p.LastAt
	switch {
	case p.LastAt == 0:
		return 0
	case back >= 0:
		return back + 1
	}
	return back
}

func (p *Point) setStart(v int64) {
	switch {
	case v > 0:
		p.LastAt = p.Time - (v - 1)
	case v < 0:
		p.LastAt = p.Time - v
	}
}
