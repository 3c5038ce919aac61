package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

func healthCheckCommand() *cli.Command {
	return &cli.Command{
		Name:  "health-check",
		Usage: "ask a daemon whether it is ready, for containers and scripts",
		Description: `The exit code is 0 where the daemon can take and keep data, 1 where it cannot,
and 5 where nobody answers. With --live it only asks whether the process answers.

Examples:
   nexusctl health-check
   nexusctl health-check --live --timeout 1s
   nexusctl health-check -o json`,
		Flags: []cli.Flag{
			serverFlag(), outputFlag(),
			&cli.BoolFlag{Name: "live", Usage: "ask for liveness, not readiness"},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after this time", Value: 3 * time.Second},
		},
		Action: asking(healthCheck),
	}
}

func healthCheck(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Duration("timeout"))
	defer cancel()
	s, err := h.Status(ctx, !c.Bool("live"))
	a := answer{data: s, table: statusTable(s)}
	if len(s.Reasons) > 0 {
		a.fault = fmt.Errorf("the daemon is %s: %s", s.Status, s.Reasons[0].Detail)
	}
	return a, err
}

func statusTable(s api.Status) *table {
	t := &table{head: []string{"STATUS", "REASON", "DETAIL"}}
	if len(s.Reasons) == 0 {
		t.add(s.Status, "", "")
	}
	for _, r := range s.Reasons {
		t.add(s.Status, r.Code, r.Detail)
	}
	return t
}
