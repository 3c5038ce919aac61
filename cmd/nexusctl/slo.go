package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/slo"
	"example.com/nexusctl/slo/report"
)

func sloCommand() *cli.Command {
	return &cli.Command{
		Name:  "slo",
		Usage: "service level objectives: how they stand, and the month's report",
		Description: `Two objectives about the daemon itself ship; yours stand in nexus.toml as
sections [[slo]], which docs/slo.md describes.

Examples:
   nexusctl slo list
   nexusctl slo status nexus-availability
   nexusctl slo report --month 2026-10
   nexusctl slo report checkout --month 2026-10 --format md > october.md`,
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the objectives and how they stand",
				Description: "Examples:\n   nexusctl slo list\n   nexusctl slo list -o json",
				Flags:       []cli.Flag{serverFlag(), outputFlag()}, Action: asking(sloList),
			},
			{
				Name: "status", Usage: "evaluate objectives now, or one", ArgsUsage: "[NAME]",
				Description: "Examples:\n   nexusctl slo status\n   nexusctl slo status nexus-latency -o yaml",
				Flags:       []cli.Flag{serverFlag(), outputFlag()}, Action: asking(sloStatus),
			},
			{
				Name: "report", Usage: "write the report of a month", ArgsUsage: "[NAME…]",
				Description: `Without names every objective is reported. The months are those of each
objective's time zone; without --month it is the current one.

Examples:
   nexusctl slo report --month 2026-10
   nexusctl slo report checkout --month 2026-10 --format md`,
				Flags: []cli.Flag{
					serverFlag(),
					&cli.StringFlag{Name: "month", Usage: "the `MONTH`, as 2026-10"},
					&cli.StringFlag{Name: "format", Usage: "`FORMAT`: text, md or json", Value: "text"},
				},
				Action: sloReport,
			},
		},
	}
}

func sloList(ctx context.Context, _ *cli.Context, h *client.HTTP) (answer, error) {
	list, err := h.SLOs(ctx)
	t := &table{head: []string{"NAME", "TARGET", "WINDOW", "SLI", "STATE", "BUDGET LEFT", "BURN 1H", "DATA"}}
	for _, s := range list.Data {
		t.add(s.Name, s.Target+" %", s.Window, percentOr(s.SLI), s.State, share(s.BudgetRemaining), burnOf(s, "1h"), share(s.Completeness))
	}
	return answer{data: list, table: t}, err
}

func percentOr(s string) string {
	if s == "" {
		return "no data"
	}
	return s + " %"
}

func share(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + " %" }

func burnOf(s api.SLO, window string) string {
	for _, b := range s.Burn {
		if b.Window == window && b.Total > 0 {
			return strconv.FormatFloat(b.Rate, 'f', 2, 64)
		}
	}
	return "-"
}

func sloStatus(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error) {
	names, err := objectives(ctx, h, c.Args().Slice())
	if err != nil {
		return answer{}, err
	}
	list := make([]slo.Summary, len(names))
	t := &table{head: []string{"OBJECTIVE", "FIGURE", "VALUE"}}
	for i, name := range names {
		if err := h.SLO(ctx, name, &list[i]); err != nil {
			return answer{}, err
		}
		statusRows(t, &list[i])
	}
	return answer{data: list, table: t}, nil
}

// objectives returns the names that were asked for, or all.
func objectives(ctx context.Context, h *client.HTTP, asked []string) ([]string, error) {
	if len(asked) > 0 {
		return asked, nil
	}
	list, err := h.SLOs(ctx)
	var names []string
	for _, s := range list.Data {
		names = append(names, s.Name)
	}
	return names, err
}

func statusRows(t *table, s *slo.Summary) {
	row := func(figure, value string) { t.add(s.Name, figure, value) }
	row("target", s.Target.String()+" % over "+s.Window)
	row("since", s.Start.Format(time.RFC3339))
	row("state", string(s.Compliance.State))
	row("sli", percentOr(s.Compliance.SLIPrinted))
	row("events", fmt.Sprintf("%s good, %s bad, %s in all", s.Compliance.Events.Good, s.Compliance.Events.Bad, s.Compliance.Events.Total))
	budgetRows(row, "budget", &s.Budget)
	if s.Projected != nil {
		budgetRows(row, "projected budget", s.Projected)
	}
	for _, b := range s.Burns {
		row("burn rate "+b.Window, burnText(b))
	}
	if s.Completeness != nil {
		row("data", share(*s.Completeness)+" of the time recorded")
	}
}

func budgetRows(row func(figure, value string), name string, b *slo.BudgetView) {
	left := "-"
	if b.RemainingFraction != nil {
		left = share(*b.RemainingFraction)
	}
	row(name, fmt.Sprintf("%s left: %s of %s events, %.2f of %.2f minutes",
		left, b.Events.Remaining, b.Events.Total, b.Minutes.Remaining, b.Minutes.Total))
}

func burnText(b slo.BurnView) string {
	switch {
	case b.Rate == nil:
		return "no events"
	case b.ExhaustionSeconds == nil:
		return fmt.Sprintf("%.2f", *b.Rate)
	}
	in := time.Duration(*b.ExhaustionSeconds * float64(time.Second)).Round(time.Minute)
	return fmt.Sprintf("%.2f: the budget is empty in %s", *b.Rate, in)
}

func sloReport(c *cli.Context) error {
	render, ok := map[string]func(io.Writer, ...slo.Report) error{
		"text": report.Text, "md": report.Markdown, "json": reportJSON,
	}[c.String("format")]
	if !ok {
		return usage("--format %q is none of text, md, json", c.String("format"))
	}
	h, err := dialServer(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	names, err := objectives(ctx, h, c.Args().Slice())
	if err != nil {
		return err
	}
	list := make([]slo.Report, len(names))
	for i, name := range names {
		if err := h.SLOReport(ctx, name, c.String("month"), &list[i]); err != nil {
			return err
		}
	}
	return render(c.App.Writer, list...)
}

func reportJSON(w io.Writer, list ...slo.Report) error {
	if len(list) == 1 {
		return printJSON(w, list[0])
	}
	return printJSON(w, list)
}
