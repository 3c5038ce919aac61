package page

import (
	"maps"
	"slices"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/widget"
)

// term is a line of the ledger.
type term struct {
	name  string
	n     uint64
	level level // where n is not zero
	part  bool  // of the term above
}

// ledgerTerms is the law: received is the sum of the others. The terms come
// first, so that they are in sight where the parts are not.
func ledgerTerms(l api.Ledger) []term {
	terms := []term{
		{"received", l.Received, calm, false},
		{"= stored", l.Stored, calm, false},
		{"+ pending", l.Pending, calm, false},
		{"+ rejected", api.Sum(l.Rejected), warn, false},
		{"+ shed", api.Sum(l.Shed), bad, false},
		{"+ dead", l.Dead, bad, false},
		{"+ lost", l.Lost, bad, false},
		{"duplicates", l.Duplicates, calm, false},
	}
	for _, kind := range []struct {
		name   string
		counts map[string]uint64
	}{{"rejected ", l.Rejected}, {"shed ", l.Shed}} {
		for _, reason := range slices.Sorted(maps.Keys(kind.counts)) {
			terms = append(terms, term{kind.name + reason, kind.counts[reason], calm, true})
		}
	}
	return terms
}

// law says whether the terms add up, and what is missing where they do not.
func (v *View) law() (string, level) {
	l := v.Data.Ledger
	accounted := l.Accounted()
	switch {
	case accounted == l.Received:
		return signGood + " adds up", calm
	case accounted < l.Received:
		return signBad + " BROKEN: " + widget.Exact(l.Received-accounted) + " missing", bad
	}
	return signBad + " BROKEN: " + widget.Exact(accounted-l.Received) + " too many", bad
}

func (v *View) ledgerNote() []widget.Span {
	text, l := v.law()
	style := v.Theme.Good
	if l != calm {
		style = v.Theme.Bad
	}
	return []widget.Span{{Text: text, Style: style}}
}

func (v *View) ledgerList(a area) widget.List {
	if !a.boxed && a.h <= 1 {
		return widget.List{Total: 1, Line: func(int) string { return v.ledgerLine(a.w) }}
	}
	l := widget.List{Total: len(v.terms), Line: func(i int) string { return v.termRow(a.w, v.terms[i]) }}
	if !a.boxed {
		title := []widget.Span{{Text: "ledger ", Style: v.Theme.Strong}}
		l.Head = []string{widget.Row(a.w, append(title, v.ledgerNote()...)...)}
	}
	return l
}

func (v *View) termRow(w int, t term) string {
	style, name := v.Theme.Text, v.Theme.Text
	if t.part {
		style, name = v.Theme.Dim, v.Theme.Dim
	}
	if t.n > 0 && t.level != calm {
		style = v.style(t.level)
	}
	text := widget.Exact(t.n)
	if len(text)+9 > w { // the number in full is worth more than the name
		text = widget.Count(float64(t.n))
	}
	room := min(widget.Width(t.name), max(w-1-widget.Width(text), 0))
	return widget.Row(w, widget.Span{Text: widget.Fit(t.name, room), Style: name},
		widget.Span{Text: widget.FitRight(text, w-room), Style: style})
}

// ledgerLine is the law in one line.
func (v *View) ledgerLine(w int) string {
	label := widget.Span{Text: widget.Fit("ledger", 7), Style: v.Theme.Strong}
	if w >= 60 {
		label.Text = widget.Fit("ledger", 11)
	}
	note := v.ledgerNote()
	figures := [][]widget.Span{append(note, widget.Span{Text: "  "})}
	for _, t := range v.terms[:min(len(v.terms), 7)] {
		name := t.name
		if name[0] == '=' || name[0] == '+' {
			name = name[2:]
		}
		l := calm
		if t.n > 0 {
			l = t.level
		}
		figures = append(figures, v.worded(name, widget.Count(float64(t.n)), l))
	}
	return v.line(w, label, figures, nil, 0)
}
