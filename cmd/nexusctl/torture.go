package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen/torture"
)

func tortureCommand() *cli.Command {
	return &cli.Command{
		Name:  "torture",
		Usage: "prove on your own disk that nothing acknowledged is lost or doubled",
		Description: `Starts daemons of its own on a free port, with scratch data, does them harm and
compares what the senders know with what the daemons say. It touches no other
process and no other data. The exit code is 99 where something acknowledged was
lost or doubled or the ledger's law was broken, 130 after ctrl-C.

Experiments:
   ` + strings.Join(torture.Describe(), "\n   ") + `

Examples:
   nexusctl torture
   nexusctl torture --only kill --cycles 200 --dir /var/lib/torture
   nexusctl torture --only store-away --storage postgres://nexus@localhost/scratch
   nexusctl torture --duration 30m -o json`,
		Flags:  tortureFlags(),
		Action: runTorture,
	}
}

func tortureFlags() []cli.Flag {
	return []cli.Flag{
		outputFlag(),
		&cli.StringFlag{Name: "only", Usage: "the `EXPERIMENTS` to do, separated by commas; all where there is none"},
		&cli.IntFlag{Name: "cycles", Usage: "rounds of each experiment; each has its own default"},
		&cli.DurationFlag{Name: "duration", Usage: "time for all experiments, shared evenly; what has begun is finished"},
		&cli.Uint64Flag{Name: "seed", Usage: "of every random choice; drawn and shown where there is none"},
		&cli.StringFlag{Name: "dir", Usage: "scratch `DIR`, empty or not there yet; by default a new one beside the daemon's data directory"},
		&cli.StringFlag{Name: "storage", Usage: "store in the empty database at `URL`, postgres://…; SQLite in the scratch directory where there is none"},
		&cli.BoolFlag{Name: "yes", Usage: "use the database though it holds data; what is stored meanwhile stays in it"},
		&cli.StringFlag{Name: "small-dir", Usage: "`DIR` on a small file system, which disk-full fills to the last byte"},
		&cli.BoolFlag{Name: "keep", Usage: "leave the scratch directory; it stays in any case after a failure"},
		&cli.StringFlag{Name: "config", Usage: "read where the data directory is from `FILE`"},
	}
}

func runTorture(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	o, err := tortureOptions(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	context.AfterFunc(ctx, stop) // a second ctrl-C ends at once
	_, _ = fmt.Fprintf(c.App.ErrWriter, "seed %d, scratch directory %s\n", o.Seed, o.Dir)
	if isTerminal(c.App.ErrWriter) {
		o.Progress = overwriteTorture(c.App.ErrWriter)
	}
	report, err := torture.Run(ctx, o)
	if o.Progress != nil {
		_, _ = fmt.Fprintf(c.App.ErrWriter, "\r%s\r", strings.Repeat(" ", tortureLine))
	}
	switch {
	case errors.Is(err, torture.ErrChoice), errors.Is(err, torture.ErrOccupied):
		return usage("%v", err)
	case err != nil && !report.Interrupted:
		return err
	}
	if err := emit(c.App.Writer, format, report, tortureTable(report, format)); err != nil {
		return err
	}
	return tortureVerdict(c.App.ErrWriter, report)
}

func tortureOptions(c *cli.Context) (o torture.Options, err error) {
	o = torture.Options{
		Dir: c.String("dir"), Storage: c.String("storage"), Shared: c.Bool("yes"), SmallDir: c.String("small-dir"),
		Cycles: c.Int("cycles"), Duration: c.Duration("duration"), Seed: c.Uint64("seed"), Keep: c.Bool("keep"),
	}
	if s := c.String("only"); s != "" {
		o.Only = strings.Split(s, ",")
	}
	switch {
	case o.Cycles < 0 || (c.IsSet("cycles") && o.Cycles == 0):
		return o, usage("--cycles: must be above 0")
	case o.Duration < 0 || (c.IsSet("duration") && o.Duration == 0):
		return o, usage("--duration: must be above 0")
	case o.Storage != "" && !strings.HasPrefix(o.Storage, "postgres://") && !strings.HasPrefix(o.Storage, "postgresql://"):
		return o, usage("--storage: write postgres://user@host/database; SQLite is what is used without it")
	}
	if !c.IsSet("seed") {
		o.Seed = rand.Uint64N(1 << 53) // so that it survives every JSON reader
	}
	if o.Executable, err = os.Executable(); err != nil {
		return o, fmt.Errorf("the daemon's executable: %w", err)
	}
	return o, torturePlace(c, &o)
}

// torturePlace chooses the scratch directory: on the file system that the
// daemon would use, and never its data directory.
func torturePlace(c *cli.Context, o *torture.Options) error {
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	data, err := filepath.Abs(settings.Config.Server.DataDir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if o.Storage != "" {
		o.Password = settings.Config.Storage.Password.Reveal()
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(existing(filepath.Dir(data)), fmt.Sprintf("nexusctl-torture-%d", time.Now().UnixMilli()))
		return nil
	}
	if dir, err := filepath.Abs(o.Dir); err != nil || within(dir, data) {
		return usage("--dir: %s is in the daemon's data directory", o.Dir)
	}
	return nil
}

// existing returns the nearest directory above path that is there.
func existing(path string) string {
	for {
		if info, err := os.Stat(path); err == nil && info.IsDir() || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// tortureLine is the width of the line that shows progress.
const tortureLine = 78

func overwriteTorture(w io.Writer) func(torture.Progress) {
	return func(p torture.Progress) {
		const width = 20
		full := int(p.Share * width)
		cycle := fmt.Sprintf("%s %d", p.Experiment, p.Cycle+1)
		if p.Cycles > 0 {
			cycle += fmt.Sprintf(" of %d", p.Cycles)
		}
		text := fmt.Sprintf("[%s%s] %3.0f%%  %s, %s", strings.Repeat("#", full), strings.Repeat(".", width-full), p.Share*100, cycle, p.Elapsed.Round(time.Second))
		if p.Left > 0 {
			text += fmt.Sprintf(", %s left", p.Left.Round(time.Second))
		}
		_, _ = fmt.Fprintf(w, "\r%-*.*s", tortureLine, tortureLine, text)
	}
}

// tortureTable has, for people, a row for each note: some are long.
func tortureTable(r torture.Report, format string) *table {
	t := &table{head: []string{"EXPERIMENT", "VERDICT", "CYCLES", "SENT", "LOST", "DUPLICATED", "TIME", "NOTES"}}
	for _, e := range r.Experiments {
		notes := e.Notes
		if format == "csv" || len(notes) == 0 {
			notes = []string{strings.Join(notes, "; ")}
		}
		t.add(e.Experiment, e.Verdict, fmt.Sprint(e.Cycles), fmt.Sprint(e.Sent), fmt.Sprint(e.Lost), fmt.Sprint(e.Duplicated),
			fmt.Sprintf("%.1fs", e.Seconds), notes[0])
		for _, n := range notes[1:] {
			t.add("", "", "", "", "", "", "", n)
		}
	}
	return t
}

// tortureVerdict says what is wrong and turns it into how the command ends.
func tortureVerdict(stderr io.Writer, r torture.Report) error {
	failed, storage := false, ""
	if r.Storage == "postgres" {
		storage = " --storage …"
	}
	for _, e := range r.Experiments {
		for _, f := range e.Faults {
			_, _ = fmt.Fprintf(stderr, "nexusctl: %s: %s\n", e.Experiment, f)
		}
		if e.Verdict == torture.Failed {
			failed = true
			_, _ = fmt.Fprintf(stderr, "nexusctl: again: nexusctl torture --only %s --cycles %d --seed %d%s\n", e.Experiment, e.Cycles+1, r.Seed, storage)
		}
	}
	if r.Kept != "" {
		_, _ = fmt.Fprintf(stderr, "nexusctl: what was made is still in %s\n", r.Kept)
	}
	switch {
	case failed:
		return &quietError{exitThreshold}
	case r.Interrupted:
		_, _ = fmt.Fprintln(stderr, "nexusctl: interrupted; its daemons are ended")
		return &quietError{exitInterrupted}
	}
	return nil
}
