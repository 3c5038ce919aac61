package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/backup"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/storage/dump"
)

func backupCommand() *cli.Command {
	return &cli.Command{
		Name: "backup", Usage: "write the store and the log to one file, while the daemon runs",
		ArgsUsage: "FILE",
		Description: `Takes the store, SQLite or Postgres, as of one moment, and the log of the data
directory, which knows what producers have sent. Writers wait for nothing. FILE must
not exist; - is standard output. It gets its name once it is whole and on the disk.

Secrets are not in it: keep nexus.toml and files of keys apart. It is not encrypted.

Examples:
   nexusctl backup /backup/nexus-$(date +%F).nxb
   nexusctl backup - | age -r "$RECIPIENT" > nexus.nxb.age
   nexusctl backup --storage postgres://nexus@db/nexus --without-log nexus.nxb
   nexusctl backup verify nexus.nxb`,
		Flags: settingFlags(outputFlag(), quietFlag(),
			&cli.BoolFlag{Name: "without-log", Usage: "leave the log out: what is not in the store yet, and who sent what, is then not in the backup"}),
		Action: takeBackup,
		Subcommands: []*cli.Command{{
			Name: "verify", Usage: "read a backup to its end and say whether it is whole", ArgsUsage: "FILE",
			Description: `Checks every byte against its checksums, every part against the manifest, and
every row's form. - is standard input. The exit code is 1 where something is wrong.

Examples:
   nexusctl backup verify /backup/nexus-2026-11-28.nxb
   nexusctl backup verify -o json - < nexus.nxb`,
			Flags: []cli.Flag{outputFlag(), quietFlag()}, Action: verifyBackup,
		}},
	}
}

func quietFlag() cli.Flag {
	return &cli.BoolFlag{Name: "quiet", Usage: "do not say how far the work is"}
}

// fileArgument returns the one argument.
func fileArgument(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", usage("name one file; - is a pipe")
	}
	return c.Args().First(), nil
}

func storeOf(cfg *config.Config) dump.Config {
	return dump.Config{URL: cfg.Storage.URL, DataDir: cfg.Server.DataDir, Password: cfg.Storage.Password.Reveal()}
}

func takeBackup(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	path, err := fileArgument(c)
	if err != nil {
		return err
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	p := newProgress(c.App.ErrWriter, "backup", c.Bool("quiet"))
	o := backup.Options{
		Storage: storeOf(&settings.Config), DataDir: settings.Config.Server.DataDir, Version: versionString(),
		WithoutLog: c.Bool("without-log"), Progress: p.show,
	}
	var r backup.Report
	if path == "-" {
		if isTerminal(c.App.Writer) {
			return usage("a backup is no text for a terminal: name a file, or pipe it")
		}
		r, err = backup.Take(ctx, o, c.App.Writer)
	} else {
		r, err = backup.TakeFile(ctx, o, path)
	}
	p.end()
	if err != nil {
		return err
	}
	if path == "-" { // what is said must not be in the backup
		return emit(c.App.ErrWriter, format, showBackup(r), backupTable(r))
	}
	return emit(c.App.Writer, format, showBackup(r), backupTable(r))
}

func verifyBackup(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	path, err := fileArgument(c)
	if err != nil {
		return err
	}
	in, size, err := openBackup(c, path)
	if err != nil {
		return err
	}
	defer in.Close()
	ctx, stop := interruptible(c.Context)
	defer stop()
	p := newProgress(c.App.ErrWriter, "verify", c.Bool("quiet"))
	r, err := backup.Verify(ctx, in, func(read int64) { p.show(read, size) })
	p.end()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return emit(c.App.Writer, format, showBackup(r), backupTable(r))
}

// openBackup opens a file, or takes standard input, whose size is not known.
func openBackup(c *cli.Context, path string) (in io.ReadCloser, size int64, err error) {
	if path == "-" {
		return io.NopCloser(c.App.Reader), 0, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open the backup: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open the backup: %s is no file", path)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// backupBody is what -o json prints of a backup.
type backupBody struct {
	Made    string    `json:"made"`
	By      string    `json:"by"`
	Backend string    `json:"backend"`
	Store   string    `json:"store"`
	Schema  int64     `json:"schema"`
	Series  int64     `json:"series"`
	Rows    int64     `json:"rows"`
	Parts   int       `json:"parts"`
	Content int64     `json:"content_bytes"`
	Bytes   int64     `json:"bytes"`
	Seconds float64   `json:"seconds"`
	Log     *logState `json:"log,omitempty"`
}

// logState is where a backup's log stands.
type logState struct {
	Writer   string `json:"writer"`
	Position uint64 `json:"stored_up_to"`
	End      uint64 `json:"end"`
}

func showBackup(r backup.Report) backupBody {
	b := backupBody{
		Made: r.Header.Made.Format(time.RFC3339Nano), By: r.Header.By, Backend: r.Header.Backend, Store: r.Header.Store,
		Schema: r.Header.Schema[len(r.Header.Schema)-1], Series: r.Manifest.Rows("series"), Parts: len(r.Manifest.Parts),
		Content: r.Manifest.Bytes(), Bytes: r.Bytes, Seconds: r.Took.Seconds(),
	}
	for _, p := range r.Manifest.Parts {
		b.Rows += p.Rows
	}
	if l := r.Manifest.Log; l != nil {
		b.Log = &logState{l.Writer, l.Position, l.End}
	}
	return b
}

func backupTable(r backup.Report) *table {
	b := showBackup(r)
	t := &table{head: []string{"WHAT", "FOUND"}}
	t.add("as of", b.Made)
	t.add("store", b.Store+", "+b.Backend+", schema "+strconv.FormatInt(b.Schema, 10))
	t.add("series", strconv.FormatInt(b.Series, 10))
	t.add("rows", strconv.FormatInt(b.Rows, 10))
	if b.Log != nil {
		t.add("log", fmt.Sprintf("%s, up to %d; the store has it up to %d", b.Log.Writer, b.Log.End, b.Log.Position))
	} else {
		t.add("log", "none")
	}
	t.add("size", fmt.Sprintf("%s of %s, in %d parts", humanize.IBytes(uint64(b.Bytes)), humanize.IBytes(uint64(b.Content)), b.Parts))
	t.add("took", r.Took.Round(time.Millisecond).String())
	return t
}
