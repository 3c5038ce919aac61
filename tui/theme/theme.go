// Package theme is the colours of the terminal: a style for each meaning, and
// no meaning by colour alone, for each is a word or a sign as well.
package theme

import (
	"io"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	_ "example.com/nexusctl/tui/theme/quiet" // before Bubble Tea's init
)

// Style paints a text. It is a Lip Gloss style worked out once: a frame paints
// a thousand texts, and working it out for each was most of what a frame cost.
type Style struct{ open, shut string }

// Render paints a text of one line.
func (s Style) Render(text string) string {
	if s.open == "" {
		return text
	}
	return s.open + text + s.shut
}

func style(of lipgloss.Style) Style {
	open, shut, _ := strings.Cut(of.Render("x"), "x")
	return Style{open, shut}
}

// Theme has a style for each meaning.
type Theme struct {
	Name                                              string
	Text, Dim, Strong, Title, Key                     Style
	Good, Warn, Bad, Trend                            Style
	Border, Focus, Selected, Brand, Alarm, Note, Sort Style
}

// Default is the theme where none was asked for, Mono the one without colour.
const (
	Default = "default"
	Mono    = "mono"
)

var themes = []struct {
	name  string
	build func(*lipgloss.Renderer) Theme
}{
	{Default, func(r *lipgloss.Renderer) Theme {
		return paint(r, colours{accent: "6", good: "2", warn: "3", bad: "1", trend: "4"})
	}},
	// Blue, purple and vermilion differ for every common kind of colour
	// blindness, and each is dark enough for white and light enough for black.
	{"safe", func(r *lipgloss.Renderer) Theme {
		return paint(r, colours{accent: "#2B8CCF", good: "#2B8CCF", warn: "#CC79A7", bad: "#D55E00", trend: "#2B8CCF"})
	}},
	{Mono, mono},
}

// Names lists the themes, the default first.
func Names() (names []string) {
	for _, t := range themes {
		names = append(names, t.name)
	}
	return names
}

// Find builds a theme for what the terminal can show. On termenv.Ascii it
// writes no escape at all.
func Find(name string, p termenv.Profile) (Theme, bool) {
	for _, t := range themes {
		if t.name == name {
			r := lipgloss.NewRenderer(io.Discard)
			r.SetColorProfile(p)
			r.SetHasDarkBackground(true) // or it would ask the terminal
			built := t.build(r)
			built.Name = name
			return built, true
		}
	}
	return Theme{}, false
}

type colours struct{ accent, good, warn, bad, trend lipgloss.Color }

// paint draws in the terminal's own foreground and background wherever nothing
// must stand out, so a theme fits light and dark terminals alike.
func paint(r *lipgloss.Renderer, c colours) Theme {
	plain := r.NewStyle()
	bold, dim, accent := style(plain.Bold(true)), style(plain.Faint(true)), plain.Foreground(c.accent)
	return Theme{
		Text: style(plain), Dim: dim, Strong: bold, Title: bold, Key: style(accent.Bold(true)),
		Good: style(plain.Foreground(c.good)), Warn: style(plain.Foreground(c.warn)), Bad: style(plain.Foreground(c.bad).Bold(true)),
		Trend: style(plain.Foreground(c.trend)), Border: dim, Focus: style(accent),
		Selected: style(plain.Reverse(true)), Brand: style(accent.Bold(true)),
		Alarm: style(plain.Foreground(c.bad).Reverse(true).Bold(true)), Note: style(accent), Sort: style(accent.Bold(true)),
	}
}

func mono(r *lipgloss.Renderer) Theme {
	plain := r.NewStyle()
	text, bold, dim := style(plain), style(plain.Bold(true)), style(plain.Faint(true))
	return Theme{
		Text: text, Dim: dim, Strong: bold, Title: bold, Key: bold,
		Good: text, Warn: bold, Bad: style(plain.Bold(true).Underline(true)), Trend: text,
		Border: dim, Focus: bold, Selected: style(plain.Reverse(true)), Brand: bold,
		Alarm: style(plain.Reverse(true).Bold(true)), Note: text, Sort: bold,
	}
}
