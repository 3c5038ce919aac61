package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/protocol/series"
)

func deadLetterCommand() *cli.Command {
	return &cli.Command{
		Name:  "dead-letter",
		Usage: "list, replay and drop what the store refused",
		Description: `What a healthy store refuses waits in files of the data directory, and counts
as dead in the ledger.

Examples:
   nexusctl dead-letter list
   nexusctl dead-letter replay
   nexusctl dead-letter drop --yes FILE`,
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the dead letters that wait",
				Description: `Reads the data directory; the daemon need not run.

Examples:
   nexusctl dead-letter list
   nexusctl dead-letter list -o json --data-dir /var/lib/nexusctl`,
				Flags: settingFlags(outputFlag()), Action: deadLetterList,
			},
			{
				Name: "replay", Usage: "send dead letters to the store again", ArgsUsage: "[FILE…]",
				Description: `The running daemon takes them along with its next flush: each point once, to the
time it was of. What the store refuses again is a dead letter again; the exit code
is 1 then. Without FILE all are sent.

Examples:
   nexusctl dead-letter replay
   nexusctl dead-letter replay 1841-3.nxd`,
				Flags: settingFlags(outputFlag()), Action: deadLetterReplay,
			},
			{
				Name: "drop", Usage: "give dead letters up; their data goes", ArgsUsage: "[FILE…]",
				Description: `Their units move from dead to shed, reason dropped, with the running daemon's next
flush. Without FILE all are dropped.

Examples:
   nexusctl dead-letter drop --yes 1841-3.nxd
   nexusctl dead-letter drop --yes`,
				Flags:  settingFlags(outputFlag(), &cli.BoolFlag{Name: "yes", Usage: "do it: data is destroyed"}),
				Action: deadLetterDrop,
			},
		},
	}
}

// deadLetter is one line of the list.
type deadLetter struct {
	File       string    `json:"file"`
	Time       time.Time `json:"time,omitzero"`
	Generation uint64    `json:"generation,omitempty"`
	Units      uint64    `json:"units"`
	Reason     string    `json:"reason,omitempty"`
	Series     []string  `json:"series,omitempty"`
	Fault      string    `json:"fault,omitempty"` // why the file cannot be read
}

func deadLetterList(c *cli.Context) error {
	format, err := checkOutput(c)
	if err != nil {
		return err
	}
	settings, err := loadSettings(c)
	if err != nil {
		return err
	}
	found, err := deadletter.List(settings.Config.Server.DataDir)
	if err != nil {
		return err
	}
	list := make([]deadLetter, len(found))
	t := &table{head: []string{"FILE", "TIME", "UNITS", "REASON", "SERIES"}}
	for i, w := range found {
		l := describe(w)
		list[i] = l
		t.add(l.File, l.shownTime(), strconv.FormatUint(l.Units, 10), l.Reason+l.Fault, l.shownSeries())
	}
	return emit(c.App.Writer, format, list, t)
}

func describe(w deadletter.Waiting) deadLetter {
	if w.Err != nil {
		return deadLetter{File: w.File, Fault: w.Err.Error()}
	}
	l := w.Letter
	d := deadLetter{File: w.File, Time: l.At.UTC(), Generation: l.Generation, Units: l.Units, Reason: l.Reason}
	for _, s := range l.Series {
		name := fmt.Sprintf("%x", s.Key)
		if k, err := series.Parse(s.Key); err == nil {
			name = k.String()
		}
		d.Series = append(d.Series, name)
	}
	return d
}

func (l deadLetter) shownTime() string {
	if l.Time.IsZero() {
		return ""
	}
	return l.Time.Format(time.RFC3339)
}

// shownSeries names one series for people: a key may be thousands of bytes.
func (l deadLetter) shownSeries() string {
	const width = 60
	if len(l.Series) == 0 {
		return ""
	}
	first := []rune(l.Series[0])
	if len(first) > width {
		first = append(first[:width], '…')
	}
	if n := len(l.Series) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", string(first), n)
	}
	return string(first)
}

func deadLetterReplay(c *cli.Context) error {
	s, err := settleLetters(c, (*client.Admin).ReplayDeadLetters)
	if err == nil && s.Refused > 0 {
		return fmt.Errorf("the store refuses %d units, which are dead letters again: see `nexusctl dead-letter list`", s.Refused)
	}
	return err
}

func deadLetterDrop(c *cli.Context) error {
	if !c.Bool("yes") {
		return usage("this destroys what the dead letters hold; say so with --yes")
	}
	_, err := settleLetters(c, (*client.Admin).DropDeadLetters)
	return err
}

// settleLetters has the running daemon settle the letters that the command
// line names: only whoever writes the store's ledger can move units in it.
func settleLetters(c *cli.Context, settle func(*client.Admin, context.Context, []string) (api.Settlement, error)) (s api.Settlement, err error) {
	format, err := checkOutput(c)
	if err != nil {
		return s, err
	}
	for _, file := range c.Args().Slice() {
		if strings.TrimSpace(file) == "" {
			return s, usage("a FILE is empty")
		}
	}
	settings, err := loadSettings(c)
	if err != nil {
		return s, err
	}
	ctx, stop := interruptible(c.Context)
	defer stop()
	s, err = settle(client.NewAdmin(settings.Config.Server.DataDir), ctx, c.Args().Slice())
	if err != nil {
		return s, err
	}
	t := &table{head: []string{"LETTERS", "UNITS", "REFUSED"}}
	t.add(strconv.Itoa(s.Letters), strconv.FormatUint(s.Units, 10), strconv.FormatUint(s.Refused, 10))
	return s, emit(c.App.Writer, format, s, t)
}
