package report

import (
	"io"
	"strings"

	"example.com/nexusctl/slo"
)

// Markdown writes reports as Markdown with tables. Several begin with a table
// of all.
func Markdown(w io.Writer, reports ...slo.Report) error {
	var parts []string
	if len(reports) > 1 {
		parts = append(parts, "# Service level objectives\n\n"+overview(reports).markdown())
	}
	for _, r := range reports {
		parts = append(parts, section(r))
	}
	return write(w, strings.Join(parts, "\n"))
}

func section(r slo.Report) string {
	var b strings.Builder
	b.WriteString("## " + markdown(printable(r.Name)) + ", " + markdown(printable(r.Period.Label)) + "\n\n")
	head := facts(r)
	head.columns = []column{{"fact", left}, {"value", left}}
	if r.Description != "" {
		head.rows = append([][]string{{"description", r.Description}}, head.rows...)
	}
	b.WriteString(head.markdown())
	b.WriteString("\n### Budget\n\n" + budgetTable(r).markdown())
	if len(r.Days) > 0 {
		b.WriteString("\n### Days\n\n" + dayTable(r).markdown())
	}
	if len(r.Completeness.Days) > 0 {
		b.WriteString("\n### Days with missing data\n\n" + gapTable(r).markdown())
	}
	if len(r.History) > 0 {
		b.WriteString("\n### Months before\n\n" + historyTable(r).markdown())
	}
	return b.String()
}
