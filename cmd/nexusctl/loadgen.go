package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

func loadgenCommand() *cli.Command {
	return &cli.Command{
		Name:  "loadgen",
		Usage: "send at a rate, and hold the daemon to its word",
		Description: `Sends lines at a rate that does not wait for the daemon. With --verify the
daemon's ledger is compared with what was sent, exactly; nobody else may send
meanwhile. The exit code is 99 where it differs or a threshold is passed.

Examples:
   nexusctl loadgen --rate 200k --duration 10s
   nexusctl loadgen --rate 1M --connections 8 --series 100k --verify
   nexusctl loadgen --rate 50k --duration 1m --max-p99 20ms -o json`,
		Flags: []cli.Flag{
			serverFlag(), outputFlag(),
			&cli.StringFlag{Name: "rate", Usage: "lines a second in all: `RATE` such as 500, 200k, 1M", Value: "10k"},
			&cli.DurationFlag{Name: "duration", Usage: "how long to send", Value: 10 * time.Second},
			&cli.IntFlag{Name: "connections", Usage: "TCP connections, 1 to 10000", Value: 4},
			&cli.StringFlag{Name: "series", Usage: "different series: `N` such as 1000 or 100k", Value: "1000"},
			&cli.IntFlag{Name: "tags", Usage: "tags of a line, 0 to 20", Value: 0},
			&cli.Uint64Flag{Name: "seed", Usage: "of the random values", Value: 1},
			&cli.BoolFlag{Name: "verify", Usage: "compare the daemon's ledger with what was sent"},
			&cli.DurationFlag{Name: "max-p99", Usage: "fail where the P99 of the intended latency is longer"},
		},
		Action: runLoadgen,
	}
}

func runLoadgen(c *cli.Context) error {
	format, err := checkOutput(c, "table", "json")
	if err != nil {
		return err
	}
	h, err := dialServer(c)
	if err != nil {
		return err
	}
	o, err := loadOptions(c, h.Addr())
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	before := api.Ledger{}
	if c.Bool("verify") {
		if before, err = h.Ledger(ctx); err != nil {
			return err
		}
	}
	if isTerminal(c.App.ErrWriter) {
		o.Progress = func(p loadgen.Progress) { progressLine(c.App.ErrWriter, p) }
	}
	result, _, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	interrupted := ctx.Err() != nil
	if c.Bool("verify") {
		if err := verifyRun(c, h, before, &result); err != nil {
			return err
		}
	}
	if err := printResult(c.App.Writer, format, result); err != nil {
		return err
	}
	return verdict(c, result, interrupted)
}

func loadOptions(c *cli.Context, addr string) (o loadgen.Options, err error) {
	o = loadgen.Options{Addr: addr, Duration: c.Duration("duration"), Connections: c.Int("connections")}
	if o.Rate, err = loadgen.ParseRate(c.String("rate")); err != nil {
		return o, usage("--rate: %v", err)
	}
	series, err := loadgen.ParseRate(c.String("series"))
	if err != nil || series > 10_000_000 {
		return o, usage("--series: %q is no number from 1 to 10M", c.String("series"))
	}
	o.Shape = loadgen.Shape{Prefix: "load", Series: int(series), Tags: c.Int("tags"), Seed: c.Uint64("seed")}
	switch {
	case o.Connections < 1 || o.Connections > 10_000:
		return o, usage("--connections: %d is not from 1 to 10000", o.Connections)
	case o.Shape.Tags < 0 || o.Shape.Tags > 20:
		return o, usage("--tags: %d is not from 0 to 20", o.Shape.Tags)
	case o.Duration <= 0:
		return o, usage("--duration: must be longer than 0")
	}
	return o, nil
}

func verifyRun(c *cli.Context, h *client.HTTP, before api.Ledger, r *loadgen.Result) error {
	ctx, cancel := context.WithTimeout(c.Context, time.Minute)
	defer cancel()
	v, _, err := loadgen.Verify(ctx, h, before, r.Sent)
	if err != nil {
		return err
	}
	r.Verify = &v
	return nil
}

// verdict turns the result into how the command ends.
func verdict(c *cli.Context, r loadgen.Result, interrupted bool) error {
	limit := c.Duration("max-p99")
	switch {
	case r.Verify != nil && !r.Verify.OK:
		return errors.Join(&quietError{exitThreshold}, errors.New("the ledger differs from what was sent"))
	case limit > 0 && r.LatencyMS.P99 > float64(limit)/float64(time.Millisecond):
		return errors.Join(&quietError{exitThreshold}, errors.New("the P99 passes --max-p99"))
	case r.Errors > 0:
		return fmt.Errorf("%d connections failed", r.Errors)
	case interrupted:
		return &quietError{exitInterrupted}
	}
	return nil
}

func progressLine(w io.Writer, p loadgen.Progress) {
	left := max(p.Total-p.Elapsed, 0).Round(time.Second)
	_, _ = fmt.Fprintf(w, "\rsent %d lines in %s, %.0f a second, %s left   ",
		p.Sent, p.Elapsed.Round(time.Second), float64(p.Sent)/p.Elapsed.Seconds(), left)
	if left == 0 {
		_, _ = fmt.Fprintln(w)
	}
}

func printResult(w io.Writer, format string, r loadgen.Result) error {
	if format == "json" {
		return printJSON(w, r)
	}
	t := &table{head: []string{"FIGURE", "VALUE"}}
	t.add("sent", fmt.Sprint(r.Sent))
	t.add("rate", fmt.Sprintf("%.0f of %.0f a second", r.Rate, r.TargetRate))
	t.add("missed", fmt.Sprint(r.Missed))
	t.add("errors", fmt.Sprint(r.Errors))
	t.add("latency", fmt.Sprintf("P50 %.2f ms, P95 %.2f ms, P99 %.2f ms, max %.2f ms", r.LatencyMS.P50, r.LatencyMS.P95, r.LatencyMS.P99, r.LatencyMS.Max))
	if v := r.Verify; v != nil {
		t.add("verify", fmt.Sprintf("ok %t: expected %d, stored %d, lost %d, duplicated %d", v.OK, v.Expected, v.Stored, v.Lost, v.Duplicated))
	}
	return t.print(w, format)
}
