package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
	"example.com/nexusctl/daemon/logs"
)

func daemonCommand() *cli.Command {
	return &cli.Command{
		Name:  "daemon",
		Usage: "take metrics, keep them, answer for them",
		Description: `Serves TCP lines, JSON lines and HTTP on one port until SIGINT or SIGTERM,
then stores what was sent and exits 0. A second signal ends it at once; what was
not stored by then is in the log and is stored at the next start.

Settings come from, in rising order: defaults, nexus.toml, the environment, flags.
They are read again at SIGHUP and when the file changes.

Examples:
   nexusctl daemon
   nexusctl daemon --port 9090 --data-dir /var/lib/nexusctl
   nexusctl daemon --storage postgres://nexus@localhost/nexus
   NEXUS_AGGREGATE_RESOLUTION=1s nexusctl daemon --config ./nexus.toml`,
		Flags:  settingFlags(),
		Action: runDaemon,
	}
}

func runDaemon(c *cli.Context) error {
	read := settingsReader(c)
	settings, err := read()
	if err != nil {
		return err
	}
	log, err := newLog(c.App.ErrWriter, settings.Config.Log)
	if err != nil {
		return err
	}
	for _, w := range settings.Warnings {
		log.Warn(w, logs.Component, "config")
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)

	o := daemon.Options{Settings: settings, Read: read, Log: log, Version: versionString()}
	d, err := startDaemon(c.Context, o, signals)
	if err != nil || d == nil {
		return err
	}
	return errors.Join(serve(c.Context, d, log, signals, reloads), stopDaemon(d, log, signals))
}

// serve waits for what ends the daemon and returns the failure, if it was one.
func serve(ctx context.Context, d *daemon.Daemon, log *logs.Log, signals, reloads <-chan os.Signal) error {
	for {
		select {
		case sig := <-signals:
			log.Info("stopping", "signal", sig.String(), "timeout", d.Config().Server.ShutdownTimeout.String())
			return nil
		case <-reloads:
			_, _ = d.Reload(ctx) // the daemon logs and counts it
		case err := <-d.Failed():
			log.Error("stopping after a failure", "error", err)
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// startDaemon gives up a start that a signal interrupts; d is nil then.
func startDaemon(ctx context.Context, o daemon.Options, signals <-chan os.Signal) (*daemon.Daemon, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		d   *daemon.Daemon
		err error
	}
	started := make(chan result, 1)
	go func() {
		d, err := daemon.Start(ctx, o)
		started <- result{d, err}
	}()
	select {
	case r := <-started:
		return r.d, r.err
	case sig := <-signals:
		o.Log.Info("start interrupted", "signal", sig.String())
		cancel()
		r := <-started
		if r.d != nil {
			return nil, stopDaemon(r.d, o.Log, signals)
		}
		return nil, nil
	}
}

// stopDaemon stops within the configured time; a second signal ends it now.
func stopDaemon(d *daemon.Daemon, log *logs.Log, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(d.Config().Server.ShutdownTimeout))
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Stop(ctx) }()
	select {
	case err := <-stopped:
		return err
	case sig := <-signals:
		log.Warn("a second signal: ending now; what is not stored is in the log", "signal", sig.String())
		return errForced
	}
}

var errForced = errors.New("ended by a second signal before everything was stored")

func newLog(w io.Writer, c config.Log) (*logs.Log, error) {
	levels, err := logs.ParseLevels(c.Level)
	if err != nil {
		return nil, &configError{err}
	}
	return logs.New(w, c.Format == "json" || (c.Format == "auto" && !isTerminal(w)), levels), nil
}

// isTerminal reports whether w is a character device.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
