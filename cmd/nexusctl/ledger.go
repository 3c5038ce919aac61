package main

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
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
		Action: asking(func(ctx context.Context, _ *cli.Context, h *client.HTTP) (answer, error) {
			l, err := h.Ledger(ctx)
			return answer{l, ledgerTable(l), l.Check()}, err
		}),
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
