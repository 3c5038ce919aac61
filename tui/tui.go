// Package tui is `nexusctl top`: a running daemon on one terminal. The Model
// is pure: what happened comes in as messages, each with its time, and what is
// to be done goes out as commands. Run gives it a clock, a daemon and a
// terminal; Once draws a single frame as text, without any of them.
//
// No key changes anything in the daemon.
package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/page"
	"example.com/nexusctl/tui/theme"
)

// MinInterval is the shortest time between two requests.
const MinInterval = 100 * time.Millisecond

// MinWidth is the narrowest that the overview is drawn.
const MinWidth = page.MinWidth

// Options says what is drawn, and how. Only Fetch is needed.
type Options struct {
	// Fetch asks the daemon. It must return soon after its context has ended.
	Fetch  func(context.Context) (api.Overview, error)
	Server string           // the daemon's address, to be shown
	Now    func() time.Time // default time.Now

	Interval time.Duration // default one second
	Theme    string        // default theme.Default
	Filter   string
	Sort     string // default "rate"

	// NoColour allows bold and reverse, but no colour: every theme is mono.
	NoColour bool
	Profile  termenv.Profile // what the terminal can show

	In  io.Reader
	Out io.Writer
}

// Themes lists what Options.Theme may be.
func Themes() []string { return theme.Names() }

// Sorts lists what Options.Sort may be.
func Sorts() []string { return page.Sorts() }

// Run draws until the user quits or ctx ends. The first request is made before
// the terminal is touched, and its error is returned: a wrong address is an
// error message, not a screen.
func Run(ctx context.Context, o Options) error {
	o = o.withDefaults()
	fx := newEffects(ctx, o.Fetch, o.Now)
	defer fx.stop()
	first, err := fx.ask()
	if err != nil {
		return err
	}
	m, err := newModel(o, fx, first)
	if err != nil {
		return err
	}
	p := tea.NewProgram(m, tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithAltScreen(),
		tea.WithMouseCellMotion(), tea.WithoutSignalHandler(), tea.WithFPS(30))
	stop := context.AfterFunc(ctx, p.Quit) // and the terminal is put back in order
	defer stop()
	if _, err := p.Run(); err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return fmt.Errorf("draw on the terminal: %w", err)
	} else if err != nil {
		return fmt.Errorf("the terminal is gone: %w", err)
	}
	return ctx.Err()
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Interval == 0 {
		o.Interval = time.Second
	}
	o.Interval = max(o.Interval, MinInterval)
	if o.Theme == "" {
		o.Theme = theme.Default
	}
	if o.Sort == "" {
		o.Sort = page.ByRate.String()
	}
	return o
}

// view builds what both Run and Once draw.
func (o Options) view() (v page.View, err error) {
	sort, ok := page.ParseSort(o.Sort)
	if !ok {
		return v, unknown("sort", o.Sort, page.Sorts())
	}
	th, err := o.theme(o.Theme)
	if err != nil {
		return v, err
	}
	return page.View{Theme: th, Server: o.Server, Interval: o.Interval, Sort: sort, Filter: o.Filter, Focus: page.Series}, nil
}

func (o Options) theme(name string) (theme.Theme, error) {
	th, ok := theme.Find(name, o.Profile)
	if !ok {
		return th, unknown("theme", name, theme.Names())
	}
	if o.NoColour {
		th, _ = theme.Find(theme.Mono, o.Profile)
	}
	return th, nil
}

// Once draws the overview as text, as high as it needs to be. With
// termenv.Ascii as the profile it holds no escape.
func Once(data api.Overview, o Options, width int) (string, error) {
	o = o.withDefaults()
	v, err := o.view()
	if err != nil {
		return "", err
	}
	v.Now = o.Now()
	v.Got = v.Now
	v.Take(data)
	return v.Text(max(width, page.MinWidth)), nil
}
