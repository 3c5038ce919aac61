// Package unicodename judges metric names beyond ASCII, where a daemon is set to
// take them. Two names that look alike must be one name or be told apart: so only
// letters, marks and digits in their composed form (NFC) are legal, nothing that
// is not seen or turns the direction of what follows, and a name that mixes
// scripts as no language does can be pointed out.
package unicodename

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Rules is what protocol.Limits.Names takes.
type Rules struct{}

// Rune reports a character beyond ASCII that a name may have: a letter, a digit,
// or a mark on what stands before it.
func (Rules) Rune(r rune, first bool) bool {
	if first {
		return unicode.IsLetter(r)
	}
	return unicode.In(r, unicode.Letter, unicode.Mark, unicode.Nd)
}

// Normal reports a name in its composed form.
func (Rules) Normal(name []byte) bool { return norm.NFC.IsNormal(name) }

// families are scripts that are written together, Latin with any of them.
var families = [][]*unicode.RangeTable{
	{unicode.Latin, unicode.Han, unicode.Hiragana, unicode.Katakana},
	{unicode.Latin, unicode.Han, unicode.Hangul},
	{unicode.Latin, unicode.Han, unicode.Bopomofo},
}

// Mixed reports a name of which one part, between ASCII's punctuation, has letters
// of scripts that are not written together: "pаy", whose second letter is
// Cyrillic, can be taken for a word that it is not.
func Mixed(name []byte) bool {
	for len(name) > 0 {
		end := bytes.IndexAny(name, "._:/-")
		if end < 0 {
			end = len(name)
		}
		if mixedPart(name[:end]) {
			return true
		}
		name = name[min(end+1, len(name)):]
	}
	return false
}

func mixedPart(part []byte) bool {
	var seen []*unicode.RangeTable
	for len(part) > 0 {
		r, size := utf8.DecodeRune(part)
		part = part[size:]
		if !unicode.IsLetter(r) || len(seen) > 0 && unicode.In(r, seen...) {
			continue
		}
		if s := script(r); s != nil {
			if seen = append(seen, s); len(seen) > 1 && !together(seen) {
				return true
			}
		}
	}
	return false
}

// script returns the script of a letter, nil for those that all scripts share.
func script(r rune) *unicode.RangeTable {
	if unicode.In(r, unicode.Common, unicode.Inherited) {
		return nil
	}
	for _, s := range unicode.Scripts {
		if unicode.Is(s, r) {
			return s
		}
	}
	return nil
}

func together(scripts []*unicode.RangeTable) bool {
	for _, family := range families {
		all := true
		for _, s := range scripts {
			found := false
			for _, f := range family {
				found = found || s == f
			}
			all = all && found
		}
		if all {
			return true
		}
	}
	return false
}
