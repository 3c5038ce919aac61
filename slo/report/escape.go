package report

import (
	"strconv"
	"strings"
	"unicode"
)

// printable shows what a terminal would obey: control characters, escape
// sequences, and the marks that turn the direction of text become \u escapes. A
// line break becomes a space.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n', r == '\r', r == '\t':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}

// special are the characters that Markdown gives a meaning within a line. Others
// have one at a line's beginning only, where no text from outside stands.
const special = "\\`*_[]#|~@$"

var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "://", "\\://")

// markdown makes a text stand for itself in Markdown, in a cell of a table too.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return entities.Replace(b.String())
}

// width is how many columns a text takes at most. Runes of the scripts that fill
// two begin at U+1100, and a few narrow ones among them are taken for wide, as
// combining marks are for letters: that costs alignment, where the other way
// round lines would break.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r >= 0x1100 && (r < 0x2000 || r >= 0x2E80) {
		return 2
	}
	return 1
}

// clip shortens a text to so many columns.
func clip(s string, most int) string {
	if width(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}
