package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/client"
)

func metricCommand() *cli.Command {
	return &cli.Command{
		Name:  "metric",
		Usage: "describe a metric, or delete it",
		Description: `Examples:
   nexusctl metric describe http.requests --description 'answered requests' --unit requests
   nexusctl metric delete http.requests --tag env:test --dry-run`,
		Subcommands: []*cli.Command{
			{
				Name: "describe", Usage: "say what a metric is, and in which unit", ArgsUsage: "NAME",
				Description: `GET /api/v1/metrics/NAME and Prometheus's metadata show it. What is not given is
kept as it is.

Examples:
   nexusctl metric describe http.requests --description 'answered requests' --unit requests
   nexusctl metric describe http.requests --unit ''`,
				Flags: []cli.Flag{
					serverFlag(), outputFlag(),
					&cli.StringFlag{Name: "description", Usage: "`TEXT` for people"},
					&cli.StringFlag{Name: "unit", Usage: "`UNIT`, such as seconds or bytes"},
				},
				Action: asking(describeMetric),
			},
			{
				Name: "delete", Usage: "delete a metric's series with everything stored of them", ArgsUsage: "NAME",
				Description: `The name is as sent. --tag and --match, which may come several times, narrow what
is deleted; all have to match. What was sent before is deleted in every
resolution, and cannot be had back; what is sent later is a new series. The
ledger does not change. Without --yes it asks.

Examples:
   nexusctl metric delete http.requests --dry-run
   nexusctl metric delete http.requests --tag env:test --yes
   nexusctl metric delete http.requests --match '{host=~"web-old.*"}' --yes`,
				Flags: []cli.Flag{
					serverFlag(), outputFlag(),
					&cli.StringSliceFlag{Name: "tag", Usage: "only series with this tag, `KEY:VALUE`"},
					&cli.StringSliceFlag{Name: "match", Usage: "only series that the `SELECTOR` takes, such as {host=~\"web.*\"}"},
					&cli.BoolFlag{Name: "dry-run", Usage: "say how many series would go, and delete none"},
					&cli.BoolFlag{Name: "yes", Usage: "do not ask: data is destroyed"},
				},
				Action: asking(deleteMetric),
			},
		},
	}
}

func metricArg(c *cli.Context) (string, error) {
	if c.NArg() != 1 || c.Args().First() == "" {
		return "", usage("%s takes one NAME", c.Command.HelpName)
	}
	return c.Args().First(), nil
}

func describeMetric(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error) {
	name, err := metricArg(c)
	if err != nil {
		return answer{}, err
	}
	if !c.IsSet("description") && !c.IsSet("unit") {
		return answer{}, usage("say what with --description, --unit or both")
	}
	now, err := h.Metric(ctx, name)
	if err != nil {
		return answer{}, err
	}
	if c.IsSet("description") {
		now.Description = c.String("description")
	}
	if c.IsSet("unit") {
		now.Unit = c.String("unit")
	}
	d, err := h.Describe(ctx, name, now.Description, now.Unit)
	t := &table{head: []string{"NAME", "UNIT", "DESCRIPTION"}}
	t.add(name, d.Unit, d.Description)
	return answer{data: d, table: t}, err
}

func deleteMetric(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error) {
	name, err := metricArg(c)
	if err != nil {
		return answer{}, err
	}
	filter := url.Values{"tag": c.StringSlice("tag"), "match": c.StringSlice("match"), "dry_run": {"true"}}
	would, err := h.Delete(ctx, name, filter)
	if err != nil {
		return answer{}, err
	}
	t := &table{head: []string{"NAME", "SERIES", "DELETED"}}
	if c.Bool("dry-run") {
		t.add(name, strconv.Itoa(would.Series), "no: a dry run")
		return answer{data: would, table: t}, nil
	}
	if !c.Bool("yes") {
		if err := confirm(c, fmt.Sprintf("This deletes %d series of %s with everything stored of them.", would.Series, name)); err != nil {
			return answer{}, err
		}
	}
	filter.Del("dry_run")
	deleted := 0
	for {
		d, err := h.Delete(ctx, name, filter)
		deleted += d.Series
		if err != nil {
			return answer{}, fmt.Errorf("after %d series: %w", deleted, err)
		}
		if d.More {
			continue
		}
		d.Series = deleted
		t.add(name, strconv.Itoa(deleted), "yes")
		return answer{data: d, table: t}, nil
	}
}

// confirm asks a person for a yes; where nobody can be asked, --yes has to say it.
func confirm(c *cli.Context, what string) error {
	in, ok := c.App.Reader.(*os.File)
	if !ok || !isTerminal(in) {
		return usage("%s Say so with --yes, or look first with --dry-run", what)
	}
	if _, err := fmt.Fprintf(c.App.ErrWriter, "%s Go on? [y/N] ", what); err != nil {
		return err
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if a := strings.ToLower(strings.TrimSpace(line)); a != "y" && a != "yes" {
		return errors.New("nothing was deleted")
	}
	return nil
}
