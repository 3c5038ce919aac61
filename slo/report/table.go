package report

import "strings"

type alignment bool

const (
	left  alignment = false
	right alignment = true
)

type column struct {
	title string
	align alignment
}

type table struct {
	columns []column
	rows    [][]string
}

// add appends a row, with a cell for each column.
func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// maxCell bounds what one cell of a column may take from the others.
const maxCell = 26

// text draws the table with two spaces between columns.
func (t table) text(indent string) string {
	rows := t.drawn(func(s string) string { return clip(printable(s), maxCell) })
	widths := widest(rows)
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(line(indent + strings.Join(t.padded(row, widths), "  ")))
	}
	return b.String()
}

// markdown draws the table with its columns aligned in the source too.
func (t table) markdown() string {
	rows := t.drawn(func(s string) string { return markdown(printable(s)) })
	widths := widest(rows)
	rule := make([]string, len(widths))
	for i, w := range widths {
		widths[i] = max(w, 3)
		rule[i] = strings.Repeat("-", widths[i])
		if t.columns[i].align == right {
			rule[i] = rule[i][1:] + ":"
		}
	}
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(t.padded(row, widths), " | ") + " |\n")
		if i == 0 {
			b.WriteString("| " + strings.Join(rule, " | ") + " |\n")
		}
	}
	return b.String()
}

// drawn is the title row and all others, each cell made safe.
func (t table) drawn(safe func(string) string) [][]string {
	titles := make([]string, len(t.columns))
	for i, c := range t.columns {
		titles[i] = c.title
	}
	rows := [][]string{titles}
	for _, r := range t.rows {
		cells := make([]string, len(t.columns))
		for i := range cells {
			cells[i] = safe(r[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

func widest(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(cell))
		}
	}
	return widths
}

func (t table) padded(row []string, widths []int) []string {
	padded := make([]string, len(row))
	for i, cell := range row {
		space := strings.Repeat(" ", widths[i]-width(cell))
		if t.columns[i].align == right {
			padded[i] = space + cell
		} else {
			padded[i] = cell + space
		}
	}
	return padded
}
