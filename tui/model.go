package tui

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/nexusctl/tui/page"
)

// longestRetry bounds how long a daemon that is back goes unseen.
const longestRetry = 15 * time.Second

// Model is the state of the terminal.
type Model struct {
	opts Options
	fx   *effects
	view page.View
	w, h int

	turn     int // of the timer that counts
	asking   bool
	failures int // in a row
	mouse    bool
	typing   typing
	line     line
}

// typing is what the line at the bottom is for.
type typing int

const (
	nothing typing = iota
	aFilter
	aCommand
)

func newModel(o Options, fx *effects, first answer) (Model, error) {
	v, err := o.view()
	if err != nil {
		return Model{}, err
	}
	v.Keys = helpLines()
	v.Now, v.Got = first.at, first.at
	v.Take(first.data)
	return Model{opts: o, fx: fx, view: v, mouse: true}, nil
}

// Init starts the clock and the first wait.
func (m Model) Init() tea.Cmd { return tea.Batch(m.fx.after(m.view.Interval, m.turn), m.fx.beat()) }

// View draws.
func (m Model) View() string {
	if m.w == 0 {
		return ""
	}
	return m.view.Render(m.w, m.h)
}

// Update takes one message.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case tea.KeyMsg:
		m, cmd = m.keys(msg)
	case tea.MouseMsg:
		m = m.wheel(msg)
	case answer:
		m, cmd = m.take(msg)
	case due:
		m, cmd = m.due(msg)
	case beat:
		m.view.Now, cmd = msg.at, m.fx.beat()
	}
	m.view.Settle(m.w, m.h)
	return m, cmd
}

// take shows an answer, or why there is none, and waits for the next turn.
func (m Model) take(a answer) (Model, tea.Cmd) {
	m.asking = false
	m.view.Now = a.at
	if a.err == nil {
		m.failures, m.view.Err, m.view.Got = 0, "", a.at
		m.view.Take(a.data)
	} else {
		m.failures++
		m.view.Err = a.err.Error()
	}
	return m.wait(m.pause())
}

// pause is the interval, doubled with every failure in a row.
func (m Model) pause() time.Duration {
	d := m.view.Interval
	for range min(m.failures, 10) {
		d = max(2*d, time.Second)
	}
	if m.failures > 0 {
		d = min(d, max(longestRetry, m.view.Interval))
	}
	return d
}

// wait begins a turn and forgets the one before.
func (m Model) wait(d time.Duration) (Model, tea.Cmd) {
	m.turn++
	m.view.Retry = m.view.Now.Add(d)
	if m.view.Paused {
		return m, nil
	}
	return m, m.fx.after(d, m.turn)
}

func (m Model) due(d due) (Model, tea.Cmd) {
	if d.turn != m.turn || m.view.Paused {
		return m, nil
	}
	m.view.Now = d.at
	return m.ask()
}

// ask makes a request; one at a time.
func (m Model) ask() (Model, tea.Cmd) {
	if m.asking {
		return m, nil
	}
	m.asking = true
	m.turn++ // no timer is waited for
	return m, m.fx.request()
}
