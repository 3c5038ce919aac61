package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "show, check and reload the daemon's settings",
		Description: `Examples:
   nexusctl config show
   nexusctl config show --running -o json
   nexusctl config validate ./nexus.toml
   nexusctl config reload`,
		Subcommands: []*cli.Command{
			{
				Name: "show", Usage: "print every setting, its value, and what set it",
				Description: `Reads file, environment and flags as ` + "`nexusctl daemon`" + ` would. Secrets are hidden.

Examples:
   nexusctl config show
   PORT=9090 nexusctl config show --port 9091 -o json
   nexusctl config show --running`,
				Flags: settingFlags(outputFlag(),
					&cli.BoolFlag{Name: "running", Usage: "ask the running daemon of the data directory"}),
				Action: configShow,
			},
			{
				Name: "validate", Usage: "check the settings and list every fault", ArgsUsage: "[FILE]",
				Description: `The exit code is 3 where there is a fault.

Examples:
   nexusctl config validate
   nexusctl config validate /etc/nexusctl/nexus.toml`,
				Flags: settingFlags(), Action: configValidate,
			},
			{
				Name: "reload", Usage: "have the running daemon read its settings again",
				Description: `Prints what took effect and what waits for the next start. A fault in the
settings leaves the daemon as it was; the exit code is 3 then.

Examples:
   nexusctl config reload
   nexusctl config reload --data-dir /var/lib/nexusctl`,
				Flags: settingFlags(outputFlag()), Action: configReload,
			},
		},
	}
}

func configShow(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	settings, err := shownSettings(c)
	if err != nil {
		return err
	}
	t := &table{head: []string{"KEY", "VALUE", "LAYER", "FROM"}}
	for _, s := range settings {
		t.add(s.Key, s.Value, s.Layer, s.Origin)
	}
	return emit(c.App.Writer, format, settings, t)
}

// shownSettings returns the settings that this command line gives, or those of
// the daemon that runs.
func shownSettings(c *cli.Context) ([]api.Setting, error) {
	resolved, err := loadSettings(c)
	if err != nil {
		return nil, err
	}
	if c.Bool("running") {
		ctx, stop := interruptible(c.Context)
		defer stop()
		return client.NewAdmin(resolved.Config.Server.DataDir).Settings(ctx)
	}
	for _, w := range resolved.Warnings {
		_, _ = fmt.Fprintln(c.App.ErrWriter, "warning:", w)
	}
	return resolved.Settings(), nil
}

func configValidate(c *cli.Context) error {
	switch {
	case c.NArg() > 1:
		return usage("validate takes one file")
	case c.NArg() == 1:
		if err := c.Set("config", c.Args().First()); err != nil {
			return err
		}
	}
	resolved, err := loadSettings(c)
	if err != nil {
		return err
	}
	for _, w := range resolved.Warnings {
		_, _ = fmt.Fprintln(c.App.ErrWriter, "warning:", w)
	}
	from := resolved.Path
	if from == "" {
		from = "no file: defaults, environment and flags"
	}
	_, err = fmt.Fprintf(c.App.Writer, "valid (%s)\n", from)
	return err
}

func configReload(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	resolved, err := loadSettings(c)
	if err != nil && resolved == nil {
		return err // else the daemon says what is wrong: it reads its own command line
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	r, err := client.NewAdmin(resolved.Config.Server.DataDir).Reload(ctx)
	var problem *client.ProblemError
	if errors.As(err, &problem) {
		return &configError{fmt.Errorf("the daemon goes on as it was:\n%s", problem.Detail)}
	}
	if err != nil {
		return err
	}
	return emit(c.App.Writer, format, r, reloadTable(r))
}

func reloadTable(r api.ReloadResult) *table {
	t := &table{head: []string{"RESULT", "KEYS"}}
	list := func(keys []string) string {
		if len(keys) == 0 {
			return "none"
		}
		return strings.Join(keys, ", ")
	}
	t.add("took effect", list(r.Changed))
	t.add("wait for a restart", list(r.Waiting))
	return t
}
