package page

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"example.com/nexusctl/protocol/api"
)

// Sort is the column that orders the series.
type Sort int

// The orders, in the turn of their key.
const (
	ByRate Sort = iota
	ByName
	ByType
	ByLast
	sorts
)

var sortNames = [sorts]string{"rate", "name", "type", "last"}

func (s Sort) String() string { return sortNames[s] }

// Next is the sort that the key turns to.
func (s Sort) Next() Sort { return (s + 1) % sorts }

// Descending reports whether the order begins with the greatest where it is
// not reversed: numbers do.
func (s Sort) Descending() bool { return s == ByRate || s == ByLast }

// ParseSort finds a sort by its name.
func ParseSort(name string) (Sort, bool) {
	i := slices.Index(sortNames[:], strings.ToLower(name))
	return Sort(max(i, 0)), i >= 0
}

// Sorts lists the names.
func Sorts() []string { return sortNames[:] }

// Take shows new data. The selected series stays selected wherever it moved,
// unless it is the first line: that one stays first.
func (v *View) Take(o api.Overview) {
	var selected *api.BusySeries
	if v.Cursor > 0 {
		selected = v.Selected()
	}
	v.Data = o
	v.terms = ledgerTerms(o.Ledger)
	v.objectives = worstFirst(o.SLOs)
	v.Arrange()
	if selected == nil {
		return
	}
	if i := slices.IndexFunc(v.series, func(i int) bool { return same(&o.Series[i], selected) }); i >= 0 {
		v.Cursor = i
	}
}

// Selected is the series under the cursor; nil where there is none.
func (v *View) Selected() *api.BusySeries {
	if v.Cursor < 0 || v.Cursor >= len(v.series) {
		return nil
	}
	return &v.Data.Series[v.series[v.Cursor]]
}

func same(a, b *api.BusySeries) bool {
	return a.Name == b.Name && a.Type == b.Type && maps.Equal(a.Tags, b.Tags)
}

// Arrange filters and sorts the series anew.
func (v *View) Arrange() {
	f := parseFilter(v.Filter)
	rows := make([]int, 0, len(v.Data.Series))
	for i := range v.Data.Series {
		if f.matches(&v.Data.Series[i]) {
			rows = append(rows, i)
		}
	}
	order := func(a, b int) int {
		c := v.compare(&v.Data.Series[a], &v.Data.Series[b])
		if c == 0 {
			c = cmp.Compare(a, b) // a total order: no jumping between refreshes
		}
		return c
	}
	if !slices.IsSortedFunc(rows, order) {
		slices.SortFunc(rows, order)
	}
	v.series = rows
}

func (v *View) compare(a, b *api.BusySeries) (c int) {
	switch v.Sort {
	case ByRate:
		c = cmp.Compare(a.Rate, b.Rate)
	case ByName:
		c = strings.Compare(a.Name, b.Name)
	case ByType:
		c = strings.Compare(a.Type, b.Type)
	default:
		c = compareLast(a.Last, b.Last)
	}
	if v.Descending() {
		return -c
	}
	return c
}

func compareLast(a, b *float64) int {
	if a == nil || b == nil {
		return cmp.Compare(present(a), present(b))
	}
	return cmp.Compare(*a, *b)
}

func present(v *float64) int {
	if v == nil {
		return 0
	}
	return 1
}

// Descending reports whether the table begins with the greatest.
func (v *View) Descending() bool { return v.Sort.Descending() != v.Reverse }

// filter is words that must all be in a series, or, after a "!", must not.
type filter []word

type word struct {
	text string
	not  bool
}

func parseFilter(s string) (f filter) {
	for _, field := range strings.Fields(strings.ToLower(s)) {
		text, not := strings.CutPrefix(field, "!")
		if text != "" {
			f = append(f, word{text, not})
		}
	}
	return f
}

func (f filter) matches(s *api.BusySeries) bool {
	for _, w := range f {
		if w.in(s) == w.not {
			return false
		}
	}
	return true
}

// in looks into the name, the type and the tags, as key:value.
func (w word) in(s *api.BusySeries) bool {
	if strings.Contains(strings.ToLower(s.Name), w.text) || strings.ToLower(s.Type) == w.text {
		return true
	}
	for k, value := range s.Tags {
		if strings.Contains(strings.ToLower(k+":"+value), w.text) {
			return true
		}
	}
	return false
}
