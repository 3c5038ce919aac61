package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/loadgen/bench"
)

func benchAPICommand() *cli.Command {
	return &cli.Command{
		Name:  "api",
		Usage: "reads of a whole daemon, idle and beside lines that come in",
		Description: `Starts a daemon and asks it for the last value of one series, its last five
minutes, the head of the list of series, and a rate by PromQL, one after the other:
first idle, then beside a loadgen process. Where there are enough series it also asks for the
last value and the last minutes of another one each time (cold). The floor is a request that reads nothing. Requests are made at a fixed rate that does not wait for
answers; latency counts from when each was due. With --check the exit code is 99
where, beside the load, a P95 is not below 1 ms, a P99 not below 5 ms, or more than
1 ms above the idle one.

Examples:
   nexusctl bench api
   nexusctl bench api --duration 20s --lines 1M --check -o json --save before.json
   nexusctl bench api --series 100k
   nexusctl bench api --storage postgres://nexus@localhost/empty
   nexusctl bench api --compare before.json`,
		Flags: []cli.Flag{
			outputFlag(),
			&cli.DurationFlag{Name: "duration", Usage: "of each kind of request, idle and again beside the load", Value: 4 * time.Second},
			&cli.StringFlag{Name: "rate", Usage: "requests a second of each kind: `RATE` such as 200", Value: "200"},
			&cli.StringFlag{Name: "lines", Usage: "lines a second beside: `RATE` such as 1M", Value: "1M"},
			&cli.StringFlag{Name: "series", Usage: "`N` series, each a name of its own, such as 100k", Value: "1000"},
			&cli.StringFlag{Name: "storage", Usage: "the daemon's store, an empty one at `URL`; its own SQLite file where not given"},
			&cli.BoolFlag{Name: "check", Usage: "fail where a bound is not kept"},
			&cli.StringFlag{Name: "profile", Usage: "write a processor profile of the daemon beside the load to `FILE`"},
			&cli.StringFlag{Name: "compare", Usage: "show ratios to the results saved in `FILE`"},
			&cli.StringFlag{Name: "save", Usage: "write the results to `FILE`, as JSON"},
			&cli.StringFlag{Name: "dir", Usage: "the daemon's data and the disk measurement go into `DIR`", Value: os.TempDir()},
		},
		Action: benchAPI,
	}
}

func benchAPI(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	o := bench.APIOptions{Length: c.Duration("duration"), Profile: c.String("profile")}
	if o.Length < 100*time.Millisecond {
		return usage("--duration: must be 100ms or more")
	}
	if o.Rate, err = loadgen.ParseRate(c.String("rate")); err != nil || o.Rate > 10_000 {
		return usage("--rate: write requests a second, up to 10k")
	}
	if o.Lines, err = loadgen.ParseRate(c.String("lines")); err != nil {
		return usage("--lines: %v", err)
	}
	series, err := loadgen.ParseRate(c.String("series"))
	if err != nil || series < 1000 || series > 10_000_000 {
		return usage("--series: %q is no number from 1000 to 10M", c.String("series"))
	}
	o.Series, o.Storage = int(series), c.String("storage")
	var old bench.Report
	if path := c.String("compare"); path != "" {
		if old, err = readReport(path); err != nil {
			return err
		}
	}
	child, err := benchChild(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	report := bench.Report{Machine: benchMachine(c.String("dir"))}
	if report.Results, err = bench.API(ctx, child, o); err != nil {
		return err
	}
	report.Compare = bench.Compare(old.Results, report.Results)
	if err := showBench(c, format, report, old); err != nil {
		return err
	}
	return checkAPI(c, report)
}

// checkAPI says which bounds were not kept.
func checkAPI(c *cli.Context, r bench.Report) error {
	faults := bench.APIFaults(r.Results)
	if !c.Bool("check") || len(faults) == 0 {
		return nil
	}
	for _, f := range faults {
		_, _ = fmt.Fprintf(c.App.ErrWriter, "nexusctl: %s\n", f)
	}
	return &quietError{exitThreshold}
}

func apiTable(r bench.Report) *table {
	t := &table{head: []string{"NAME", "REQUESTS", "PER SECOND", "P50 MS", "P95 MS", "P99 MS", "MAX MS", "P99 OVER IDLE MS", "LINES/S BESIDE", "P95 TO OLD", "P99 TO OLD"}}
	ratios := map[string]bench.Ratio{}
	for _, c := range r.Compare {
		ratios[c.Name] = c
	}
	some := func(format string, v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	for _, b := range r.Results {
		l := *b.LatencyMS
		over := ""
		if ms, ok := bench.OverIdle(r.Results, b); ok {
			over = fmt.Sprintf("%.2f", ms)
		}
		ms := func(v float64) string { return fmt.Sprintf("%.2f", v) }
		t.add(b.Name, fmt.Sprint(b.Ops), fmt.Sprintf("%.0f", b.PerSecond), ms(l.P50), ms(l.P95), ms(l.P99), ms(l.Max), over,
			some("%.0f", b.BesideLines), some("%.2f", ratios[b.Name].P95), some("%.2f", ratios[b.Name].P99))
	}
	return t
}
