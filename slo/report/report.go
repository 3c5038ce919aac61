// Package report renders reports on objectives, as text for a terminal and as
// Markdown.
//
// A report may have come over a network, so no string of it is trusted: control
// characters, Markdown and HTML in names are shown, not obeyed. Nothing is
// computed here but how a number looks; the verdicts are the report's own.
package report

import (
	"fmt"
	"io"
	"time"

	"example.com/nexusctl/slo"
)

// facts are the lines at a report's head.
func facts(r slo.Report) table {
	t := table{columns: []column{{"", left}, {"", left}}}
	t.add("period", period(r.Period))
	if !r.Period.Complete {
		t.add("judged", "up to "+local(r.Period.AsOf, r.Period.TimeZone)+"; the period is not over")
	}
	t.add("target", r.Target.String()+" %")
	t.add("SLI", verdict(r.Compliance))
	e := r.Compliance.Events
	t.add("events", amount(e.Total)+" in all, "+amount(e.Good)+" good, "+amount(e.Bad)+" bad")
	if a := anomaly(r); a != "" {
		t.add("anomaly", a)
	}
	if r.WorstDay != "" {
		t.add("worst day", r.WorstDay)
	}
	t.add("data", recorded(r.Completeness))
	return t
}

// anomaly tells of good events that the total lacks: of the whole period, or
// else of days between which they even out.
func anomaly(r slo.Report) string {
	if excess := r.Compliance.Events.Excess; !excess.IsZero() {
		return "good events exceed the total by " + amount(excess)
	}
	n := 0
	for _, d := range r.Days {
		if d.Events.DataQuality == slo.GoodExceedsTotal {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("good events exceed the total on some days: %d", n)
}

func verdict(c slo.Compliance) string {
	if c.SLIPrinted == "" {
		return "none, there were no events"
	}
	return c.SLIPrinted + " %, " + string(c.State)
}

func recorded(c slo.CompletenessLog) string {
	if len(c.Days) == 0 {
		return "complete"
	}
	return sided(100*c.Fraction, 100) + " % of the time recorded, " + missing(c.MissingSeconds) + " missing"
}

func period(p slo.PeriodView) string {
	return fmt.Sprintf("%s to %s, %s, %s h", local(p.Start, p.TimeZone), local(p.End, p.TimeZone), p.TimeZone, short(p.Hours))
}

// local shows a time on the clocks of the report's zone, or of UTC where this
// machine does not know the zone.
func local(t time.Time, zone string) string {
	location, err := slo.ParseZone(zone)
	if err != nil {
		return t.UTC().Format("2006-01-02 15:04Z")
	}
	return t.In(location).Format("2006-01-02 15:04")
}

var basisNames = map[slo.Basis]string{
	slo.WholePeriod: "period", slo.ToDate: "to date", slo.Projected: "projected",
}

func budgetTable(r slo.Report) table {
	t := table{columns: []column{
		{"basis", left}, {"unit", left}, {"total", right}, {"consumed", right}, {"remaining", right}, {"used %", right},
	}}
	budgets := []slo.BudgetView{r.Budget}
	if r.Projected != nil {
		budgets = append(budgets, *r.Projected)
	}
	for _, b := range budgets {
		basis := basisNames[b.Basis]
		t.add(basis, "events", amount(b.Events.Total), amount(b.Events.Consumed), amount(b.Events.Remaining), used(b.ConsumedFraction))
		t.add(basis, "minutes", fixed(b.Minutes.Total), fixed(b.Minutes.Consumed), fixed(b.Minutes.Remaining), used(b.ConsumedFraction))
	}
	return t
}

func dayTable(r slo.Report) table {
	t := table{columns: []column{
		{"day", left}, {"events", right}, {"bad", right}, {"SLI %", right}, {"burn", right}, {"left %", right},
	}}
	for _, d := range r.Days {
		t.add(date(d), amount(d.Events.Total), amount(d.Events.Bad), orDash(d.SLIPrinted), optional(d.BurnRate), remaining(d.Cumulative))
	}
	return t
}

// date marks a day that has not 24 hours.
func date(d slo.DayView) string {
	if d.Hours == 24 {
		return d.Date
	}
	return d.Date + " " + short(d.Hours) + "h"
}

func gapTable(r slo.Report) table {
	t := table{columns: []column{{"day", left}, {"recorded %", right}, {"missing", right}}}
	for _, d := range r.Completeness.Days {
		t.add(d.Date, sided(100*d.Fraction, 100), missing(d.MissingSeconds))
	}
	return t
}

func historyTable(r slo.Report) table {
	t := table{columns: []column{
		{"month", left}, {"verdict", left}, {"SLI %", right}, {"events", right}, {"bad", right}, {"used %", right}, {"data %", right},
	}}
	for _, m := range r.History {
		t.add(m.Label, string(m.State), orDash(m.SLIPrinted), amount(m.Events.Total), amount(m.Events.Bad), used(m.ConsumedFraction), sided(100*m.Completeness, 100))
	}
	return t
}

// overview is the table before several reports.
func overview(reports []slo.Report) table {
	t := table{columns: []column{
		{"objective", left}, {"period", left}, {"target", right}, {"SLI %", right}, {"verdict", left}, {"used %", right},
	}}
	for _, r := range reports {
		t.add(r.Name, r.Period.Label, r.Target.String(), orDash(r.Compliance.SLIPrinted), string(r.Compliance.State), used(r.Budget.ConsumedFraction))
	}
	return t
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
