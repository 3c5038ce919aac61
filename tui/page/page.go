// Package page draws the overview. A View is everything that a frame shows;
// Render turns it into lines that fit the terminal, and Settle keeps what the
// user points at in sight. Nothing here reads a clock, a key or a socket.
package page

import (
	"strings"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/theme"
	"example.com/nexusctl/tui/widget"
)

// The least terminal that the overview is drawn on.
const (
	MinWidth  = 40
	MinHeight = 12
)

// Panel is a part of the page that can be focused and zoomed.
type Panel int

// The panels, in the order of their keys.
const (
	Golden Panel = iota
	SLOs
	Series
	Ledger
	Alerts
	Panels int = iota
)

var panelNames = [Panels]string{"golden signals", "objectives", "series", "ledger", "alerts"}

func (p Panel) String() string { return panelNames[p] }

// View is what a frame shows.
type View struct {
	Data   api.Overview
	Theme  theme.Theme
	Server string // its address

	Now      time.Time
	Got      time.Time // when Data came
	Err      string    // why newer data did not
	Retry    time.Time // when it is asked for again
	Interval time.Duration
	Paused   bool

	Focus   Panel
	Zoom    bool
	Help    bool
	Cursor  int         // the selected series
	Scroll  [Panels]int // first visible line of each panel
	HelpTop int
	Keys    []Key // for the help

	Filter  string
	Sort    Sort
	Reverse bool

	Prompt *Prompt
	Note   string // the answer to a key or a command
	Failed bool   // Note is an error

	series     []int  // rows of the series table
	objectives []int  // rows of the objectives
	terms      []term // lines of the ledger
}

// Prompt is a line being typed.
type Prompt struct {
	Mark   string
	Text   []rune
	Cursor int
}

// Key is a line of the help.
type Key struct{ Keys, Does string }

// Render draws at most h lines of at most w cells.
func (v *View) Render(w, h int) string {
	if w < MinWidth || h < MinHeight {
		return v.tooSmall(w, h)
	}
	lines := v.top(w, h)
	lines = append(lines, v.body(w, h-len(lines)-1)...)
	return strings.Join(append(lines, v.footer(w)), "\n")
}

func (v *View) tooSmall(w, h int) string {
	lines := []string{"too small for nexusctl top", "it needs 40 columns, 12 rows", "q quits"}
	for i, line := range lines {
		lines[i] = widget.Row(w, widget.Span{Text: line, Style: v.Theme.Text})
	}
	return strings.Join(lines[:min(max(h, 0), len(lines))], "\n")
}

// body draws the panels side by side: the areas that share a line come from
// left to right, and leave no gap.
func (v *View) body(w, h int) []string {
	if v.Help {
		l := v.help(widget.Inner(w))
		f := widget.Frame{Title: v.title("help"), Foot: position(l, v.HelpTop, h-2)}
		return v.box(f, w, h, l.Window(v.HelpTop, h-2), true)
	}
	rows := make([]strings.Builder, h)
	for _, a := range v.areas(w, h) {
		for i, line := range v.draw(a) {
			rows[a.y+i].WriteString(line)
		}
	}
	lines := make([]string, h)
	for i := range rows {
		lines[i] = rows[i].String()
	}
	return lines
}

func (v *View) draw(a area) []string {
	if !a.boxed {
		return widget.Pad(v.content(a), a.w, a.h)
	}
	return v.box(v.frame(a), a.w, a.h, v.content(a), v.Focus == a.panel)
}

// content draws what a panel holds: lines as wide as the inside of its area.
func (v *View) content(a area) []string {
	inside, l := a.inside(), v.lines(a)
	lines := v.list(l).Window(v.Scroll[a.panel], l.h)
	if v.detailed(inside) {
		lines = append(widget.Pad(lines, l.w, l.h), v.detail(v.Selected(), l.w, inside.h-l.h)...)
	}
	return lines
}

// list is the lines of a panel.
func (v *View) list(a area) widget.List {
	switch a.panel {
	case Golden:
		return v.goldenList(a)
	case SLOs:
		return v.sloList(a)
	case Series:
		return v.seriesList(a)
	case Ledger:
		return v.ledgerList(a)
	default:
		return v.alertList(a)
	}
}

func (v *View) box(f widget.Frame, w, h int, body []string, focus bool) []string {
	f.Border = v.Theme.Border
	if focus {
		f.Border = v.Theme.Focus
	}
	return widget.Box(f, w, h, body)
}

func (v *View) frame(a area) widget.Frame {
	l := v.lines(a)
	return widget.Frame{
		Title: v.panelTitle(a.panel), Note: v.panelNote(a.panel),
		Foot: position(v.list(l), v.Scroll[a.panel], l.h),
	}
}

// position says which lines are in sight where not all are.
func position(l widget.List, top, h int) string {
	rows := l.Rows(h)
	if l.Total <= rows {
		return ""
	}
	top = widget.Clamp(top, l.Total-rows)
	return widget.Exact(uint64(top+1)) + "–" + widget.Exact(uint64(top+rows)) + " of " + widget.Exact(uint64(l.Total))
}

// panelTitle names a panel with its key; the focused one is marked, for those
// who do not see its colour.
func (v *View) panelTitle(p Panel) []widget.Span {
	spans := []widget.Span{{Text: string(rune('1'+p)) + " ", Style: v.Theme.Key}}
	if p == v.Focus {
		spans[0].Text = "▸" + spans[0].Text
	}
	return append(spans, v.title(p.String())...)
}

func (v *View) title(s string) []widget.Span { return []widget.Span{{Text: s, Style: v.Theme.Title}} }

func (v *View) panelNote(p Panel) []widget.Span {
	switch p {
	case Golden:
		return []widget.Span{{Text: "last " + widget.Age(v.Data.Golden.WindowS), Style: v.Theme.Dim}}
	case SLOs:
		return v.sloNote()
	case Series:
		return v.seriesNote()
	case Ledger:
		return v.ledgerNote()
	default:
		return nil
	}
}
