package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/pace"
	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/loadgen/bench"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/measure"
	"example.com/nexusctl/storage/migrate"
)

func benchStorageCommand() *cli.Command {
	return &cli.Command{
		Name:  "storage",
		Usage: "the store alone: flushes, bytes a value, cost, reads",
		Description: `Writes into an empty store, by default an SQLite one in a directory that is
removed again. A Postgres database has to be empty, and keeps what was written.
--mix realistic has counters that jitter, gauges that walk by hundredths and
constants, 40, 40 and 20 in a hundred; noisy gives the gauges seventeen digits;
timers are histograms alone. --lookup names the series, has them indexed, and
times look-ups by tags. --compact, --retain and --open say what work on the store
costs those who write, and make a store for a daemon to start on.

Examples:
   nexusctl bench storage --series 100000 --flushes 20
   nexusctl bench storage --series 100000 --flushes 20 --beside
   nexusctl bench storage --series 100000 --compact
   nexusctl bench storage --series 5000 --hours 24 --retain
   nexusctl bench storage --series 100 --hours 721 --at-once
   nexusctl bench storage --lookup --series 1000000
   nexusctl bench storage --series 5000 --hours 24 --storage postgres://nexus@localhost/empty --server-pid 4711`,
		Flags: []cli.Flag{
			outputFlag(),
			&cli.StringFlag{Name: "storage", Usage: "measure the empty store at `URL`"},
			&cli.StringFlag{Name: "dir", Usage: "an SQLite store goes into `DIR`", Value: os.TempDir()},
			&cli.IntFlag{Name: "series", Usage: "how many series", Value: 5000},
			&cli.IntFlag{Name: "hours", Usage: "hours of points that are stored, compacted and read", Value: 24},
			&cli.IntFlag{Name: "flushes", Usage: "time so many flushes, and nothing else"},
			&cli.BoolFlag{Name: "beside", Usage: "with --flushes: time reads of the last hour beside them"},
			&cli.BoolFlag{Name: "compact", Usage: "time flushes while an hour of as many series is compacted, and nothing else"},
			&cli.BoolFlag{Name: "open", Usage: "with --flushes: they are of the hour that goes on now, for a daemon to start on"},
			&cli.BoolFlag{Name: "at-once", Usage: "store each hour in one flush: for reads of many days, whose cost then says nothing"},
			&cli.BoolFlag{Name: "retain", Usage: "give up the first day at the end"},
			&cli.BoolFlag{Name: "lookup", Usage: "time look-ups by tags, and nothing else"},
			&cli.DurationFlag{Name: "step", Usage: "between two points of a series", Value: 10 * time.Second},
			&cli.StringFlag{Name: "mix", Usage: "realistic, noisy or timers", Value: "realistic"},
			&cli.StringFlag{Name: "profile", Usage: "write a processor profile of this process to `FILE`"},
			&cli.IntFlag{Name: "server-pid", Usage: "count the processor time of this process and its children too (Linux)"},
		},
		Action: benchStorage,
	}
}

// mixes are the sets of series by name.
var mixes = map[string]measure.Mix{"realistic": measure.Realistic, "noisy": measure.Noisy, "timers": measure.Timers}

// storageReport is what -o json prints.
type storageReport struct {
	Machine bench.Machine    `json:"machine"`
	Results []measure.Result `json:"results"`
}

func benchStorage(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	mix, known := mixes[c.String("mix")]
	if !known || c.Int("series") < 1 || c.Int("hours") < 1 || c.Int("flushes") < 0 || c.Duration("step") < time.Second {
		return usage("--mix is realistic, noisy or timers; --series and --hours are above 0, --step is 1s at least")
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	pid, turn := c.Int("server-pid"), &pace.Turn{}
	measured := measure.Run
	if c.Bool("lookup") {
		measured = measure.Lookups
	}
	results, err := measureStorage(ctx, c, measured, measure.Options{
		Mix: mix, Series: c.Int("series"), Hours: c.Int("hours"), Flushes: c.Int("flushes"), Beside: c.Bool("beside"),
		Compact: c.Bool("compact"), Open: c.Bool("open"), AtOnce: c.Bool("at-once"), Retain: c.Bool("retain"), Step: c.Duration("step").Milliseconds(),
		CPU:    func() float64 { return loadgen.CPUTime().Seconds() },
		Server: serverTime(pid),
		Memory: func(s *storage.Store) measure.Memory {
			return bench.NewMemory(s, measure.Writer, s.Backend() == dialect.SQLite)
		},
		GiveWay: turn.Step,
		Tell: func(format string, args ...any) {
			if isTerminal(c.App.ErrWriter) {
				_, _ = fmt.Fprintf(c.App.ErrWriter, format+"\n", args...)
			}
		},
	})
	if err != nil {
		return err
	}
	report := storageReport{Machine: benchMachine(c.String("dir")), Results: results}
	if format == "table" {
		if err := printMachine(c, report.Machine, bench.Report{}); err != nil {
			return err
		}
	}
	return emit(c.App.Writer, format, report, storageTable(results))
}

func measureStorage(ctx context.Context, c *cli.Context, run func(context.Context, *storage.Store, measure.Options) ([]measure.Result, error), o measure.Options) ([]measure.Result, error) {
	url, dir := c.String("storage"), ""
	if url == "" {
		var err error
		if dir, err = os.MkdirTemp(c.String("dir"), "nexus-bench-"); err != nil {
			return nil, fmt.Errorf("--dir: %w", err)
		}
		defer os.RemoveAll(dir)
		url = "sqlite:nexus.db"
	}
	m, err := migrate.Open(ctx, url, dir, "")
	if err != nil {
		return nil, err
	}
	_, err = m.Up(ctx)
	if err := errors.Join(err, m.Close()); err != nil {
		return nil, err
	}
	s, err := storage.Open(ctx, storage.Options{URL: url, DataDir: dir, Timeout: 10 * time.Minute, KeepEmpty: measure.KeepEmpty})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if z, err := s.Sizes(ctx); err != nil || z.Series > 0 {
		return nil, errors.Join(err, usage("the store has %d series: only an empty one is measured", z.Series))
	}
	stop, err := profileTo(c.String("profile"))
	if err != nil {
		return nil, err
	}
	results, err := run(ctx, s, o)
	return results, errors.Join(err, stop())
}

// profileTo writes a processor profile into a file until it is stopped; nothing
// where path is empty.
func profileTo(path string) (stop func() error, err error) {
	if path == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("--profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(fmt.Errorf("--profile: %w", err), f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

func storageTable(results []measure.Result) *table {
	t := &table{head: []string{"NAME", "OPS", "P50 MS", "P95 MS", "P99 MS", "PER SECOND", "CPU-S/M", "BYTES", "B/POINT", "B/VALUE", "B/SERIES"}}
	some := func(v float64, digits int) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'f', digits, 64)
	}
	for _, r := range results {
		t.add(r.Name, strconv.FormatInt(r.Ops, 10), some(r.P50, 3), some(r.P95, 3), some(r.P99, 3), some(r.PerSecond, 0), some(r.CPUSPerMillion, 3),
			some(float64(r.Bytes), 0), some(r.BytesPerPoint, 3), some(r.BytesPerValue, 3), some(r.BytesPerSeries, 1))
	}
	return t
}

// serverTime is what a process and its children take; nil where there is none.
func serverTime(pid int) func() float64 {
	if pid == 0 {
		return nil
	}
	return func() float64 { return processTime(pid) }
}

// ticks is how many clock ticks Linux counts in a second, whatever the machine.
const ticks = 100

// processTime returns the seconds of processor time that a process, its living
// children and those it has waited for have taken; 0 where /proc does not say.
func processTime(pid int) float64 {
	sum := 0.0
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		// The name in parentheses may hold anything; the fields follow it.
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 15 || id != pid && fields[1] != strconv.Itoa(pid) {
			continue
		}
		for _, f := range fields[11:15] { // user and system, its own and its dead children's
			n, _ := strconv.ParseFloat(f, 64)
			sum += n / ticks
		}
	}
	return sum
}
