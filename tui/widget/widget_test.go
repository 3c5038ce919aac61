package widget

import (
	"math"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"example.com/nexusctl/tui/theme"
)

// hostile makes strings that terminals choke on.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune(
		"ab \x1b[]0;m\x07\x00\x7f\u009b\n\t\u202e\u2066\u200d\u200b\u00ad\ufeff\ufe0f\u0301\u0302\u0488宽한ᄒ\u1161\u11abक\u094dषि👩👧🏽🇩🇪❤\u2028\U000e0041ำ"))),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
}

// TestSafe holds that terminals and we agree on the width of what is drawn,
// whichever way they count, and that nothing in it steers one.
func TestSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := hostile().Draw(t, "in")
		s := Safe(in)
		for _, r := range s {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r) {
				t.Fatalf("%q is drawn as %q: %U", in, s, r)
			}
		}
		if a, b, c := ansi.StringWidth(s), ansi.StringWidthWc(s), Width(in); a != b || a != c {
			t.Fatalf("%q is %d cells by clusters, %d by runes, %d by us", s, a, b, c)
		}
		if again := Safe(s); again != s {
			t.Fatalf("%q is escaped twice: %q", s, again)
		}
	})
}

func TestSafeExamples(t *testing.T) {
	for in, want := range map[string]string{
		"http.requests":         "http.requests",
		"\x1b[2J":               `\x1b[2J`,
		"a\u202eb":              `a\u202eb`,
		"a\xffb":                `a\xffb`,
		"e\u0301":               "e\u0301",
		"z\u0301\u0302\u0303":   `z\u0301\u0302\u0303`,
		"宽":                     "宽",
		"👩\u200d👧":              `👩\u200d👧`,
		"🇩🇪":                    `\U0001f1e9\U0001f1ea`,
		"\u0301a":               `\u0301a`,
		"tab\there\nand\x7fdel": `tab\x09here\x0aand\x7fdel`,
	} {
		if got := Safe(in); got != want {
			t.Errorf("Safe(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, w := hostile().Draw(t, "s"), rapid.IntRange(0, 40).Draw(t, "w")
		for _, got := range []string{Fit(s, w), FitRight(s, w), Row(w, Span{Text: s}, Span{Text: s}),
			Ends(w, 2, []Segment{{Keep: 1, Spans: []Span{{Text: s}}}, {Keep: 2, Spans: []Span{{Text: "x"}}}}, []Segment{{Spans: []Span{{Text: s}}}})} {
			if n := ansi.StringWidth(got); n != w {
				t.Fatalf("%q is %d cells, not %d", got, n, w)
			}
		}
		for _, line := range Wrap(s, max(w, 1), 3) {
			if n := ansi.StringWidth(line); n > max(w, 1) {
				t.Fatalf("%q is %d cells, more than %d", line, n, w)
			}
		}
	})
}

// TestFitReadsLittle: a name of megabytes costs no more than what is shown.
func TestFitReadsLittle(t *testing.T) {
	huge := strings.Repeat("\u0301", 1<<22)
	if n := testing.AllocsPerRun(3, func() { Fit(huge, 20) }); n > 200 {
		t.Errorf("%v allocations to show 20 cells", n)
	}
}

func TestBoxIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(0, 60).Draw(t, "w"), rapid.IntRange(0, 8).Draw(t, "h")
		s := hostile().Draw(t, "s")
		f := Frame{Title: []Span{{Text: s}}, Note: []Span{{Text: s}}, Foot: s}
		lines := Box(f, w, h, []string{Row(Inner(w), Span{Text: s})})
		if len(lines) != h {
			t.Fatalf("%d lines, not %d", len(lines), h)
		}
		for _, line := range lines {
			if n := ansi.StringWidth(line); n != w {
				t.Fatalf("%q is %d cells, not %d", line, n, w)
			}
		}
	})
}

func TestColumns(t *testing.T) {
	columns := []Column{{Width: 10, Grow: 2, Keep: 9}, {Width: 5, Keep: 1}, {Width: 8, Grow: 1, Max: 12, Keep: 5}}
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(0, 100).Draw(t, "w")
		widths := Columns(columns, w)
		if taken(widths) > max(w, 0) {
			t.Fatalf("%v takes more than %d", widths, w)
		}
		for i, c := range columns {
			if widths[i] != 0 && widths[i] < c.Width || c.Max > 0 && widths[i] > c.Max {
				t.Fatalf("column %d is %d wide", i, widths[i])
			}
		}
	})
	if got := Columns(columns, 20); got[0] != 10 || got[1] != 0 || got[2] != 8 {
		t.Errorf("in 20 cells: %v", got)
	}
}

func TestSpark(t *testing.T) {
	for _, c := range []struct {
		values []float64
		w      int
		want   string
	}{
		{nil, 3, "   "},
		{[]float64{0, 0, 0}, 3, "▁▁▁"},
		{[]float64{0, 1e-9, 1}, 3, "▁▂█"},
		{[]float64{1, 2}, 4, "  ▅█"},
		{[]float64{0, 0, 0, 9, 0, 0}, 3, "▁█▁"}, // the peak stays
		{[]float64{-1, 0, 1}, 3, "▁▅█"},
		{[]float64{math.NaN(), math.Inf(1), 1}, 3, " ██"},
		{[]float64{-math.MaxFloat64, math.MaxFloat64}, 2, "▁█"},
	} {
		if got := Spark(c.values, c.w, 0); got != c.want {
			t.Errorf("Spark(%v) = %q, want %q", c.values, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Float64()).Draw(t, "values")
		w, h := rapid.IntRange(0, 50).Draw(t, "w"), rapid.IntRange(1, 5).Draw(t, "h")
		for _, line := range Area(values, w, h, 0) {
			if n := ansi.StringWidth(line); n != w {
				t.Fatalf("%q is %d cells, not %d", line, n, w)
			}
		}
	})
}

func TestGauge(t *testing.T) {
	for share, want := range map[float64]string{-1: "░░░░", 0: "░░░░", 0.001: "█░░░", 0.5: "██░░", 0.999: "███░", 1: "████", 7: "████"} {
		used, rest := Gauge(share, 4)
		if used+rest != want {
			t.Errorf("Gauge(%v) = %s, want %s", share, used+rest, want)
		}
	}
	if used, rest := Gauge(math.NaN(), 2); used+rest != "░░" {
		t.Error("a gauge of nothing is not empty")
	}
}

func TestHuman(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(0.5): "0.5", Count(0.001): "<0.01", Count(999): "999", Count(999.6): "1k", Count(1234): "1.23k",
		Count(-1234567): "-1.23M", Count(1e30): "1e+12E", Count(math.NaN()): "–", Count(math.Inf(-1)): "-∞",
		Rate(1.2e6): "1.2M/s", Bytes(0): "0 B", Bytes(1536): "1.5 KiB", Bytes(1 << 40): "1 TiB",
		Millis(0.21): "210 µs", Millis(43.2): "43 ms", Millis(1.24): "1.2 ms", Millis(999.9): "1 s", Millis(125000): "2m5s", Millis(-1): "–",
		Age(5.9): "5s", Age(65): "1m5s", Age(3600): "1h", Age(275890): "3d4h", Age(1e12): ">100y", Age(-1): "–",
		Percent(0): "0%", Percent(0.00001): "<0.01%", Percent(0.0021): "0.21%", Percent(0.43): "43%", Percent(0.99999): "99.99%", Percent(1): "100%",
		Percent(-0.38): "-38%", Exact(0): "0", Exact(1234567): "1,234,567", Exact(math.MaxUint64): "18,446,744,073,709,551,615",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestUnitsAreNarrow: no figure, whatever it is, breaks its column.
func TestUnitsAreNarrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "v")
		for name, s := range map[string]string{"count": Count(v), "bytes": Bytes(v), "millis": Millis(v), "age": Age(v), "percent": Percent(v)} {
			if Width(s) > 12 {
				t.Fatalf("%s of %v is %q", name, v, s)
			}
		}
	})
}

func TestListDrawsWhatIsSeen(t *testing.T) {
	drawn := 0
	l := List{Head: []string{"head"}, Total: 1e6, Line: func(int) string { drawn++; return "line" }}
	if n := len(l.Window(500_000, 10)); n != 10 || drawn != 9 {
		t.Errorf("%d lines, %d drawn", n, drawn)
	}
	if n := len(l.Window(1<<40, 0)); n != 0 {
		t.Errorf("%d lines in none", n)
	}
	if got := Follow(0, 12, 5, 100); got != 8 {
		t.Errorf("the cursor at 12 is followed to %d", got)
	}
	if got := Follow(50, 12, 5, 100); got != 12 {
		t.Errorf("the cursor at 12 is followed to %d", got)
	}
}

func TestRowCutsAcrossSpans(t *testing.T) {
	th, _ := theme.Find(theme.Default, 0)
	got := Row(6, Span{"ab", th.Bad}, Span{"cdefgh", th.Good})
	if ansi.Strip(got) != "abcde…" {
		t.Errorf("got %q", got)
	}
}
