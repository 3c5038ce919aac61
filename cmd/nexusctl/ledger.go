package main

import (
	"maps"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
)

func ledgerCommand() *cli.Command {
	return &cli.Command{
		Name:  "ledger",
		Usage: "account for every unit received",
		Description: `Prints what became of everything the store was ever sent. The terms add up to
what was received, or the exit code is 1.

Examples:
   nexusctl ledger
   nexusctl ledger -o json`,
		Flags: []cli.Flag{serverFlag(), outputFlag()},
		Action: func(c *cli.Context) error {
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
			l, err := h.Ledger(ctx)
			if err != nil {
				return err
			}
			if err := emit(c.App.Writer, format, l, ledgerTable(l)); err != nil {
				return err
			}
			return l.Check()
		},
	}
}

func ledgerTable(l api.Ledger) *table {
	t := &table{head: []string{"TERM", "UNITS"}}
	row := func(term string, n uint64) { t.add(term, strconv.FormatUint(n, 10)) }
	row("received", l.Received)
	row("stored", l.Stored)
	row("pending", l.Pending)
	for _, reason := range slices.Sorted(maps.Keys(l.Rejected)) {
		row("rejected "+reason, l.Rejected[reason])
	}
	for _, reason := range slices.Sorted(maps.Keys(l.Shed)) {
		row("shed "+reason, l.Shed[reason])
	}
	row("dead", l.Dead)
	row("lost", l.Lost)
	row("duplicates", l.Duplicates)
	return t
}
