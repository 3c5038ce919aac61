package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon"
	"example.com/nexusctl/daemon/config"
)

func daemonCommand() *cli.Command {
	return &cli.Command{
		Name:  "daemon",
		Usage: "take metrics, keep them, answer for them",
		Description: `Serves TCP lines, JSON lines and HTTP on one port until SIGINT or SIGTERM,
then stores what was sent and exits 0. A second signal ends it at once; what was
not stored by then is in the log and is stored at the next start.

Settings come from, in rising order: defaults, nexus.toml, the environment, flags.

Examples:
   nexusctl daemon
   nexusctl daemon --port 9090 --data-dir /var/lib/nexusctl
   nexusctl daemon --storage postgres://nexus@localhost/nexus
   NEXUS_AGGREGATE_RESOLUTION=1s nexusctl daemon --config ./nexus.toml`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "read settings from `FILE`"},
			&cli.IntFlag{Name: "port", Usage: "listen on this `PORT` of the configured address"},
			&cli.StringFlag{Name: "listen", Usage: "listen on `HOST:PORT` (server.listen)"},
			&cli.StringFlag{Name: "data-dir", Usage: "keep log and SQLite files in `DIR` (server.data_dir)"},
			&cli.StringFlag{Name: "storage", Usage: "store at `URL`, sqlite:FILE or postgres://… (storage.url)"},
			&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error (log.level)"},
			&cli.StringSliceFlag{Name: "set", Usage: "any setting, as `SECTION.KEY=VALUE`; may be repeated"},
		},
		Action: runDaemon,
	}
}

func runDaemon(c *cli.Context) error {
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	logger := newLogger(c.App.ErrWriter, cfg.Log)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)

	d, err := startDaemon(c.Context, cfg, logger, signals)
	if err != nil || d == nil {
		return err
	}
	var failure error
	select {
	case sig := <-signals:
		logger.Info("stopping", "signal", sig.String(), "timeout", cfg.Server.ShutdownTimeout.String())
	case failure = <-d.Failed():
		logger.Error("stopping after a failure", "error", failure)
	case <-c.Context.Done():
	}
	return errors.Join(failure, stopDaemon(d, cfg, logger, signals))
}

// startDaemon gives up a start that a signal interrupts; d is nil then.
func startDaemon(ctx context.Context, cfg config.Config, logger *slog.Logger, signals <-chan os.Signal) (*daemon.Daemon, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		d   *daemon.Daemon
		err error
	}
	started := make(chan result, 1)
	go func() {
		d, err := daemon.Start(ctx, daemon.Options{Config: cfg, Logger: logger, Version: versionString()})
		started <- result{d, err}
	}()
	select {
	case r := <-started:
		return r.d, r.err
	case sig := <-signals:
		logger.Info("start interrupted", "signal", sig.String())
		cancel()
		r := <-started
		if r.d != nil {
			return nil, stopDaemon(r.d, cfg, logger, signals)
		}
		return nil, nil
	}
}

// stopDaemon stops within the configured time; a second signal ends it now.
func stopDaemon(d *daemon.Daemon, cfg config.Config, logger *slog.Logger, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cfg.Server.ShutdownTimeout))
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Stop(ctx) }()
	select {
	case err := <-stopped:
		return err
	case sig := <-signals:
		logger.Warn("a second signal: ending now; what is not stored is in the log", "signal", sig.String())
		return errForced
	}
}

var errForced = errors.New("ended by a second signal before everything was stored")

func loadConfig(c *cli.Context) (config.Config, error) {
	flags := map[string]string{}
	for flag, key := range map[string]string{
		"listen": "server.listen", "data-dir": "server.data_dir", "storage": "storage.url", "log-level": "log.level",
	} {
		if c.IsSet(flag) {
			flags[key] = c.String(flag)
		}
	}
	if err := settingFlags(c.StringSlice("set"), flags); err != nil {
		return config.Config{}, err
	}
	if c.IsSet("port") {
		flags[config.PortFlag] = strconv.Itoa(c.Int("port"))
	}
	cfg, err := config.Load(config.Source{Path: c.String("config"), Flags: flags})
	if err != nil {
		return cfg, &configError{err}
	}
	return cfg, nil
}

// configError marks faults of the configuration, which have an exit code of
// their own.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }

func settingFlags(settings []string, flags map[string]string) error {
	for _, s := range settings {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return &configError{fmt.Errorf("--set %q: write SECTION.KEY=VALUE, such as ingest.max_series=1000", s)}
		}
		flags[key] = value
	}
	return nil
}

func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" || (c.Format == "auto" && !isTerminal(w)) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
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
