package page

import "example.com/nexusctl/tui/widget"

// footer is the line being typed, else the answer to the last, else the keys
// that matter most.
func (v *View) footer(w int) string {
	switch {
	case v.Prompt != nil:
		return v.prompt(w)
	case v.Note != "" && v.Failed:
		return widget.Row(w, widget.Span{Text: " " + signBad + " " + v.Note, Style: v.Theme.Bad})
	case v.Note != "":
		return widget.Row(w, widget.Span{Text: " " + v.Note, Style: v.Theme.Note})
	}
	left := []widget.Segment{v.hint(9, "?", "help"), v.hint(7, "/", "filter"), v.hint(4, "s", "sort"),
		v.hint(5, "p", v.pauseWord()), v.hint(3, "tab", "focus"), v.hint(6, "enter", v.zoomWord()), v.hint(2, ":", "command"), v.hint(8, "q", "quit")}
	left[0].Spans[0].Text = " ?"
	focus := []widget.Segment{one(1, "["+v.Focus.String()+"] ", v.Theme.Dim)}
	return widget.Ends(w, 2, left, focus)
}

func (v *View) pauseWord() string {
	if v.Paused {
		return "resume"
	}
	return "pause"
}

func (v *View) zoomWord() string {
	if v.Zoom {
		return "back"
	}
	return "zoom"
}

func (v *View) hint(keep int, key, does string) widget.Segment {
	return widget.Segment{Keep: keep, Spans: []widget.Span{{Text: key, Style: v.Theme.Key}, {Text: " " + does, Style: v.Theme.Dim}}}
}

// prompt draws the end of the text that fits, with the cursor in sight.
func (v *View) prompt(w int) string {
	p := v.Prompt
	at := min(max(p.Cursor, 0), len(p.Text))
	under, after := " ", ""
	if at < len(p.Text) {
		under, after = widget.Safe(string(p.Text[at])), string(p.Text[at+1:])
	}
	from := at
	room := w - 1 - widget.Width(p.Mark) - widget.Width(under)
	for from > 0 && widget.Width(string(p.Text[from-1:at])) <= room {
		from--
	}
	return widget.Row(w, widget.Span{Text: " " + p.Mark, Style: v.Theme.Key},
		widget.Span{Text: string(p.Text[from:at]), Style: v.Theme.Text},
		widget.Span{Text: under, Style: v.Theme.Selected}, widget.Span{Text: after, Style: v.Theme.Text})
}

// help is every key and what it does.
func (v *View) help(w int) widget.List {
	return widget.List{Total: len(v.Keys), Line: func(i int) string {
		k := v.Keys[i]
		return widget.Row(w, widget.Span{Text: widget.Fit(k.Keys, 16), Style: v.Theme.Key},
			widget.Span{Text: k.Does, Style: v.Theme.Text})
	}}
}
