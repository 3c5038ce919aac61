// Package widget is what pages are drawn of: functions from values and a width
// to lines of exactly that width. They keep no state and know no daemon.
//
// Every text passes Fit or Row on its way to the screen, and both escape what
// could steer a terminal, so that no name, however hostile, draws more than
// itself.
package widget

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

const cut = "…"

// Safe escapes what is not plainly visible: control characters, escapes,
// changes of direction, invalid bytes, and clusters that terminals disagree on
// the width of.
func Safe(s string) string {
	text, _, _ := measure(s, len(s)*len(`\U0010ffff`))
	return text
}

// Fit returns s, escaped, as exactly w cells: cut with an ellipsis or padded.
func Fit(s string, w int) string {
	text, used := fit(s, w)
	return text + strings.Repeat(" ", max(w, 0)-used)
}

// FitRight is Fit with the padding at the left.
func FitRight(s string, w int) string {
	text, used := fit(s, w)
	return strings.Repeat(" ", max(w, 0)-used) + text
}

// Wrap breaks s, escaped, into n lines of w cells at most; what is left over
// is cut.
func Wrap(s string, w, n int) (lines []string) {
	text := Safe(s[:min(len(s), 32*(w+1)*max(n, 1))])
	for len(lines) < n && text != "" {
		head, _, whole := measure(text, w)
		if !whole && len(lines) == n-1 || head == "" {
			return append(lines, Fit(text, w))
		}
		lines, text = append(lines, head), text[len(head):]
	}
	return lines
}

// Width is the cells that s takes, escaped.
func Width(s string) int {
	_, used, _ := measure(s, len(s)*len(`\U0010ffff`))
	return used
}

func fit(s string, w int) (text string, used int) {
	if w <= 0 {
		return "", 0
	}
	text, used, whole := measure(s, w)
	if whole {
		return text, used
	}
	text, used, _ = measure(s, w-1)
	return text + cut, used + 1
}

// measure escapes as much of s as fits into w cells. It reads no more of s
// than could fit: a shown cluster is three runes at most, and takes a cell.
func measure(s string, w int) (text string, used int, whole bool) {
	if limit := 32 * (w + 1); len(s) > limit {
		s = s[:limit]
	}
	if n := plain(s); n == len(s) && n <= w {
		return s, n, true
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		piece, n, width := next(s[i:])
		if used+width > w {
			return b.String(), used, false
		}
		b.WriteString(piece)
		used, i = used+width, i+n
	}
	return b.String(), used, true
}

// plain counts the printable ASCII that s begins with.
func plain(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return i
		}
	}
	return len(s)
}

// next returns how the first cluster of s is shown, its bytes and its cells.
func next(s string) (piece string, n, width int) {
	if plain(s[:min(2, len(s))]) == min(2, len(s)) {
		return s[:1], 1, 1 // no mark can follow
	}
	if r, n := utf8.DecodeRuneInString(s); r >= '─' && r <= '▟' && alone(s[n:]) {
		return s[:n], n, 1 // what charts and frames are drawn of
	}
	cluster, width := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	if len(cluster) > 0 && settled(cluster, width) {
		return cluster, len(cluster), width
	}
	r, n := utf8.DecodeRuneInString(s)
	if alone := ansi.StringWidth(s[:n]); settled(s[:n], alone) {
		return s[:n], n, alone // what is heaped on it is escaped next
	}
	piece = escape(r, s[0], n)
	return piece, n, len(piece)
}

// alone reports whether nothing that s begins with can join what is before it.
func alone(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s == "" || r < 0x80 || r >= '─' && r <= '▟'
}

// joiners are visible by themselves, and join with their like: jamo, the
// letters of flags, the tones of skin.
var joiners = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x1100, Hi: 0x11FF, Stride: 1}, {Lo: 0xA960, Hi: 0xA97F, Stride: 1}, {Lo: 0xD7B0, Hi: 0xD7FF, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x1F1E6, Hi: 0x1F1FF, Stride: 1}, {Lo: 0x1F3FB, Hi: 0x1F3FF, Stride: 1}},
}

// settled reports whether every terminal draws the cluster, and as wide as we
// count: a visible rune with two marks at most. Joined emoji, flags, variants
// and jamo are not.
func settled(cluster string, width int) bool {
	marks := 0
	for i, r := range cluster {
		switch {
		case r == utf8.RuneError, !unicode.IsPrint(r), unicode.Is(joiners, r):
			return false
		case i == 0:
		case !unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Variation_Selector, r):
			return false
		default:
			marks++
		}
	}
	return marks <= 2 && width > 0 && width == ansi.StringWidthWc(cluster) && apart(cluster)
}

// apart reports whether a cluster stays itself wherever it is put: it joins
// neither what is before it nor what comes after.
func apart(cluster string) bool {
	after, _ := ansi.FirstGraphemeCluster("a"+cluster, ansi.GraphemeWidth)
	before, _ := ansi.FirstGraphemeCluster(cluster+"a", ansi.GraphemeWidth)
	return len(after) == 1 && len(before) == len(cluster)
}

func escape(r rune, first byte, n int) string {
	switch {
	case r == utf8.RuneError && n == 1, r < 0x80:
		return fmt.Sprintf(`\x%02x`, first)
	case r <= 0xFFFF:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}
