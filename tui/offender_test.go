package tui

import (
	"strings"
	"testing"

	"example.com/nexusctl/protocol/api"
)

// TestOffenders names who has more series than a budget grants, whatever the name
// holds, and says nothing where nobody has.
func TestOffenders(t *testing.T) {
	data := overview(t)
	render := func(width int) string {
		t.Helper()
		text, err := Once(data, options(data), width)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if text := render(120); strings.Contains(text, "TOO MANY SERIES") {
		t.Errorf("there is no offender:\n%s", text)
	}
	data.Reasons, data.Alerts = nil, nil
	data.Offenders = []api.Offender{
		{Name: "http\x1b[2J.requests", Limit: "tag_values", TagKey: "user", Refused: 5000, Distinct: 4000,
			Sources: []api.SourceCount{{Listener: "tcp 127.0.0.1:8080", Address: "10.0.0.7", Count: 5000}}},
		{Name: "other", Limit: "name"},
	}
	text := render(160)
	for _, want := range []string{"TOO MANY SERIES http", "beyond tag_values, tag user, from 10.0.0.7 on tcp 127.0.0.1:8080", "(and 1 names more)"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if strings.ContainsRune(text, 0x1b) {
		t.Error("the name steers the terminal")
	}
	for _, width := range []int{40, 80} {
		for line := range strings.Lines(render(width)) {
			if !strings.Contains(line, "TOO MANY") {
				continue
			}
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > width {
				t.Errorf("a line of %d in %d: %q", n, width, line)
			}
		}
	}
}
