package page

import "example.com/nexusctl/tui/widget"

// Settle brings cursor and scroll back into bounds, and the cursor into sight,
// after anything has changed.
func (v *View) Settle(w, h int) {
	v.Cursor = widget.Clamp(v.Cursor, len(v.series)-1)
	if w < MinWidth || h < MinHeight {
		return
	}
	_, bodyH := v.bodyRows(w, h)
	help := v.help(widget.Inner(w))
	v.HelpTop = widget.Clamp(v.HelpTop, help.Total-help.Rows(bodyH-2))
	for _, a := range v.areas(w, bodyH) {
		a = v.lines(a)
		l := v.list(a)
		top := &v.Scroll[a.panel]
		if a.panel == Series {
			*top = widget.Follow(*top, v.Cursor, l.Rows(a.h), l.Total)
		} else {
			*top = widget.Clamp(*top, l.Total-l.Rows(a.h))
		}
	}
}

// bodyRows is the first line of the panels, and how many there are.
func (v *View) bodyRows(w, h int) (y, rows int) {
	y = len(v.top(w, h))
	return y, h - y - 1
}

// Move moves the cursor, or the lines of a panel without one, by n.
func (v *View) Move(p Panel, n int) {
	switch {
	case v.Help:
		v.HelpTop += n
	case p == Series:
		v.Cursor += n
	default:
		v.Scroll[p] += n
	}
}

// PageRows is how many lines of the focused panel are in sight.
func (v *View) PageRows(w, h int) int {
	if w < MinWidth || h < MinHeight {
		return 1
	}
	_, bodyH := v.bodyRows(w, h)
	if v.Help {
		return bodyH - 2
	}
	for _, a := range v.areas(w, bodyH) {
		if a.panel == v.Focus {
			a = v.lines(a)
			return max(v.list(a).Rows(a.h), 1)
		}
	}
	return 1
}

// At finds the panel at a cell of the terminal.
func (v *View) At(x, y, w, h int) (Panel, bool) {
	if w < MinWidth || h < MinHeight || v.Help {
		return 0, false
	}
	top, bodyH := v.bodyRows(w, h)
	for _, a := range v.areas(w, bodyH) {
		if x >= a.x && x < a.x+a.w && y-top >= a.y && y-top < a.y+a.h {
			return a.panel, true
		}
	}
	return 0, false
}

// Shown reports whether a panel has a place on the page as it is.
func (v *View) Shown(p Panel, w, h int) bool {
	if w < MinWidth || h < MinHeight {
		return false
	}
	_, bodyH := v.bodyRows(w, h)
	for _, a := range v.areas(w, bodyH) {
		if a.panel == p {
			return true
		}
	}
	return false
}
