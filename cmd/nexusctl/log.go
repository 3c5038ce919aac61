package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/replay"
	"example.com/nexusctl/daemon/wal"
)

func logCommand() *cli.Command {
	which := &cli.StringFlag{Name: "log", Usage: "the `UUID` of the log's directory, where the data directory has several"}
	return &cli.Command{
		Name:  "log",
		Usage: "look into the write-ahead log, check it, repair it",
		Description: `Reads the files of the data directory; the daemon need not run.

Examples:
   nexusctl log inspect
   nexusctl log verify --data-dir /var/lib/nexusctl
   nexusctl log repair --yes`,
		Subcommands: []*cli.Command{
			{
				Name: "inspect", Usage: "say what stands in the log",
				Description: `Counts segments, records, units, producers and checkpoints. --records prints the
records themselves. The daemon may run meanwhile.

Examples:
   nexusctl log inspect
   nexusctl log inspect --records --from 81920 --limit 20 -o json`,
				Flags: settingFlags(outputFlag(), which,
					&cli.BoolFlag{Name: "records", Usage: "print records, decoded"},
					&cli.Uint64Flag{Name: "from", Usage: "print records from this `POSITION` on"},
					&cli.IntFlag{Name: "limit", Usage: "print up to `N` records", Value: 100}),
				Action: inspectLog,
			},
			{
				Name: "verify", Usage: "read every byte of the log and say whether it is whole",
				Description: `Checks every frame, decodes every record, reads every checkpoint, and compares
the end with the high-water mark. Prints the first place that is damaged, and what
it concerns; the exit code is 1 then. The daemon may run meanwhile.

Examples:
   nexusctl log verify
   nexusctl log verify -o json`,
				Flags: settingFlags(outputFlag(), which), Action: verifyLog,
			},
			{
				Name: "repair", Usage: "let a damaged log be opened again, and say what that loses",
				Description: `Cuts the log at its first damage, or gives up what stands before a checkpoint
where that is enough, and lets it go on. What is cut is kept in files that begin
with "cut-"; the ledger counts it as lost from the next start on. Stop the daemon
first. Without --yes nothing is changed.

Examples:
   nexusctl log repair
   nexusctl log repair --yes`,
				Flags: settingFlags(outputFlag(), which,
					&cli.BoolFlag{Name: "yes", Usage: "do it"},
					&cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, and do nothing (the default)"}),
				Action: repairLog,
			},
		},
	}
}

// logDir finds the log's directory. There is one a store, and nearly always one
// store.
func logDir(c *cli.Context, cfg *config.Config) (string, error) {
	root := filepath.Join(cfg.Server.DataDir, "log")
	if id := c.String("log"); id != "" {
		if id != filepath.Base(id) {
			return "", usage("--log: %q is no UUID", id)
		}
		return filepath.Join(root, id), nil
	}
	entries, err := os.ReadDir(root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("find the log: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	switch len(names) {
	case 0:
		return "", fmt.Errorf("there is no log in %s; name the daemon's data directory with --data-dir", cfg.Server.DataDir)
	case 1:
		return filepath.Join(root, names[0]), nil
	}
	return "", usage("%s holds the logs of several stores; choose one with --log: %s", root, strings.Join(names, ", "))
}

// openedLog is a log that a command looks at.
type openedLog struct {
	dir    string
	survey *wal.Survey
	files  *replay.Checkpoints
}

func lookAtLog(c *cli.Context) (*openedLog, error) {
	settings, err := loadSettings(c)
	if err != nil {
		return nil, err
	}
	dir, err := logDir(c, &settings.Config)
	if err != nil {
		return nil, err
	}
	survey, err := wal.Look(dir, wal.OS)
	if err != nil {
		return nil, err
	}
	return &openedLog{dir: dir, survey: survey, files: replay.LookAtCheckpoints(wal.OS, dir)}, nil
}

// walk counts every record, and lets visit see each before it is counted. A
// record that is not understood is damage, by its place.
func (l *openedLog) walk(ctx context.Context, progress func(at wal.Position), visit func(census *replay.Census, payload []byte, at wal.Span) error) (*replay.Census, wal.Walked, error) {
	census := replay.NewCensus()
	if err := l.knowReferences(census); err != nil {
		return nil, wal.Walked{}, err
	}
	walked, err := l.survey.Walk(func(payload []byte, at wal.Span) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress(at.To)
		if err := census.Record(payload, at); err != nil {
			segment, offset := l.survey.Place(at.From)
			return &wal.CorruptError{Position: at.From, Segment: segment, Offset: offset, Reason: "a whole frame whose record is not understood: " + err.Error()}
		}
		return visit(census, payload, at)
	})
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("the log was shortened meanwhile, as it is after a checkpoint; look again: %w", err)
	}
	return census, walked, err
}

// knowReferences takes what the records at the log's beginning refer to from
// the oldest checkpoint: the log that defined it is dropped.
func (l *openedLog) knowReferences(census *replay.Census) error {
	positions, err := l.files.Positions()
	if err != nil || len(positions) == 0 || l.survey.Start() == 0 {
		return err
	}
	if p, err := l.files.Read(positions[0]); err == nil {
		return census.Know(p)
	}
	return nil
}

// span is how many positions there are to read.
func (l *openedLog) span() (from, to wal.Position) {
	from, to = l.survey.Start(), l.survey.HighWater()
	return from, max(from, to)
}

// progress shows how far a long reading is, on a terminal, once a second.
func (l *openedLog) progress(w io.Writer) (show func(at wal.Position), end func()) {
	if !isTerminal(w) {
		return func(wal.Position) {}, func() {}
	}
	from, to := l.span()
	began, last, shown := time.Now(), time.Now(), false
	show = func(at wal.Position) {
		now := time.Now()
		if now.Sub(last) < time.Second || at <= from {
			return
		}
		last, shown = now, true
		share := min(float64(at-from)/max(float64(to-from), 1), 1)
		left := time.Duration(float64(now.Sub(began)) * (1 - share) / share).Round(time.Second)
		_, _ = fmt.Fprintf(w, "\r%3.0f%%  %sB read, %s left    ", share*100, short(float64(at-from)), left)
	}
	return show, func() {
		if shown {
			_, _ = fmt.Fprintln(w)
		}
	}
}

// damageShown is damage as it is printed.
type damageShown struct {
	Position uint64 `json:"position"`
	Segment  string `json:"segment,omitempty"`
	Byte     int64  `json:"byte"`
	Reason   string `json:"reason"`
}

func showDamage(d *wal.CorruptError) *damageShown {
	if d == nil {
		return nil
	}
	return &damageShown{Position: uint64(d.Position), Segment: d.Segment, Byte: d.Offset, Reason: d.Reason}
}

func (d *damageShown) String() string {
	return fmt.Sprintf("position %d (%s, byte %d): %s", d.Position, d.Segment, d.Byte, d.Reason)
}
