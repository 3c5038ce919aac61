package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/cmd/nexusctl/machine"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/storage/migrate"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look at this machine and say what to change, and why",
		Description: `Looks at limits, memory, disk, kernel, clock, settings, store and daemon. It writes
a small file into the data directory, to time the disk, and removes it. The exit
code is 1 where something must change before the daemon can work.

Examples:
   nexusctl doctor
   nexusctl doctor --data-dir /var/lib/nexusctl -o json`,
		Flags:  settingFlags(serverFlag(), outputFlag()),
		Action: doctor,
	}
}

func doctor(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	settings, serr := loadSettings(c)
	if settings == nil {
		return serr
	}
	cfg := &settings.Config
	findings := append(machine.Judge(machine.Read(cfg.Server.DataDir, cfg.Server.MaxConnections)),
		settingsFinding(settings, serr), storeFinding(c.Context, cfg), daemonFinding(c))
	t := &table{head: []string{"CHECK", "STATUS", "FOUND", "CHANGE", "WHY"}}
	failed := 0
	for _, f := range findings {
		t.add(f.Check, string(f.Status), f.Found, f.Change, f.Why)
		if f.Status == machine.Fail {
			failed++
		}
	}
	if format == "table" {
		err = printFindings(c, findings)
	} else {
		err = emit(c.App.Writer, format, findings, t)
	}
	if err == nil && failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(findings))
	}
	return err
}

// printFindings writes advice under what it is about: a table would be as wide
// as the longest of it.
func printFindings(c *cli.Context, list []machine.Finding) error {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%-7s %-22s %s\n", f.Status, f.Check, printable(f.Found))
		if f.Change != "" {
			fmt.Fprintf(&b, "%30s change: %s\n%30s why:    %s\n", "", printable(f.Change), "", printable(f.Why))
		}
	}
	_, err := c.App.Writer.Write([]byte(b.String()))
	return err
}

func settingsFinding(r *config.Resolved, err error) machine.Finding {
	f := machine.Finding{Check: "settings", Status: machine.OK, Found: r.Path}
	switch {
	case err != nil:
		f.Status, f.Found = machine.Fail, strings.ReplaceAll(err.Error(), "\n", "; ")
		f.Change, f.Why = "mend them; `nexusctl config validate` lists them", "the daemon refuses to start on settings it would have to guess"
	case len(r.Warnings) > 0:
		f.Status, f.Found = machine.Warn, strings.Join(r.Warnings, "; ")
		f.Change, f.Why = "rename the variable, or take it away", "it looks like a setting and does nothing"
	case r.Path == "":
		f.Found = "no file: defaults, environment and flags"
	}
	return f
}

// storePatience bounds the look at a store that does not answer.
const storePatience = 5 * time.Second

// storeFinding asks Postgres for its schema; SQLite is part of the disk.
func storeFinding(ctx context.Context, c *config.Config) machine.Finding {
	f := machine.Finding{Check: "store", Status: machine.OK}
	if strings.HasPrefix(c.Storage.URL, "sqlite:") {
		f.Found = "SQLite in the data directory"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	v, err := schemaVersion(ctx, c)
	if err != nil {
		f.Status, f.Found = machine.Fail, err.Error()
		f.Change, f.Why = "start Postgres, or mend storage.url and DATABASE_PASSWORD", "what arrives stays in the log until the store answers"
		return f
	}
	f.Found = fmt.Sprintf("Postgres, schema %d", v)
	return f
}

func schemaVersion(ctx context.Context, c *config.Config) (int64, error) {
	m, err := migrate.Open(ctx, c.Storage.URL, c.Server.DataDir, c.Storage.Password.Reveal())
	if err != nil {
		return 0, err
	}
	v, err := m.Version(ctx)
	return v, errors.Join(err, m.Close())
}

// daemonFinding asks the daemon. One that does not run is no fault: doctor is
// for before the first start too.
func daemonFinding(c *cli.Context) machine.Finding {
	f := machine.Finding{Check: "daemon", Status: machine.OK}
	h, err := dialServer(c)
	if err == nil {
		ctx, cancel := context.WithTimeout(c.Context, storePatience)
		defer cancel()
		s, serr := h.Status(ctx, true)
		err = serr
		f.Found = s.Status + ", version " + s.Version
		if len(s.Reasons) > 0 {
			f.Status, f.Found = machine.Fail, s.Reasons[0].Detail
			f.Change, f.Why = "see `nexusctl health-check` and the daemon's log", "it cannot take and keep data now"
		}
	}
	if err != nil {
		f.Status, f.Found = machine.Unknown, "none answers at "+c.String("server")
	}
	return f
}
