package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/storage/migrate"
)

func migrateCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "read settings from `FILE`"},
			&cli.StringFlag{Name: "data-dir", Usage: "the daemon's data `DIR` (server.data_dir)"},
			&cli.StringFlag{Name: "storage", Usage: "the store's `URL` (storage.url)"},
			outputFlag(),
		}, more...)
	}
	step := func(f func(m *migrate.Migrator, ctx context.Context) ([]migrate.Step, error)) cli.ActionFunc {
		return func(c *cli.Context) error { return runMigration(c, f) }
	}
	return &cli.Command{
		Name:  "migrate",
		Usage: "bring the store's schema up or down",
		Description: `The daemon brings an older schema up by itself. Stop it before going down.

Examples:
   nexusctl migrate status
   nexusctl migrate up --storage postgres://nexus@localhost/nexus
   nexusctl migrate down --all --yes`,
		Subcommands: []*cli.Command{
			{Name: "status", Usage: "list migrations and whether they are applied", Flags: flags(), Action: step((*migrate.Migrator).Status)},
			{Name: "plan", Usage: "list what `migrate up` would apply", Flags: flags(), Action: step(plan)},
			{Name: "up", Usage: "apply what is missing", Flags: flags(), Action: step((*migrate.Migrator).Up)},
			{
				Name: "down", Usage: "take the newest migration back; its data goes",
				Flags: flags(
					&cli.BoolFlag{Name: "all", Usage: "take every migration back"},
					&cli.BoolFlag{Name: "yes", Usage: "do it: data is destroyed"},
				),
				Action: migrateDown,
			},
			{
				Name: "redo", Usage: "take the newest migration back and apply it again; its data goes",
				Flags:  flags(&cli.BoolFlag{Name: "yes", Usage: "do it: data is destroyed"}),
				Action: confirmed(step((*migrate.Migrator).Redo)),
			},
		},
	}
}

func plan(m *migrate.Migrator, ctx context.Context) ([]migrate.Step, error) {
	all, err := m.Status(ctx)
	var missing []migrate.Step
	for _, s := range all {
		if !s.Applied {
			missing = append(missing, s)
		}
	}
	return missing, err
}

func migrateDown(c *cli.Context) error {
	f := (*migrate.Migrator).Down
	if c.Bool("all") {
		f = (*migrate.Migrator).DownToNothing
	}
	return confirmed(func(c *cli.Context) error { return runMigration(c, f) })(c)
}

// confirmed refuses to destroy data that nobody said may go.
func confirmed(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if !c.Bool("yes") {
			return usage("this destroys the store's data; say so with --yes")
		}
		return action(c)
	}
}

func runMigration(c *cli.Context, f func(m *migrate.Migrator, ctx context.Context) ([]migrate.Step, error)) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	cfg := &settings.Config
	ctx, stop := interruptible(c.Context)
	defer stop()
	m, err := migrate.Open(ctx, cfg.Storage.URL, cfg.Server.DataDir, cfg.Storage.Password.Reveal())
	if err != nil {
		return err
	}
	steps, err := f(m, ctx)
	if err := errors.Join(err, m.Close()); err != nil {
		return err
	}
	t := &table{head: []string{"VERSION", "MIGRATION", "APPLIED"}}
	for _, s := range steps {
		t.add(strconv.FormatInt(s.Version, 10), s.Name, strconv.FormatBool(s.Applied))
	}
	return emit(c.App.Writer, format, steps, t)
}
