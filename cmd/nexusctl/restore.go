package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/backup"
	"example.com/nexusctl/storage/dump"
)

func restoreCommand() *cli.Command {
	return &cli.Command{
		Name: "restore", Usage: "put a backup in place, once all of it is checked",
		ArgsUsage: "FILE",
		Description: `Writes the backup beside what is there, checks its checksums, manifest, schema, rows
and log, and only then changes the places. Stop every daemon of the store first. Either
database takes a backup of either. - is standard input.

A store that is there is refused without --force; with it, it is put aside, and its
place named. A log that is there and continues the backup's is kept, and the next start
brings back what came after the backup.

Examples:
   nexusctl restore /backup/nexus-2026-11-28.nxb
   nexusctl restore --force --storage postgres://nexus@db/nexus nexus.nxb
   age -d -i key.txt nexus.nxb.age | nexusctl restore --data-dir /var/lib/nexusctl -`,
		Flags: settingFlags(outputFlag(), quietFlag(),
			&cli.BoolFlag{Name: "force", Usage: "put a store and a log that are there aside"},
			&cli.BoolFlag{Name: "drop-old", Usage: "remove what was put aside, once all is done"}),
		Action: restoreBackup,
	}
}

func restoreBackup(c *cli.Context) error {
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
	in, size, err := openBackup(c, path)
	if err != nil {
		return err
	}
	defer in.Close()
	dir := settings.Config.Server.DataDir
	release, err := daemon.LockDataDir(dir)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	p := newProgress(c.App.ErrWriter, "restore", c.Bool("quiet"))
	r, err := backup.Restore(ctx, backup.RestoreOptions{
		Storage: storeOf(&settings.Config), DataDir: dir, Force: c.Bool("force"), DropOld: c.Bool("drop-old"),
		Progress: func(read int64) { p.show(read, size) },
	}, in)
	p.end()
	if err := errors.Join(hint(err), release()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return emit(c.App.Writer, format, showRestored(r), restoredTable(r))
}

// hint says what to do about a refusal.
func hint(err error) error {
	if errors.Is(err, dump.ErrNotEmpty) || errors.Is(err, backup.ErrLogNotEmpty) {
		return fmt.Errorf("%w; nothing was changed: --force puts it aside", err)
	}
	return err
}

// restoredBody is what -o json prints of a restore.
type restoredBody struct {
	backupBody
	LogIs   string `json:"log_is"`
	Aside   string `json:"aside,omitempty"`
	Emptied bool   `json:"aside_removed"`
}

func showRestored(r backup.Restored) restoredBody {
	return restoredBody{showBackup(r.Report), r.Log, r.Aside, r.Emptied}
}

func restoredTable(r backup.Restored) *table {
	t := backupTable(r.Report)
	switch r.Log {
	case backup.LogKept:
		t.add("log", "the one that was here continues the backup's and is kept: the next start brings back what came later")
	case backup.LogRestored:
		t.add("log", "restored")
	case backup.LogNone:
		t.add("log", "the backup has none: what producers sent is known by the store's position alone")
	}
	switch {
	case r.Emptied:
		t.add("old store", "removed")
	case r.Aside != "":
		t.add("old store", "kept aside as "+r.Aside+"; remove it when it is not needed any more")
	}
	return t
}
