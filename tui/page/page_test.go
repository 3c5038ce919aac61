package page

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol/api"
)

// TestAreasTile: the panels cover the body, cell by cell, each once. Render
// joins lines from left to right and relies on it.
func TestAreasTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(MinWidth, 250).Draw(t, "w"), rapid.IntRange(MinHeight-4, 100).Draw(t, "h")
		v := View{Zoom: rapid.Bool().Draw(t, "zoom")}
		v.Take(api.Overview{
			SLOs:    make([]api.SLO, rapid.IntRange(0, 30).Draw(t, "slos")),
			Alerts:  make([]api.Alert, rapid.IntRange(0, 9).Draw(t, "alerts")),
			Reasons: make([]api.Reason, rapid.IntRange(0, 2).Draw(t, "reasons")),
		})
		at := make([]int, h) // how far each line is covered
		for _, a := range v.areas(w, h) {
			if a.w <= 0 || a.h <= 0 {
				t.Fatalf("%v has no place: %+v", a.panel, a)
			}
			for y := a.y; y < a.y+a.h; y++ {
				if y >= h || at[y] != a.x {
					t.Fatalf("%v leaves a gap or overlaps: %+v on %dx%d", a.panel, a, w, h)
				}
				at[y] += a.w
			}
		}
		for y, end := range at {
			if end != w {
				t.Fatalf("line %d ends at %d of %d", y, end, w)
			}
		}
	})
}

func f(v float64) *float64 { return &v }

var some4 = []api.BusySeries{
	{Name: "b", Type: "gauge", Rate: 3, Last: nil, Tags: map[string]string{"env": "prod"}},
	{Name: "a", Type: "timer", Rate: 9, Last: f(-5)},
	{Name: "d", Type: "counter", Rate: 1, Last: f(70), Tags: map[string]string{"env": "Test"}},
	{Name: "c", Type: "counter", Rate: 9, Last: f(7)},
}

func names(v View) (out []string) {
	for _, i := range v.series {
		out = append(out, v.Data.Series[i].Name)
	}
	return out
}

func TestSorts(t *testing.T) {
	for _, c := range []struct {
		sort    Sort
		reverse bool
		want    []string
	}{
		{ByRate, false, []string{"a", "c", "b", "d"}},
		{ByRate, true, []string{"d", "b", "a", "c"}},
		{ByName, false, []string{"a", "b", "c", "d"}},
		{ByName, true, []string{"d", "c", "b", "a"}},
		{ByType, false, []string{"d", "c", "b", "a"}},
		{ByLast, false, []string{"d", "c", "a", "b"}},
		{ByLast, true, []string{"b", "a", "c", "d"}},
	} {
		v := View{Sort: c.sort, Reverse: c.reverse}
		v.Take(api.Overview{Series: some4})
		if got := names(v); !slices.Equal(got, c.want) {
			t.Errorf("by %s, reversed %v: %v, want %v", c.sort, c.reverse, got, c.want)
		}
	}
}

func TestFilters(t *testing.T) {
	for filter, want := range map[string][]string{
		"":           {"a", "c", "b", "d"},
		"env:":       {"b", "d"},
		"ENV:test":   {"d"},
		"counter":    {"c", "d"},
		"!counter":   {"a", "b"},
		"counter !c": {"d"}, // of the type, a whole word counts
		"a !env":     {"a"},
		"!":          {"a", "c", "b", "d"},
	} {
		v := View{Filter: filter}
		v.Take(api.Overview{Series: some4})
		if got := names(v); !slices.Equal(got, want) {
			t.Errorf("/%s: %v, want %v", filter, got, want)
		}
	}
}

func TestWorstFirst(t *testing.T) {
	slos := []api.SLO{
		{Name: "fine", State: "met", BudgetRemaining: 0.9}, {Name: "unknown", State: "no_data"},
		{Name: "tight", State: "met", BudgetRemaining: 0.1}, {Name: "broken", State: "breached", BudgetRemaining: -2},
	}
	if got := worstFirst(slos); !slices.Equal(got, []int{3, 2, 0, 1}) {
		t.Errorf("the order is %v", got)
	}
}

func TestBurnLevels(t *testing.T) {
	for rate, want := range map[float64]string{0.99: "0.99 ", 1: "1▲", 14.39: "14.4▲", 14.4: "14.4✗", 1e6: ">999✗"} {
		if got, _ := burnText([]api.Burn{{Window: "1h", Rate: rate}}, "1h"); got != want {
			t.Errorf("a burn rate of %v is drawn as %s, want %s", rate, got, want)
		}
	}
	if got, _ := burnText(nil, "1h"); got != "– " {
		t.Errorf("no burn rate is drawn as %s", got)
	}
}
