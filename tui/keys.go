package tui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"example.com/nexusctl/tui/page"
)

// action is what a key does where no line is being typed.
type action func(Model) (Model, tea.Cmd)

// binding is keys and their action; the help is made of it, so none is
// forgotten there.
type binding struct {
	key.Binding
	do action
}

func bind(does string, shown string, do action, keys ...string) binding {
	return binding{key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, does)), do}
}

// still is an action that asks for nothing.
func still(f func(Model) Model) action {
	return func(m Model) (Model, tea.Cmd) { return f(m), nil }
}

var bindings = slices.Concat(viewKeys(), moveKeys(), panelKeys())

func viewKeys() []binding {
	return []binding{
		bind("quit", "q, ctrl-c", func(m Model) (Model, tea.Cmd) { return m, tea.Quit }, "q", "ctrl+c"),
		bind("help, and back", "?", still(func(m Model) Model { m.view.Help = !m.view.Help; m.view.HelpTop = 0; return m }), "?"),
		bind("filter the series by name, type or tag; !word excludes", "/", still(Model.startFilter), "/"),
		bind("command: :sort :filter :theme :interval :pause :mouse :help :q", ":", still(Model.startCommand), ":"),
		bind("sort by the next column", "s", still(func(m Model) Model {
			return m.sortBy(m.view.Sort.Next(), false)
		}), "s"),
		bind("reverse the sort", "S", still(func(m Model) Model { return m.sortBy(m.view.Sort, !m.view.Reverse) }), "S"),
		bind("pause and resume", "p, space", Model.togglePause, "p", " "),
		bind("ask now", "r", Model.ask, "r"),
		bind("ask less often", "+", func(m Model) (Model, tea.Cmd) { return m.step(1) }, "+", "="),
		bind("ask more often", "-", func(m Model) (Model, tea.Cmd) { return m.step(-1) }, "-", "_"),
		bind("next theme", "t", still(Model.nextTheme), "t"),
		bind("mouse on and off; off, the terminal selects text", "m", Model.toggleMouse, "m"),
		bind("draw anew", "ctrl-l", func(m Model) (Model, tea.Cmd) { return m, tea.ClearScreen }, "ctrl+l"),
		bind("suspend", "ctrl-z", func(m Model) (Model, tea.Cmd) { return m, tea.Suspend }, "ctrl+z"),
	}
}

const far = 1 << 40 // beyond every list

func moveKeys() []binding {
	move := func(n int) action {
		return still(func(m Model) Model { m.view.Move(m.view.Focus, n); return m })
	}
	leaf := func(pages float64) action {
		return still(func(m Model) Model {
			m.view.Move(m.view.Focus, int(pages*float64(m.view.PageRows(m.w, m.h))))
			return m
		})
	}
	return []binding{
		bind("down a line", "j, down", move(1), "j", "down"),
		bind("up a line", "k, up", move(-1), "k", "up"),
		bind("down a page", "pgdn, ctrl-f", leaf(1), "pgdown", "ctrl+f"),
		bind("up a page", "pgup, ctrl-b", leaf(-1), "pgup", "ctrl+b"),
		bind("down half a page", "ctrl-d", leaf(0.5), "ctrl+d"),
		bind("up half a page", "ctrl-u", leaf(-0.5), "ctrl+u"),
		bind("first line", "g, home", move(-far), "g", "home"),
		bind("last line", "G, end", move(far), "G", "end"),
	}
}

func panelKeys() []binding {
	out := []binding{
		bind("next panel", "tab", still(func(m Model) Model { return m.turnFocus(1) }), "tab"),
		bind("panel before", "shift-tab", still(func(m Model) Model { return m.turnFocus(-1) }), "shift+tab"),
		bind("zoom the panel, and back; the series show the selected in full", "enter, z", still(func(m Model) Model {
			m.view.Zoom, m.view.Help = !m.view.Zoom, false
			return m
		}), "enter", "z"),
		bind("back: help, zoom, filter", "esc", still(Model.back), "esc"),
	}
	for i := range page.Panels {
		p := page.Panel(i)
		n := string(rune('1' + i))
		out = append(out, bind(p.String(), n, still(func(m Model) Model { return m.focus(p) }), n))
	}
	return out
}

func helpLines() (lines []page.Key) {
	for _, b := range bindings {
		lines = append(lines, page.Key{Keys: b.Help().Key, Does: b.Help().Desc})
	}
	return lines
}

// keys takes a key press. Fast typing comes as one message of several
// characters; each counts by itself, for the first may open the line that the
// others belong to.
func (m Model) keys(msg tea.KeyMsg) (Model, tea.Cmd) {
	if msg.Type != tea.KeyRunes || len(msg.Runes) < 2 || msg.Paste {
		return m.press(msg)
	}
	var cmds []tea.Cmd
	for _, r := range msg.Runes {
		one := tea.Key{Type: tea.KeyRunes, Runes: []rune{r}, Alt: msg.Alt}
		if r == ' ' {
			one.Type = tea.KeySpace
		}
		var cmd tea.Cmd
		m, cmd = m.press(tea.KeyMsg(one))
		cmds = append(cmds, cmd)
	}
	return m, tea.Batch(cmds...)
}

// press takes one key. While a line is typed it belongs to the line, whatever
// it else would do; and what is pasted elsewhere is not a row of keys.
func (m Model) press(msg tea.KeyMsg) (Model, tea.Cmd) {
	if m.typing != nothing && msg.String() != "ctrl+c" {
		return m.edit(msg)
	}
	m.view.Note = ""
	if msg.Paste {
		return m, nil
	}
	for _, b := range bindings {
		if key.Matches(msg, b.Binding) {
			return b.do(m)
		}
	}
	return m, nil
}

func (m Model) say(note string) Model {
	m.view.Note, m.view.Failed = note, false
	return m
}

func (m Model) fail(err error) Model {
	m.view.Note, m.view.Failed = err.Error(), true
	return m
}

func (m Model) sortBy(s page.Sort, reverse bool) Model {
	m.view.Sort, m.view.Reverse = s, reverse
	m.view.Arrange()
	m.view.Cursor = 0
	order := "least"
	if m.view.Descending() {
		order = "greatest"
	}
	return m.say("series by " + s.String() + ", " + order + " first")
}

func (m Model) togglePause() (Model, tea.Cmd) {
	m.view.Paused = !m.view.Paused
	if m.view.Paused {
		return m, nil
	}
	return m.ask()
}

// steps are the intervals that the keys turn to.
var steps = []time.Duration{MinInterval, 200 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}

func (m Model) step(by int) (Model, tea.Cmd) {
	i, exact := slices.BinarySearch(steps, m.view.Interval)
	if !exact && by > 0 {
		i-- // the next above is at i
	}
	return m.every(steps[max(min(i+by, len(steps)-1), 0)])
}

// every sets the interval. A request under way is waited for; its answer
// begins the next turn.
func (m Model) every(d time.Duration) (Model, tea.Cmd) {
	m.view.Interval = d
	m = m.say("every " + d.String())
	if m.asking {
		return m, nil
	}
	return m.wait(m.pause())
}

func (m Model) nextTheme() Model {
	names := Themes()
	return m.useTheme(names[(slices.Index(names, m.view.Theme.Name)+1)%len(names)])
}

func (m Model) useTheme(name string) Model {
	th, err := m.opts.theme(name)
	if err != nil {
		return m.fail(err)
	}
	m.view.Theme = th
	if th.Name != name {
		return m.say("NO_COLOR is set: the theme stays " + th.Name)
	}
	return m.say("theme " + name)
}

func (m Model) toggleMouse() (Model, tea.Cmd) {
	m.mouse = !m.mouse
	if m.mouse {
		return m.say("mouse on"), tea.EnableMouseCellMotion
	}
	return m.say("mouse off: the terminal selects text"), tea.DisableMouse
}

// turnFocus goes round the panels that are on the page; in zoom, all of them.
func (m Model) turnFocus(by int) Model {
	for range page.Panels {
		m.view.Focus = page.Panel((int(m.view.Focus) + by + page.Panels) % page.Panels)
		if m.view.Zoom || m.view.Shown(m.view.Focus, m.w, m.h) {
			break
		}
	}
	return m
}

// focus goes to a panel; one that has no place on the page is zoomed.
func (m Model) focus(p page.Panel) Model {
	m.view.Focus, m.view.Help = p, false
	if !m.view.Shown(p, m.w, m.h) {
		m.view.Zoom = true
	}
	return m
}

// back undoes the last thing that covers the page.
func (m Model) back() Model {
	switch {
	case m.view.Help:
		m.view.Help = false
	case m.view.Zoom:
		m.view.Zoom = false
		if !m.view.Shown(m.view.Focus, m.w, m.h) {
			m.view.Focus = page.Series
		}
	case m.view.Filter != "":
		m = m.filter("")
	}
	return m
}

// wheel scrolls what is under the pointer.
func (m Model) wheel(msg tea.MouseMsg) Model {
	p, ok := m.view.At(msg.X, msg.Y, m.w, m.h)
	if m.view.Help {
		p, ok = m.view.Focus, true
	}
	if !ok {
		return m
	}
	switch msg.Button {
	case tea.MouseButtonWheelDown:
		m.view.Move(p, 3)
	case tea.MouseButtonWheelUp:
		m.view.Move(p, -3)
	case tea.MouseButtonLeft:
		if msg.Action == tea.MouseActionPress && !m.view.Help {
			m.view.Focus = p
		}
	}
	return m
}

func unknown(what, name string, known []string) error {
	return fmt.Errorf("there is no %s %q; there are %s", what, name, strings.Join(known, ", "))
}
