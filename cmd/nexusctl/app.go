package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/urfave/cli/v2"
)

// run is the program as a function: what it says goes to the writers, how it
// ended is the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &watchedWriter{w: stdout}
	app := newApp(stdin, out, stderr)
	err := app.RunContext(ctx, reorder(app, args))
	if err == nil && out.err != nil {
		err = fmt.Errorf("write the output: %w", out.err)
	}
	if err == nil {
		return exitOK
	}
	code := exitCode(err)
	var quiet *quietError
	if !errors.As(err, &quiet) {
		_, _ = fmt.Fprintln(stderr, "nexusctl:", err)
	}
	return code
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	return &cli.App{
		Name:                   "nexusctl",
		Usage:                  "telemetry for people who run services",
		Version:                versionString(),
		HideVersion:            true,
		Reader:                 stdin,
		Writer:                 stdout,
		ErrWriter:              stderr,
		EnableBashCompletion:   true,
		Suggest:                true,
		UseShortOptionHandling: false,
		ExitErrHandler:         func(*cli.Context, error) {}, // run maps errors to codes, once
		OnUsageError:           usageFault,
		CommandNotFound:        nil,
		Action:                 unknownCommand,
		Commands: withUsageFaults([]*cli.Command{
			initCommand(),
			daemonCommand(),
			topCommand(),
			sloCommand(),
			sendCommand(),
			queryCommand(),
			metricCommand(),
			ledgerCommand(),
			loadgenCommand(),
			benchCommand(),
			tortureCommand(),
			backupCommand(),
			restoreCommand(),
			migrateCommand(),
			storageCommand(),
			logCommand(),
			deadLetterCommand(),
			configCommand(),
			healthCheckCommand(),
			doctorCommand(),
			completionCommand(),
			manCommand(),
			versionCommand(),
		}),
	}
}

// unknownCommand runs where no command was named, or none of ours.
func unknownCommand(c *cli.Context) error {
	if c.NArg() == 0 {
		return cli.ShowAppHelp(c)
	}
	name := c.Args().First()
	if near := cli.SuggestCommand(c.App.VisibleCommands(), name); near != "" {
		return usage("there is no command %q. %s", name, near)
	}
	return usage("there is no command %q; `nexusctl --help` lists them", name)
}

// withUsageFaults makes every command's flag errors usage errors.
func withUsageFaults(commands []*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.OnUsageError = usageFault
		c.Subcommands = withUsageFaults(c.Subcommands)
	}
	return commands
}

func usageFault(c *cli.Context, err error, _ bool) error {
	return usage("%v; `%s --help` shows what there is", err, c.Command.HelpName)
}

// watchedWriter remembers that output was lost: a full disk or a closed pipe
// must not look like success.
type watchedWriter struct {
	w   io.Writer
	err error
}

func (w *watchedWriter) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}
