package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen/bench"
)

func benchBatchingCommand() *cli.Command {
	return &cli.Command{
		Name:  "batching",
		Usage: "a whole daemon with each setting of ingest.batching, under three loads",
		Description: `Starts a daemon for each setting and load: a trickle of 20,000 lines a second over
4,000 connections, 200,000 a second over 64, and a flood over 64. Latency is from a
chunk's last byte to the tables. Takes a minute or two.

Examples:
   nexusctl bench batching
   nexusctl bench batching -o json --save before.json
   nexusctl bench batching --duration 5s --count 3 --compare before.json`,
		Flags: []cli.Flag{
			outputFlag(),
			&cli.DurationFlag{Name: "duration", Usage: "of one run", Value: 2 * time.Second},
			&cli.IntFlag{Name: "count", Usage: "runs of each, of which the median is shown", Value: 1},
			&cli.StringFlag{Name: "compare", Usage: "show ratios to the results saved in `FILE`"},
			&cli.StringFlag{Name: "save", Usage: "write the results to `FILE`, as JSON"},
			&cli.StringFlag{Name: "dir", Usage: "the daemons' data and the disk measurement go into `DIR`", Value: os.TempDir()},
		},
		Action: func(c *cli.Context) error { return runBench(c, "batching") },
	}
}

func batchingTable(r bench.Report) *table {
	t := &table{head: []string{"NAME", "PER SECOND", "CPU-S/M", "P50 MS", "P99 MS", "LOG B/LINE", "FRAMES/LINE", "RATE TO OLD", "CPU TO OLD"}}
	ratios := map[string]bench.Ratio{}
	for _, c := range r.Compare {
		ratios[c.Name] = c
	}
	ratio := func(v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.3f", v)
	}
	for _, b := range r.Results {
		p50, p99 := "", ""
		if l := b.LatencyMS; l != nil {
			p50, p99 = fmt.Sprintf("%.2f", l.P50), fmt.Sprintf("%.2f", l.P99)
		}
		old := ratios[b.Name]
		t.add(b.Name, fmt.Sprintf("%.0f", b.PerSecond), fmt.Sprintf("%.3f", b.CPUSPerMillion), p50, p99,
			fmt.Sprintf("%.2f", b.LogBytesPerOp), fmt.Sprintf("%.5f", b.LogFramesPerOp), ratio(old.PerSecond), ratio(old.CPU))
	}
	return t
}

// benchSinkCommand is the process that bench ingest compares the daemon with.
func benchSinkCommand() *cli.Command {
	return &cli.Command{
		Name: "sink", Hidden: true,
		Usage:       "read what comes over connections, and forget it",
		Description: "Examples:\n   nexusctl bench sink --listen 127.0.0.1:9999",
		Flags:       []cli.Flag{&cli.StringFlag{Name: "listen", Usage: "take connections at `ADDRESS`", Value: "127.0.0.1:0"}},
		Action: func(c *cli.Context) error {
			ctx, stop := interruptible(c.Context)
			defer stop()
			l, err := net.Listen("tcp", c.String("listen"))
			if err != nil {
				return err
			}
			return bench.Sink(ctx, l)
		},
	}
}
