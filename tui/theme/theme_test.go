package theme

import (
	"regexp"
	"strings"
	"testing"

	"github.com/muesli/termenv"
)

func TestNames(t *testing.T) {
	if names := Names(); names[0] != Default {
		t.Errorf("the first of %v is not the default", names)
	}
	for _, name := range Names() {
		if th, ok := Find(name, termenv.TrueColor); !ok || th.Name != name {
			t.Errorf("theme %q is not found", name)
		}
	}
	if _, ok := Find("no such", termenv.Ascii); ok {
		t.Error("a theme is found that does not exist")
	}
}

// TestMonoHasNoColour: it is what NO_COLOR gets.
func TestMonoHasNoColour(t *testing.T) {
	colour := regexp.MustCompile(`\x1b\[[0-9;]*\b(3[0-8]|4[0-8]|9[0-7])\b`)
	th, _ := Find(Mono, termenv.TrueColor)
	for _, s := range []Style{th.Good, th.Warn, th.Bad, th.Alarm, th.Selected, th.Brand, th.Key, th.Trend, th.Focus, th.Note, th.Sort, th.Border} {
		if got := s.Render("x"); colour.MatchString(got) {
			t.Errorf("mono paints %q", got)
		}
	}
}

func TestAsciiHasNoEscape(t *testing.T) {
	for _, name := range Names() {
		th, _ := Find(name, termenv.Ascii)
		for _, s := range []Style{th.Bad, th.Alarm, th.Selected, th.Dim, th.Strong} {
			if got := s.Render("x"); strings.ContainsRune(got, 0x1b) {
				t.Errorf("%s writes %q without a terminal", name, got)
			}
		}
	}
}
