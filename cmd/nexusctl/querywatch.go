package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/client"
)

func watchFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "watch", Usage: "ask again and again, until ctrl-C: redraws a terminal, and prints a block a round elsewhere"},
		&cli.DurationFlag{Name: "interval", Usage: "with --watch: time between two rounds", Value: 2 * time.Second},
	}
}

// shortestWatch bounds what one who watches asks of a daemon.
const shortestWatch = 100 * time.Millisecond

// watchQuery asks in rounds until ctx ends, which is its good end. A daemon that is
// away is waited for; an expression that is none is not.
func watchQuery(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	every := c.Duration("interval")
	if every < shortestWatch {
		return usage("--interval %s is shorter than %s", every, shortestWatch)
	}
	h, err := dialServer(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	w := watch{out: c.App.Writer, errs: c.App.ErrWriter, format: format, title: fmt.Sprintf("every %s: %s", every, printable(c.Args().First())), drawn: onTerminal() && format == "table"}
	for {
		a, err := promQuery(ctx, c, h)
		if ctx.Err() != nil {
			return nil
		}
		if err := w.round(a, err, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// watch is what was printed so far.
type watch struct {
	out, errs io.Writer
	format    string
	title     string
	drawn     bool // on a terminal

	last  []byte    // the newest answer
	away  time.Time // since when nothing is answered; zero: it is
	count int
}

// round prints an answer, or says once that there is none.
func (w *watch) round(a answer, err error, now time.Time) error {
	if err != nil {
		return w.missed(err, now)
	}
	back := !w.away.IsZero()
	if back && !w.drawn {
		_, _ = fmt.Fprintf(w.errs, "%s: answered again after %s\n", now.UTC().Format(time.RFC3339), now.Sub(w.away).Round(time.Second))
	}
	w.away = time.Time{}
	var b bytes.Buffer
	if err := w.print(&b, a); err != nil {
		return err
	}
	w.last = b.Bytes()
	w.count++
	if w.drawn {
		return w.draw("", now)
	}
	if w.format == "table" {
		if _, err := fmt.Fprintf(w.out, "# %s\n", now.UTC().Format(time.RFC3339)); err != nil {
			return err
		}
	}
	_, err = w.out.Write(append(w.last, w.end()...))
	return err
}

// print renders one answer. Rows of CSV have one heading over all rounds.
func (w *watch) print(b *bytes.Buffer, a answer) error {
	if w.format != "csv" || w.count == 0 {
		return emit(b, w.format, a.data, a.table)
	}
	if err := emit(b, w.format, a.data, a.table); err != nil {
		return err
	}
	_, _ = b.ReadBytes('\n')
	return nil
}

// end is what stands behind a block.
func (w *watch) end() string {
	switch w.format {
	case "table":
		return "\n"
	case "yaml":
		return "---\n"
	}
	return ""
}

// missed says that the daemon does not answer, and waits on; what will not change by
// waiting is the end.
func (w *watch) missed(err error, now time.Time) error {
	var p *client.ProblemError
	gone := errors.Is(err, client.ErrUnreachable) || errors.As(err, &p) && p.Status == http.StatusServiceUnavailable
	if !gone {
		return err
	}
	first := w.away.IsZero()
	if first {
		w.away = now
	}
	if w.drawn {
		return w.draw(fmt.Sprintf("no answer for %s: %v", now.Sub(w.away).Round(time.Second), err), now)
	}
	if first {
		_, _ = fmt.Fprintf(w.errs, "%s: no answer, asking on: %v\n", now.UTC().Format(time.RFC3339), err)
	}
	return nil
}

// draw replaces what the terminal shows by the newest answer, cut to its size.
func (w *watch) draw(note string, now time.Time) error {
	width, height, err := term.GetSize(os.Stdout.Fd())
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	lines := []string{w.title + "   " + now.Format(time.TimeOnly)}
	if note != "" {
		lines = append(lines, printable(note))
	}
	lines = append(lines, "")
	lines = append(lines, strings.Split(strings.TrimRight(string(w.last), "\n"), "\n")...)
	if hidden := len(lines) - height + 1; hidden > 1 {
		lines = append(lines[:height-2], fmt.Sprintf("… %d more lines", hidden))
	}
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(ansi.Truncate(l, width, "…"))
		b.WriteString("\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	_, err = io.WriteString(w.out, b.String())
	return err
}
