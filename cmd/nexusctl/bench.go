package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/cmd/nexusctl/machine"
	"example.com/nexusctl/loadgen/bench"
	"example.com/nexusctl/protocol/scan"
)

// benchNames are the benchmarks, in the order in which all runs them.
var benchNames = []struct{ name, usage string }{
	{"parse", "the parser alone: text, tags, JSON"},
	{"aggregate", "the fold into the live tables, at 1,000 and 100,000 series"},
	{"ingest", "a whole daemon over loopback, with and without the log, its ledger compared, beside a process that only reads"},
	{"all", "all of these"},
}

func benchCommand() *cli.Command {
	c := &cli.Command{
		Name:  "bench",
		Usage: "measure this machine's stages, one by one and together",
		Description: `Prints rates, times and costs with the machine's facts. Of several runs the one
with the median time is shown. Nothing else should run meanwhile.

Examples:
   nexusctl bench parse
   nexusctl bench all -o json --save before.json
   nexusctl bench all --compare before.json
   nexusctl bench ingest --duration 10s --dir /var/lib
   nexusctl bench ingest --large --only 1m`,
	}
	for _, b := range benchNames {
		c.Subcommands = append(c.Subcommands, &cli.Command{
			Name: b.name, Usage: b.usage,
			Description: "Examples:\n   nexusctl bench " + b.name + "\n   nexusctl bench " + b.name + " --count 5 -o json",
			Flags:       benchFlags(),
			Action:      func(c *cli.Context) error { return runBench(c, b.name) },
		})
	}
	c.Subcommands = append(c.Subcommands, benchBatchingCommand(), benchStorageCommand(), benchAPICommand(), benchSinkCommand())
	return c
}

func benchFlags() []cli.Flag {
	return []cli.Flag{
		outputFlag(),
		&cli.DurationFlag{Name: "duration", Usage: "of one run", Value: 2 * time.Second},
		&cli.IntFlag{Name: "count", Usage: "runs of each, of which the median is shown", Value: 3},
		&cli.BoolFlag{Name: "large", Usage: "aggregate, and feed a daemon, at 1,000,000 series too"},
		&cli.StringFlag{Name: "only", Usage: "measure what has a name that `PATTERN`, a regular expression, finds"},
		&cli.StringFlag{Name: "compare", Usage: "show ratios to the results saved in `FILE`"},
		&cli.StringFlag{Name: "save", Usage: "write the results to `FILE`, as JSON"},
		&cli.StringFlag{Name: "dir", Usage: "the daemon's data and the disk measurement go into `DIR`", Value: os.TempDir()},
	}
}

func runBench(c *cli.Context, name string) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	if c.Int("count") < 1 || c.Duration("duration") <= 0 {
		return usage("--count and --duration: must be above 0")
	}
	var old bench.Report
	if path := c.String("compare"); path != "" {
		if old, err = readReport(path); err != nil {
			return err
		}
	}
	stages, err := benchStages(c, name)
	if err != nil {
		return err
	}
	if stages, err = onlyStages(stages, c.String("only")); err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	return measureBench(ctx, c, format, stages, old)
}

// measureBench runs the stages and shows what they say.
func measureBench(ctx context.Context, c *cli.Context, format string, stages []bench.Stage, old bench.Report) (err error) {
	report := bench.Report{Machine: benchMachine(c.String("dir"))}
	report.Results, err = bench.Measure(ctx, stages, c.Duration("duration"), c.Int("count"), func(stage string, run int) {
		if isTerminal(c.App.ErrWriter) {
			_, _ = fmt.Fprintf(c.App.ErrWriter, "%s, run %d of %d\n", stage, run, c.Int("count"))
		}
	})
	if err != nil {
		return err
	}
	report.Compare = bench.Compare(old.Results, report.Results)
	return showBench(c, format, report, old)
}

// showBench saves, then prints: what took minutes must not be lost to a closed
// pipe.
func showBench(c *cli.Context, format string, report, old bench.Report) error {
	if path := c.String("save"); path != "" {
		if err := saveReport(path, report); err != nil {
			return err
		}
	}
	if format == "table" {
		if err := printMachine(c, report.Machine, old); err != nil {
			return err
		}
	}
	show := benchTable
	switch c.Command.Name {
	case "batching":
		show = batchingTable
	case "api":
		show = apiTable
	}
	return emit(c.App.Writer, format, report, show(report))
}

// onlyStages returns the stages whose names a pattern finds.
func onlyStages(stages []bench.Stage, pattern string) ([]bench.Stage, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, usage("--only: %v", err)
	}
	names := make([]string, len(stages))
	for i, s := range stages {
		names[i] = s.Name
	}
	stages = slices.DeleteFunc(stages, func(s bench.Stage) bool { return !re.MatchString(s.Name) })
	if len(stages) == 0 {
		return nil, usage("--only: %q finds none of %s", pattern, strings.Join(names, ", "))
	}
	return stages, nil
}

func benchStages(c *cli.Context, name string) (stages []bench.Stage, err error) {
	is := func(part string) bool { return name == part || name == "all" }
	if is("parse") {
		stages = append(stages, bench.Parse()...)
	}
	if is("aggregate") {
		series := []int{1000, 100_000}
		if c.Bool("large") {
			series = append(series, 1_000_000)
		}
		stages = append(stages, bench.Aggregate(series...)...)
	}
	if is("ingest") {
		child, err := benchChild(c)
		if err != nil {
			return nil, err
		}
		stages = append(stages, bench.Ingest(child, c.Bool("large"))...)
	}
	if name == "batching" {
		child, err := benchChild(c)
		if err != nil {
			return nil, err
		}
		stages = append(stages, bench.Batching(child)...)
	}
	return stages, nil
}

func benchChild(c *cli.Context) (bench.Child, error) {
	self, err := os.Executable()
	if err != nil {
		return bench.Child{}, fmt.Errorf("the daemon's executable: %w", err)
	}
	return bench.Child{Executable: self, Dir: c.String("dir")}, nil
}

func benchMachine(dir string) bench.Machine {
	f := machine.Read(dir, 0)
	m := bench.Machine{
		CPU: bench.CPUModel(), Wide: scan.Widest(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: f.OS, Arch: f.Arch, Kernel: f.Kernel, Go: f.Go, MemoryBytes: f.Memory,
	}
	if f.Disk.Sync > 0 {
		m.SyncMS = float64(f.Disk.Sync.Microseconds()) / 1000
		m.SyncsPerS = 1 / f.Disk.Sync.Seconds()
	}
	return m
}

func readReport(path string) (r bench.Report, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return r, usage("--compare: %v", err)
	}
	if err := json.Unmarshal(b, &r); err != nil || len(r.Results) == 0 {
		return r, usage("--compare: %s holds no results that bench --save has written", path)
	}
	return r, nil
}

func saveReport(path string, r bench.Report) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	return nil
}

func printMachine(c *cli.Context, m bench.Machine, old bench.Report) error {
	_, err := fmt.Fprintf(c.App.Writer, "%s (%s), %d cores (GOMAXPROCS %d), %.1f GiB, %s/%s %s, %s, a sync takes %.2f ms\n",
		m.CPU, m.Wide, m.Cores, m.GOMAXPROCS, float64(m.MemoryBytes)/(1<<30), m.OS, m.Arch, m.Kernel, m.Go, m.SyncMS)
	if err == nil && len(old.Results) > 0 && (old.Machine.CPU != m.CPU || old.Machine.Wide != m.Wide || old.Machine.GOMAXPROCS != m.GOMAXPROCS) {
		_, err = fmt.Fprintf(c.App.Writer, "compared with another machine: %s (%s), GOMAXPROCS %d\n", old.Machine.CPU, old.Machine.Wide, old.Machine.GOMAXPROCS)
	}
	return err
}

func benchTable(r bench.Report) *table {
	t := &table{head: []string{"NAME", "NS/OP", "PER SECOND", "CPU-S/M", "ALLOCS/OP", "B/SERIES", "LINE B", "LOG B/OP", "SENDER CPU-S/M", "RATE TO SINK", "CPU TO SINK", "RATE TO OLD", "CPU TO OLD"}}
	some := func(format string, v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	ratios := map[string]bench.Ratio{}
	for _, c := range r.Compare {
		ratios[c.Name] = c
	}
	for _, b := range r.Results {
		allocs := ""
		var sink bench.Beside
		if b.Sink != nil {
			sink = *b.Sink
		}
		if b.AllocsPerOp != nil {
			allocs = fmt.Sprint(*b.AllocsPerOp)
		}
		t.add(b.Name, fmt.Sprintf("%.1f", b.NsPerOp), fmt.Sprintf("%.0f", b.PerSecond), fmt.Sprintf("%.4f", b.CPUSPerMillion), allocs,
			some("%.0f", b.BytesPerSeries), some("%.1f", b.LineBytes), some("%.2f", b.LogBytesPerOp), some("%.4f", b.SenderCPUSPerMillion),
			some("%.3f", sink.Rate), some("%.1f", sink.CPU), some("%.3f", ratios[b.Name].PerSecond), some("%.3f", ratios[b.Name].CPU))
	}
	return t
}
