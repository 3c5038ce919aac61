package widget

import (
	"strings"

	"example.com/nexusctl/tui/theme"
)

// Span is a text in one style.
type Span struct {
	Text  string
	Style theme.Style
}

// Row draws spans side by side as exactly w cells.
func Row(w int, spans ...Span) string {
	var b strings.Builder
	for _, s := range spans {
		if w <= 0 {
			break
		}
		text, used := fit(s.Text, w)
		if text != "" {
			b.WriteString(s.Style.Render(text))
		}
		w -= used
	}
	b.WriteString(strings.Repeat(" ", max(w, 0)))
	return b.String()
}

// Segment is spans that are shown together or not at all. Where not all fit,
// those with the lowest Keep go first.
type Segment struct {
	Keep  int
	Spans []Span
}

// Ends draws segments from both ends of a row, gap cells between them.
func Ends(w, gap int, left, right []Segment) string {
	left, right = thin(w, gap, left, right)
	l, r := join(left, gap), join(right, gap)
	fill := w - length(l) - length(r)
	return Row(w, append(append(l, Span{Text: strings.Repeat(" ", max(fill, 0))}), r...)...)
}

// thin drops segments until the rest fits, or one is left.
func thin(w, gap int, left, right []Segment) ([]Segment, []Segment) {
	for {
		if total(left, gap)+total(right, gap) <= w+gap || len(left)+len(right) <= 1 {
			return left, right
		}
		if i, j := lowest(left), lowest(right); j < 0 || i >= 0 && left[i].Keep <= right[j].Keep {
			left = without(left, i)
		} else {
			right = without(right, j)
		}
	}
}

func total(segments []Segment, gap int) (n int) {
	for _, s := range segments {
		n += length(s.Spans) + gap
	}
	return n
}

func length(spans []Span) (n int) {
	for _, s := range spans {
		n += Width(s.Text)
	}
	return n
}

// lowest finds the last of the segments with the lowest Keep; -1 of none.
func lowest(segments []Segment) int {
	at := -1
	for i, s := range segments {
		if at < 0 || s.Keep <= segments[at].Keep {
			at = i
		}
	}
	return at
}

func without(segments []Segment, i int) []Segment {
	return append(append([]Segment{}, segments[:i]...), segments[i+1:]...)
}

func join(segments []Segment, gap int) (spans []Span) {
	for i, s := range segments {
		if i > 0 {
			spans = append(spans, Span{Text: strings.Repeat(" ", gap)})
		}
		spans = append(spans, s.Spans...)
	}
	return spans
}
