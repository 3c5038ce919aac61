package report

import (
	"io"
	"strings"

	"example.com/nexusctl/slo"
)

// columns is the width that text keeps to.
const columns = 80

const indent = "  "

// Text writes reports for a terminal, in lines of 80 columns at most, without
// colours. Several begin with a table of all.
func Text(w io.Writer, reports ...slo.Report) error {
	var parts []string
	if len(reports) > 1 {
		parts = append(parts, overview(reports).text(""))
	}
	for _, r := range reports {
		parts = append(parts, text(r))
	}
	return write(w, strings.Join(parts, "\n"))
}

func text(r slo.Report) string {
	var b strings.Builder
	title := clip(printable(r.Name), columns/2) + "  " + clip(printable(r.Period.Label), maxCell)
	b.WriteString(line(title) + strings.Repeat("=", width(title)) + "\n")
	b.WriteString(wrapped(printable(r.Description)))
	b.WriteString("\n" + factLines(r) + "\n")
	b.WriteString("Budget\n" + budgetTable(r).text(indent))
	if len(r.Days) > 0 {
		b.WriteString("\nBurn-down: what is left of the budget" + soFar(r) + " after each day\n" + burnDown(r))
	}
	if len(r.Completeness.Days) > 0 {
		b.WriteString("\nDays with missing data\n" + gapTable(r).text(indent))
	}
	if len(r.History) > 0 {
		b.WriteString("\nMonths before\n" + historyTable(r).text(indent))
	}
	return b.String()
}

// soFar names the basis of the days, where there is a choice.
func soFar(r slo.Report) string {
	if r.Budget.Basis == slo.ToDate {
		return " to date"
	}
	return ""
}

// factLines are not a table, whose cells are short: a fact may fill its line.
func factLines(r slo.Report) string {
	var b strings.Builder
	for _, f := range facts(r).rows {
		b.WriteString(line(indent + f[0] + strings.Repeat(" ", 11-width(f[0])) + printable(f[1])))
	}
	return b.String()
}

// burnDown is the table of days, with a bar in the columns that are left.
func burnDown(r slo.Report) string {
	lines := strings.Split(strings.TrimSuffix(dayTable(r).text(indent), "\n"), "\n")
	used := 0
	for _, l := range lines {
		used = max(used, width(l))
	}
	cells := min(columns-used-2, 30)
	if cells < 4 {
		return strings.Join(lines, "\n") + "\n"
	}
	for i, d := range r.Days {
		// The first line is the header.
		if drawn := bar(d.Cumulative, cells); drawn != "" {
			lines[i+1] += strings.Repeat(" ", used-width(lines[i+1])+2) + drawn
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// line is the text cut to the width, and ended.
func line(s string) string { return strings.TrimRight(clip(s, columns), " ") + "\n" }

// wrapped breaks a text between words.
func wrapped(s string) string {
	var b strings.Builder
	current := ""
	for _, word := range strings.Fields(s) {
		if current != "" && width(current)+1+width(word) > columns {
			b.WriteString(line(current))
			current = ""
		}
		if current != "" {
			current += " "
		}
		current += word
	}
	if current != "" {
		b.WriteString(line(current))
	}
	return b.String()
}
