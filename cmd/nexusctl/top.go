package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/muesli/termenv"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/tui"
)

// pipeWidth is how wide a text is that no terminal limits.
const pipeWidth = 100

func topCommand() *cli.Command {
	return &cli.Command{
		Name:  "top",
		Usage: "watch a running daemon",
		Description: `Shows the golden signals, the objectives and their budgets, the busiest series,
the ledger and the alerts of a daemon, and asks again every --interval. Press ?
for the keys; none of them changes anything in the daemon. While the daemon is
away, the last data stays, marked stale.

--once prints one screen as text, and --json the same as JSON; neither needs a
terminal. NO_COLOR is honoured.

Examples:
   nexusctl top
   nexusctl top --server 10.0.0.7:8080 --interval 5s
   nexusctl top --filter env:prod --sort last --theme safe
   nexusctl top --once --width 80
   nexusctl top --json | jq .golden.latency.http.p99`,
		Flags: []cli.Flag{
			serverFlag(),
			&cli.DurationFlag{Name: "interval", Usage: "time between two requests, 100ms at least", Value: time.Second},
			&cli.StringFlag{Name: "theme", Usage: "`NAME`: " + strings.Join(tui.Themes(), ", "), Value: tui.Themes()[0]},
			&cli.StringFlag{Name: "filter", Usage: "show series whose name, type or tags hold these `WORDS`; !word excludes"},
			&cli.StringFlag{Name: "sort", Usage: "order the series by `COLUMN`: " + strings.Join(tui.Sorts(), ", "), Value: tui.Sorts()[0]},
			&cli.BoolFlag{Name: "once", Usage: "print one screen and exit"},
			&cli.BoolFlag{Name: "json", Usage: "print the overview as JSON and exit"},
			&cli.IntFlag{Name: "width", Usage: "columns of --once; the terminal's where there is one, else 100"},
		},
		Action: top,
	}
}

func top(c *cli.Context) error {
	if err := checkTop(c); err != nil {
		return err
	}
	h, err := dialServer(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	switch {
	case c.Bool("json"):
		o, err := h.Overview(ctx)
		if err != nil {
			return err
		}
		return printJSON(c.App.Writer, o)
	case c.Bool("once"):
		return topOnce(ctx, c, h)
	}
	if err := checkTerminal(); err != nil {
		return err
	}
	o := topOptions(c, h)
	o.In, o.Out = os.Stdin, os.Stdout
	return tui.Run(ctx, o)
}

// checkTop refuses flags before anything is asked or drawn.
func checkTop(c *cli.Context) error {
	if c.NArg() > 0 {
		return usage("top takes no arguments; --filter %s shows the series it names", c.Args().First())
	}
	if d := c.Duration("interval"); d < tui.MinInterval {
		return usage("--interval %s is below %s", d, tui.MinInterval)
	}
	if w := c.Int("width"); c.IsSet("width") && w < tui.MinWidth {
		return usage("--width %d is below %d", w, tui.MinWidth)
	}
	for _, f := range []struct {
		name  string
		known []string
	}{{"theme", tui.Themes()}, {"sort", tui.Sorts()}} {
		if v := c.String(f.name); !slices.Contains(f.known, v) {
			return usage("--%s %q is none of %s", f.name, v, strings.Join(f.known, ", "))
		}
	}
	return nil
}

func checkTerminal() error {
	switch {
	case !term.IsTerminal(os.Stdout.Fd()) || !term.IsTerminal(os.Stdin.Fd()):
		return usage("top draws on a terminal, and there is none; --once prints a screen as text, --json as JSON")
	case os.Getenv("TERM") == "dumb":
		return usage("top cannot draw where TERM is dumb; --once prints a screen as text")
	}
	return nil
}

func topOptions(c *cli.Context, h *client.HTTP) tui.Options {
	return tui.Options{
		Fetch:    h.Overview,
		Server:   h.Addr(),
		Interval: c.Duration("interval"),
		Theme:    c.String("theme"),
		Filter:   c.String("filter"),
		Sort:     c.String("sort"),
		NoColour: os.Getenv("NO_COLOR") != "",
		Profile:  termenv.NewOutput(os.Stdout).ColorProfile(),
	}
}

func topOnce(ctx context.Context, c *cli.Context, h *client.HTTP) error {
	data, err := h.Overview(ctx)
	if err != nil {
		return err
	}
	return printOnce(c, topOptions(c, h), data)
}

// printOnce writes escapes only where somebody looks and nobody minds.
func printOnce(c *cli.Context, o tui.Options, data api.Overview) error {
	width := pipeWidth
	if !term.IsTerminal(os.Stdout.Fd()) || o.NoColour {
		o.Profile = termenv.Ascii
	}
	if w, _, err := term.GetSize(os.Stdout.Fd()); err == nil && w > 0 {
		width = w
	}
	if c.IsSet("width") {
		width = c.Int("width")
	}
	text, err := tui.Once(data, o, width)
	if err != nil {
		return err
	}
	_, err = c.App.Writer.Write([]byte(text))
	return err
}
