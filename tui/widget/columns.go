package widget

// Column is one column of a table. Where not all fit, those with the lowest
// Keep go first; what is left over is shared among those that Grow.
type Column struct {
	Head  string
	Width int // at least
	Grow  int // share of what is left over
	Max   int // at most; 0 is no limit
	Keep  int
	Right bool
}

// Gap is the cells between two columns.
const Gap = 2

// Columns returns the width of each column in w cells; 0 is not shown.
func Columns(columns []Column, w int) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = c.Width
	}
	for taken(widths) > w {
		at := -1
		for i, c := range columns {
			if widths[i] > 0 && (at < 0 || c.Keep < columns[at].Keep) {
				at = i
			}
		}
		if at < 0 {
			return widths
		}
		widths[at] = 0
	}
	share(columns, widths, w-taken(widths))
	return widths
}

func taken(widths []int) (n int) {
	for _, w := range widths {
		if w > 0 {
			n += w + Gap
		}
	}
	return max(n-Gap, 0)
}

// share deals out the left over cells one by one, to the column that has got
// the least for its share: the table is small, and no cell is lost to
// rounding.
func share(columns []Column, widths []int, left int) {
	for ; left > 0; left-- {
		at, least := -1, 0.0
		for i, c := range columns {
			if widths[i] == 0 || c.Grow == 0 || c.Max > 0 && widths[i] >= c.Max {
				continue
			}
			if got := float64(widths[i]-c.Width) / float64(c.Grow); at < 0 || got < least {
				at, least = i, got
			}
		}
		if at < 0 {
			return
		}
		widths[at]++
	}
}

// Cells draws one row of a table: cell gives the spans of column i in w cells.
func Cells(widths []int, cell func(i, w int) []Span) (spans []Span) {
	for i, w := range widths {
		if w == 0 {
			continue
		}
		if len(spans) > 0 {
			spans = append(spans, Span{Text: "  "})
		}
		spans = append(spans, cell(i, w)...)
	}
	return spans
}

// Align fits a text into a column.
func (c Column) Align(s string, w int) string {
	if c.Right {
		return FitRight(s, w)
	}
	return Fit(s, w)
}
