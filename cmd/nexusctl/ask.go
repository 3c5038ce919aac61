package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/client"
)

// answer is what a command prints: data as JSON or YAML, a table for people
// and CSV. A fault is told after it was printed.
type answer struct {
	data  any
	table *table
	fault error
}

// asking is the action of a command that asks a daemon and prints the answer:
// the format is checked before anything is asked, and ctrl-C ends the asking.
func asking(ask func(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error)) cli.ActionFunc {
	return func(c *cli.Context) error {
		format, err := checkOutput(c)
		if err != nil {
			return err
		}
		h, err := dialServer(c)
		if err != nil {
			return err
		}
		ctx, stop := interruptible(c.Context)
		defer stop()
		a, err := ask(ctx, c, h)
		if err != nil {
			return err
		}
		if err := emit(c.App.Writer, format, a.data, a.table); err != nil {
			return err
		}
		return a.fault
	}
}
