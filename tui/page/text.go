package page

import (
	"fmt"
	"strings"

	"example.com/nexusctl/tui/widget"
)

// textSeries is how many series a text has; the JSON has all.
const textSeries = 20

// Text draws everything one below the other, without frames, as high as it
// needs to be: for pipes, logs and screen readers.
func (v *View) Text(w int) string {
	v.Cursor, v.Interval = -1, 0 // nothing is pointed at, nor asked for again
	lines := v.top(w, 0)
	for _, p := range []Panel{Golden, SLOs, Series, Ledger, Alerts} {
		if p == Alerts && len(v.Data.Alerts)+len(v.Data.Reasons) == 0 {
			continue
		}
		title := v.title(p.String())
		if note := v.panelNote(p); note != nil {
			title = append(append(title, widget.Span{Text: "  "}), note...)
		}
		lines = append(append(lines, "", widget.Row(w, title...)), v.section(p, w)...)
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func (v *View) section(p Panel, w int) []string {
	if p == Golden {
		return v.golden(area{w: w, h: fullHeight(w)})
	}
	if p == Ledger {
		w = min(w, 48) // or the eye loses the line
	}
	l := v.list(area{panel: p, w: w, boxed: true})
	shown := l.Total
	if p == Series {
		shown = min(shown, textSeries)
	}
	lines := l.Window(0, len(l.Head)+shown)
	if rest := l.Total - shown; rest > 0 {
		lines = append(lines, v.caption(w, fmt.Sprintf("  and %s more; --json has all", widget.Exact(uint64(rest)))))
	}
	return lines
}
