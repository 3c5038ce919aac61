package page

import "example.com/nexusctl/tui/widget"

// area is where a panel is drawn.
type area struct {
	panel      Panel
	x, y, w, h int
	boxed      bool
}

// inside is what the box around an area leaves of it.
func (a area) inside() area {
	if a.boxed {
		a.w, a.h = widget.Inner(a.w), max(a.h-2, 0)
	}
	return a
}

// lines is where the lines of a panel are: what is inside, but for the detail
// below the zoomed series.
func (v *View) lines(a area) area {
	a = a.inside()
	if v.detailed(a) {
		a.h -= detailRows(a.h)
	}
	return a
}

// detailed reports whether the selected series is shown in full.
func (v *View) detailed(inside area) bool {
	return v.Zoom && inside.panel == Series && inside.h >= 8 && v.Selected() != nil
}

// detailRows shares h lines between the table and the detail.
func detailRows(h int) int { return min(max(h/3, 4), 16) }

// areas lays the panels out on w by h cells, with no gap: in boxes where there
// is room for boxes, else as lines, the most important first.
func (v *View) areas(w, h int) []area {
	switch {
	case v.Zoom:
		return []area{{v.Focus, 0, 0, w, h, true}}
	case w >= 72 && h >= 17:
		return v.boxes(w, h)
	default:
		return v.stack(w, h)
	}
}

// boxes: golden signals over objectives over series, with the ledger at the
// side, and alerts below it where there are some.
func (v *View) boxes(w, h int) []area {
	golden := 7
	if h >= 26 && w >= 100 {
		golden = 10
	} else if h >= 32 {
		golden = 16
	}
	slos := 3 + max(1, min(len(v.objectives), max(2, h-golden-3-9), max(3, h/5)))
	y, left := golden+slos, h-golden-slos
	side := 28
	if w >= 100 {
		side = 36
	}
	out := []area{
		{Golden, 0, 0, w, golden, true},
		{SLOs, 0, golden, w, slos, true},
		{Series, 0, y, w - side, left, true},
	}
	alerts := 0
	if n := len(v.Data.Alerts) + len(v.Data.Reasons); n > 0 && left >= 14 {
		alerts = min(n*2+2, left-10)
		out = append(out, area{Ledger, w - side, y, side, left - alerts, true}, area{Alerts, w - side, y + left - alerts, side, alerts, true})
		return out
	}
	return append(out, area{Ledger, w - side, y, side, left, true})
}

// stack: one panel a band. The first lines go to what cannot be left out, the
// next to headings and rows by turns.
func (v *View) stack(w, h int) []area {
	golden, slos, ledger, series := 4, 1, 1, 2
	if h >= 48 {
		golden, ledger = 28, 8
	}
	if spare := h - golden - ledger - slos - series; spare > 0 {
		most := max(len(v.objectives), 1) + 1 // with the heading
		slos += min(spare/2, most-1, max(2, h/4))
	}
	series = h - golden - ledger - slos
	bands := []struct {
		p Panel
		h int
	}{{Golden, golden}, {SLOs, slos}, {Ledger, ledger}, {Series, series}}
	var out []area
	y := 0
	for _, b := range bands {
		out = append(out, area{b.p, 0, y, w, b.h, false})
		y += b.h
	}
	return out
}
