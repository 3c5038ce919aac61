package tui

import (
	"strings"
	"testing"
)

// TestViews holds what users see, at the sizes that users have.
func TestViews(t *testing.T) {
	for _, c := range []struct {
		name string
		w, h int
		keys string
	}{
		{"120x40", 120, 40, ""},
		{"80x24", 80, 24, ""},
		{"40x12", 40, 12, ""},
		{"200x60", 200, 60, ""},
		{"80x40", 80, 40, ""},
		{"50x60", 50, 60, ""},
		{"39x11", 39, 11, ""},
		{"zoom-golden-100x30", 100, 30, "1z"},
		{"zoom-golden-40x12", 40, 12, "1z"},
		{"zoom-objectives-160x20", 160, 20, "2z"},
		{"zoom-series-100x30", 100, 30, "jjjjjjjjjjz"},
		{"zoom-ledger-80x24", 80, 24, "4z"},
		{"zoom-alerts-80x24", 80, 24, "5"},
		{"help-80x24", 80, 24, "?"},
		{"filter-80x24", 80, 24, "/prod !http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := model(t, options(overview(t)), c.w, c.h)
			golden(t, c.name, press(m, c.keys).View())
		})
	}
}

func TestOnce(t *testing.T) {
	for _, w := range []int{40, 80, 100} {
		text, err := Once(overview(t), options(overview(t)), w)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(text, 0x1b) {
			t.Error("text holds an escape")
		}
		golden(t, "once-"+map[int]string{40: "40", 80: "80", 100: "100"}[w], strings.TrimSuffix(text, "\n"))
	}
}
