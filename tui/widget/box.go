package widget

import (
	"strings"

	"example.com/nexusctl/tui/theme"
)

// Frame is what a box says on its border.
type Frame struct {
	Title  []Span // upper left
	Note   []Span // upper right
	Foot   string // lower right
	Border theme.Style
}

// Inner is the width of what a box of width w holds.
func Inner(w int) int { return max(w-4, 0) }

// Box frames lines of the inner width as exactly h lines of width w.
func Box(f Frame, w, h int, body []string) []string {
	if h < 2 || w < 6 {
		return Pad(nil, w, h)
	}
	side := f.Border.Render("│")
	lines := append(make([]string, 0, h), f.top(w))
	for _, line := range Pad(body, Inner(w), h-2) {
		lines = append(lines, side+" "+line+" "+side)
	}
	return append(lines, f.bottom(w))
}

func (f Frame) top(w int) string {
	title, note := f.caption(f.Title), f.caption(f.Note)
	if length(title)+length(note) > w-4 {
		note = nil
	}
	rule := strings.Repeat("─", max(w-4-length(title)-length(note), 0))
	spans := append([]Span{{"╭─", f.Border}}, title...)
	spans = append(append(spans, Span{rule, f.Border}), note...)
	return Row(w-1, append(spans, Span{"─", f.Border})...) + f.Border.Render("╮")
}

func (f Frame) bottom(w int) string {
	foot := Safe(f.Foot)
	if foot != "" {
		foot = " " + foot + " "
	}
	if Width(foot) > w-4 {
		foot = ""
	}
	rule := strings.Repeat("─", w-3-Width(foot))
	return f.Border.Render("╰" + rule + foot + "─╯")
}

func (f Frame) caption(spans []Span) []Span {
	if len(spans) == 0 {
		return nil
	}
	return append(append([]Span{{" ", f.Border}}, spans...), Span{" ", f.Border})
}

// Pad returns exactly h lines: cut, or filled with blanks of width w.
func Pad(lines []string, w, h int) []string {
	h = max(h, 0)
	out := append(make([]string, 0, h), lines[:min(len(lines), h)]...)
	for len(out) < h {
		out = append(out, strings.Repeat(" ", max(w, 0)))
	}
	return out
}

// Beside joins blocks of the same height, gap cells apart.
func Beside(gap int, blocks ...[]string) []string {
	if len(blocks) == 0 {
		return nil
	}
	out := append([]string{}, blocks[0]...)
	for _, block := range blocks[1:] {
		for i := range out {
			out[i] += strings.Repeat(" ", gap) + block[i]
		}
	}
	return out
}
