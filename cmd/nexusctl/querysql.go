package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/query"
)

// sqlFlags are the flags by which query prints SQL instead of asking.
func sqlFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "sql", Usage: "print the SQL that shows the metric in sqlite3 or psql, and ask nobody"},
		&cli.StringFlag{Name: "config", Usage: "with --sql: read settings from `FILE`"},
		&cli.StringFlag{Name: "storage", Usage: "with --sql: the store's `URL` (storage.url)"},
	}
}

// queryOrSQL asks a daemon, or prints what a person could ask the store.
func queryOrSQL(c *cli.Context) error {
	switch {
	case c.Bool("sql") && c.Bool("watch"):
		return usage("--sql asks nobody: there is nothing to --watch")
	case c.Bool("watch"):
		return watchQuery(c)
	case !c.Bool("sql"):
		return asking(promQuery)(c)
	}
	if c.NArg() != 1 {
		return usage("query takes one expression; quote it where it holds spaces")
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	now := time.Now()
	r := query.SQLRange{Step: c.Duration("step"), Now: now}
	if r.To, err = parseTime(c.String("to"), now, now); err != nil {
		return usage("--to: %v", err)
	}
	if r.From, err = parseTime(c.String("from"), now, r.To.Add(-time.Hour)); err != nil {
		return usage("--from: %v", err)
	}
	database := "postgres"
	if strings.HasPrefix(settings.Config.Storage.URL, "sqlite:") {
		database = "sqlite"
	}
	text, err := query.SQL(c.Args().First(), database, r)
	var expr *query.ExprError
	if errors.Is(err, query.ErrNoSQL) || errors.As(err, &expr) {
		return usage("%v", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.Writer, text)
	return err
}
