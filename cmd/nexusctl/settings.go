package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/config"
)

// settingFlags are the flags of every command that reads the daemon's
// settings.
func settingFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "read settings from `FILE`"},
		&cli.IntFlag{Name: "port", Usage: "listen on this `PORT` of the configured address"},
		&cli.StringFlag{Name: "listen", Usage: "listen on `HOST:PORT` (server.listen)"},
		&cli.StringFlag{Name: "data-dir", Usage: "keep log and SQLite files in `DIR` (server.data_dir)"},
		&cli.StringFlag{Name: "storage", Usage: "store at `URL`, sqlite:FILE or postgres://… (storage.url)"},
		&cli.StringFlag{Name: "log-level", Usage: "debug, info, warn or error, and component=level behind a comma (log.level)"},
		&cli.StringSliceFlag{Name: "set", Usage: "any setting, as `SECTION.KEY=VALUE`; may be repeated"},
	}, more...)
}

// flagKeys are the flags that stand for a setting.
var flagKeys = map[string]string{
	"listen": "server.listen", "data-dir": "server.data_dir", "storage": "storage.url", "log-level": "log.level",
}

// settingsReader returns a function that reads the settings of a command line,
// now and again at a reload.
func settingsReader(c *cli.Context) func() (*config.Resolved, error) {
	flags := map[string]string{}
	for flag, key := range flagKeys {
		if c.IsSet(flag) {
			flags[key] = c.String(flag)
		}
	}
	if c.IsSet("port") {
		flags[config.PortFlag] = strconv.Itoa(c.Int("port"))
	}
	var bad error
	for _, s := range c.StringSlice("set") {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			bad = fmt.Errorf("--set %q: write SECTION.KEY=VALUE, such as ingest.max_series=1000", s)
		}
		flags[key] = value
	}
	path := c.String("config")
	return func() (*config.Resolved, error) {
		if bad != nil {
			return nil, &configError{bad}
		}
		r, err := config.Resolve(config.Source{Path: path, Flags: flags})
		if err != nil {
			return r, &configError{err}
		}
		return r, nil
	}
}

func loadSettings(c *cli.Context) (*config.Resolved, error) { return settingsReader(c)() }

// configError marks faults of the configuration, which have an exit code of
// their own.
type configError struct{ error }

func (e *configError) Unwrap() error { return e.error }
