package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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
		Description: `Sends lines at a rate that does not wait for the daemon; latency counts from
the moment a line was due. With --verify the daemon's ledger is compared with
what was sent, exactly; nobody else may send meanwhile. The exit code is 99
where it differs or a threshold is not kept, 130 after ctrl-C.

Examples:
   nexusctl loadgen --rate 200k --duration 10s
   nexusctl loadgen --rate 1M --connections 8 --series 100k --zipf 1.1 --tags 3 --verify
   nexusctl loadgen --rate 50k --profile spike --duration 1m --max-p99 20ms --max-missed 0 -o json
   nexusctl loadgen --rate max --prerendered --connections 2
   nexusctl loadgen --ack --rate 500k --connections 8 --verify --max-p99 50ms`,
		Flags: append(append([]cli.Flag{serverFlag(), outputFlag()}, paceFlags()...), append(shapeFlags(), judgeFlags()...)...),
		Action: func(c *cli.Context) error {
			err := runLoadgen(c)
			if errors.Is(err, client.ErrUnreachable) {
				err = fmt.Errorf("%w; start one with `nexusctl daemon`, or name where it listens with --server or NEXUS_SERVER", err)
			}
			return err
		},
	}
}

func paceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "rate", Usage: "lines a second in all: `RATE` such as 500, 200k, 1M, or max", Value: "10k"},
		&cli.StringFlag{Name: "profile", Usage: "the rate over time: constant, ramp, burst or spike; --rate is its peak", Value: "constant"},
		&cli.DurationFlag{Name: "duration", Usage: "how long to send", Value: 10 * time.Second},
		&cli.IntFlag{Name: "connections", Usage: "TCP connections, 1 to 10000", Value: 4},
		&cli.BoolFlag{Name: "ack", Usage: "send batches that the daemon acknowledges when they are durable; latency ends there"},
		&cli.BoolFlag{Name: "prerendered", Usage: "render lines once, before the run, and send them again and again"},
		&cli.BoolFlag{Name: "progress", Usage: "report progress every 10 s where there is no terminal"},
	}
}

func shapeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Usage: "of the lines: text or json", Value: string(loadgen.Text)},
		&cli.StringFlag{Name: "prefix", Usage: "of the names", Value: "load"},
		&cli.StringFlag{Name: "series", Usage: "different series: `N` such as 1000 or 100k", Value: "1000"},
		&cli.Float64Flag{Name: "zipf", Usage: "skew: series n comes 1/n^S as often as the first; 0 is even"},
		&cli.IntFlag{Name: "tags", Usage: "tags of a line, 0 to 20"},
		&cli.StringFlag{Name: "types", Usage: "the mix of types and their weights", Value: "counter:3,gauge:1,histogram:1"},
		&cli.StringFlag{Name: "values", Usage: strings.Join(loadgen.ValueKinds(), ", "), Value: "uniform"},
		&cli.Uint64Flag{Name: "seed", Usage: "of the random values", Value: 1},
	}
}

func judgeFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "verify", Usage: "compare the daemon's ledger with what was sent"},
		&cli.DurationFlag{Name: "max-p99", Usage: "fail where the P99 of the latency is longer"},
		&cli.DurationFlag{Name: "max-p95", Usage: "fail where the P95 of the latency is longer"},
		&cli.StringFlag{Name: "min-rate", Usage: "fail where less is sent: a `RATE` such as 900k, or a share of the target such as 0.99"},
		&cli.Int64Flag{Name: "max-missed", Usage: "fail where more sends were due and not made"},
	}
}

func runLoadgen(c *cli.Context) error {
	format, err := checkOutput(c)
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
	limits, err := thresholds(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	context.AfterFunc(ctx, stop) // a second ctrl-C ends at once
	before := api.Ledger{}
	if c.Bool("verify") {
		if before, err = h.Ledger(ctx); err != nil {
			return err
		}
	}
	result, _, err := loadgen.Run(ctx, o)
	if err != nil {
		return err
	}
	if c.Bool("verify") {
		if err := verifyRun(c, h, before, &result); err != nil {
			return err
		}
	}
	result.Failed = limits.Failures(result)
	if err := emit(c.App.Writer, format, result, loadTable(result)); err != nil {
		return err
	}
	return verdict(c.App.ErrWriter, result)
}

func loadOptions(c *cli.Context, addr string) (o loadgen.Options, err error) {
	o = loadgen.Options{Addr: addr, Connections: c.Int("connections"), Prerendered: c.Bool("prerendered"), Acked: c.Bool("ack")}
	if o.Connections < 1 || o.Connections > loadgen.MaxConnections {
		return o, usage("--connections: %d is not from 1 to %d", o.Connections, loadgen.MaxConnections)
	}
	if o.Pacer, err = loadPacer(c); err != nil {
		return o, err
	}
	if o.Shape, err = loadShape(c); err != nil {
		return o, err
	}
	switch w := c.App.ErrWriter; {
	case isTerminal(w):
		o.ProgressEvery = 500 * time.Millisecond
		o.Progress = overwrite(w)
	case c.Bool("progress"):
		o.ProgressEvery = 10 * time.Second
		o.Progress = func(p loadgen.Progress) { _, _ = fmt.Fprintln(w, progressText(p)) }
	}
	return o, nil
}

func loadPacer(c *cli.Context) (p loadgen.Pacer, err error) {
	length := c.Duration("duration")
	if length <= 0 {
		return p, usage("--duration: must be longer than 0")
	}
	if c.String("rate") == "max" {
		if c.String("profile") != "constant" {
			return p, usage("--profile: %s needs a --rate", c.String("profile"))
		}
		return loadgen.Unpaced(length), nil
	}
	rate, err := loadgen.ParseRate(c.String("rate"))
	if err != nil {
		return p, usage("--rate: %v, or max", err)
	}
	if p, err = loadgen.Profile(c.String("profile"), rate, length); err != nil {
		return p, usage("--profile: %v", err)
	}
	return p, nil
}

func loadShape(c *cli.Context) (s loadgen.Shape, err error) {
	series, err := loadgen.ParseRate(c.String("series"))
	if err != nil || series < 1 || series > 10_000_000 {
		return s, usage("--series: %q is no number from 1 to 10M", c.String("series"))
	}
	s = loadgen.Shape{
		Format: loadgen.Format(c.String("format")), Prefix: c.String("prefix"), Series: int(series), Zipf: c.Float64("zipf"),
		Tags: c.Int("tags"), Values: c.String("values"), Seed: c.Uint64("seed"),
	}
	if s.Types, err = loadgen.ParseTypes(c.String("types")); err != nil {
		return s, usage("--types: %v", err)
	}
	if err := s.Check(); err != nil {
		return s, usage("%v", err)
	}
	return s, nil
}

func thresholds(c *cli.Context) (t loadgen.Thresholds, err error) {
	t = loadgen.Thresholds{P95: c.Duration("max-p95"), P99: c.Duration("max-p99")}
	if s := c.String("min-rate"); s != "" {
		if t.MinRate, err = loadgen.ParseMinRate(s); err != nil {
			return t, usage("--min-rate: %v", err)
		}
		if t.MinRate.Share > 0 && c.String("rate") == "max" {
			return t, usage("--min-rate: with --rate max there is no target to have a share of; write a rate")
		}
	}
	if c.IsSet("max-missed") {
		n := c.Int64("max-missed")
		t.MaxMissed = &n
	}
	return t, nil
}

// verifyRun has a context of its own: an interrupted run is verified too.
func verifyRun(c *cli.Context, h *client.HTTP, before api.Ledger, r *loadgen.Result) error {
	ctx, cancel := context.WithTimeout(c.Context, 2*time.Minute)
	defer cancel()
	v, _, err := loadgen.Verify(ctx, h, before, r.Sent)
	if err != nil {
		return err
	}
	r.Verify = &v
	return nil
}

// verdict says what is wrong and turns it into how the command ends.
func verdict(stderr io.Writer, r loadgen.Result) error {
	code := exitOK
	say := func(then int, format string, args ...any) {
		_, _ = fmt.Fprintf(stderr, "nexusctl: "+format+"\n", args...)
		code = max(code, then)
	}
	if r.Errors > 0 {
		say(exitFailure, "%d of %d connections failed; the first: %s", r.Errors, r.Connections, r.Error)
	}
	for _, f := range r.Failed {
		say(exitThreshold, "%s", f)
	}
	if r.Verify != nil && !r.Verify.OK {
		say(exitThreshold, "--verify: the ledger differs from what was sent: %s", r.Verify)
	}
	if r.Interrupted {
		say(exitInterrupted, "interrupted; the figures are of what was sent until then")
	}
	if code == exitOK {
		return nil
	}
	return &quietError{code}
}

// overwrite shows progress in one line of a terminal.
func overwrite(w io.Writer) func(loadgen.Progress) {
	shown := 0
	return func(p loadgen.Progress) {
		text := progressText(p)
		end := ""
		if p.Elapsed >= p.Total {
			end = "\n"
		}
		_, _ = fmt.Fprintf(w, "\r%-*s%s", shown, text, end)
		shown = len(text)
	}
}

func progressText(p loadgen.Progress) string {
	share := min(p.Elapsed.Seconds()/p.Total.Seconds(), 1)
	left := max(p.Total-p.Elapsed, 0).Round(time.Second)
	text := fmt.Sprintf("%3.0f%%  %s sent, %s/s", share*100, short(float64(p.Sent)), short(p.Rate))
	if p.TargetRate > 0 {
		text += fmt.Sprintf(" of %s/s", short(p.TargetRate))
	}
	if behind := p.Due - p.Sent; behind > p.Due/100 {
		text += fmt.Sprintf(", %s behind", short(float64(behind)))
	}
	return text + fmt.Sprintf(", %s left", left)
}

// short writes a number with three digits and a unit.
func short(v float64) string {
	for _, u := range []struct {
		factor float64
		name   string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= u.factor*0.9995 {
			return fmt.Sprintf("%.3g%s", v/u.factor, u.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}

func loadTable(r loadgen.Result) *table {
	latency := func(l loadgen.LatencyMS) string {
		return fmt.Sprintf("P50 %.2f ms, P95 %.2f ms, P99 %.2f ms, max %.2f ms", l.P50, l.P95, l.P99, l.Max)
	}
	rate := fmt.Sprintf("%.0f a second", r.Rate)
	if r.TargetRate > 0 {
		rate = fmt.Sprintf("%.0f of %.0f a second", r.Rate, r.TargetRate)
	}
	t := &table{head: []string{"FIGURE", "VALUE"}}
	t.add("sent", fmt.Sprintf("%d lines, %d bytes, %d connections", r.Sent, r.Bytes, r.Connections))
	t.add("duration", fmt.Sprintf("%.3f s, and %.2f ms until all was read", r.DurationS, r.DrainMS))
	t.add("rate", rate)
	t.add("missed", fmt.Sprint(r.Missed))
	t.add("errors", fmt.Sprint(r.Errors))
	t.add("latency", latency(r.LatencyMS))
	t.add("writes", latency(r.WriteMS))
	t.add("sender", fmt.Sprintf("%.2f CPU-s, %.4f a million lines", r.SenderCPUS, r.SenderCPUSPerMillion))
	if v := r.Verify; v != nil {
		t.add("verify", fmt.Sprintf("ok %t: %s", v.OK, v))
	}
	for _, f := range r.Failed {
		t.add("failed", f)
	}
	return t
}
