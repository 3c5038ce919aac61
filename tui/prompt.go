package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/nexusctl/tui/page"
)

// longestLine bounds what is typed or pasted.
const longestLine = 500

// line is a line being typed.
type line struct {
	text []rune
	at   int
}

func lineOf(s string) line { return line{[]rune(s), len([]rune(s))} }

// insert keeps what can be seen of what was typed or pasted.
func (l line) insert(runes []rune) line {
	typed := []rune{}
	for _, r := range runes {
		if unicode.IsSpace(r) {
			r = ' '
		}
		if unicode.IsPrint(r) && len(l.text)+len(typed) < longestLine {
			typed = append(typed, r)
		}
	}
	return line{slices.Concat(l.text[:l.at], typed, l.text[l.at:]), l.at + len(typed)}
}

// cut removes what is between two places.
func (l line) cut(from, to int) line {
	from, to = max(from, 0), min(to, len(l.text))
	if from >= to {
		return l
	}
	return line{slices.Concat(l.text[:from], l.text[to:]), from}
}

func (l line) move(to int) line { return line{l.text, max(min(to, len(l.text)), 0)} }

// word is where the word before the cursor begins.
func (l line) word() int {
	i := l.at
	for i > 0 && l.text[i-1] == ' ' {
		i--
	}
	for i > 0 && l.text[i-1] != ' ' {
		i--
	}
	return i
}

// key edits the line as shells do. Keys that edit nothing do nothing.
func (l line) key(msg tea.KeyMsg) line {
	switch msg.String() {
	case "backspace", "ctrl+h":
		return l.cut(l.at-1, l.at)
	case "delete", "ctrl+d":
		return l.cut(l.at, l.at+1)
	case "ctrl+w", "alt+backspace":
		return l.cut(l.word(), l.at)
	case "ctrl+u":
		return l.cut(0, l.at)
	case "ctrl+k":
		return l.cut(l.at, len(l.text))
	case "left", "ctrl+b":
		return l.move(l.at - 1)
	case "right", "ctrl+f":
		return l.move(l.at + 1)
	case "home", "ctrl+a":
		return l.move(0)
	case "end", "ctrl+e":
		return l.move(len(l.text))
	}
	if (msg.Type == tea.KeyRunes || msg.Type == tea.KeySpace) && !msg.Alt {
		return l.insert(msg.Runes)
	}
	return l
}

func (m Model) startFilter() Model {
	m.view.Help = false
	return m.typeLine(aFilter, lineOf(m.view.Filter))
}

func (m Model) startCommand() Model { return m.typeLine(aCommand, line{}) }

func (m Model) typeLine(t typing, l line) Model {
	m.typing, m.line = t, l
	mark := map[typing]string{aFilter: "/", aCommand: ":"}[t]
	m.view.Prompt = &page.Prompt{Mark: mark, Text: l.text, Cursor: l.at}
	return m
}

func (m Model) endLine() Model {
	m.typing, m.line, m.view.Prompt = nothing, line{}, nil
	return m
}

// edit takes a key for the line. A filter works while it is typed; esc clears
// it. Deleting beyond the beginning leaves, as in vi.
func (m Model) edit(msg tea.KeyMsg) (Model, tea.Cmd) {
	was, text := m.typing, string(m.line.text)
	switch {
	case msg.String() == "esc", msg.String() == "backspace" && text == "":
		if was == aFilter {
			m = m.filter("")
		}
		return m.endLine(), nil
	case msg.String() == "enter" && was == aCommand:
		return m.endLine().command(text)
	case msg.String() == "enter":
		return m.endLine(), nil
	}
	m = m.typeLine(was, m.line.key(msg))
	if was == aFilter && string(m.line.text) != text {
		m = m.filter(string(m.line.text))
	}
	return m, nil
}

func (m Model) filter(s string) Model {
	m.view.Filter = s
	m.view.Arrange()
	m.view.Cursor = 0
	return m
}

// command runs a line typed after the colon.
func (m Model) command(text string) (Model, tea.Cmd) {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "":
		return m, nil
	case "q", "quit", "q!", "exit":
		return m, tea.Quit
	case "help", "h":
		m.view.Help = true
		return m, nil
	case "pause", "p":
		return m.togglePause()
	case "mouse":
		return m.toggleMouse()
	case "filter":
		return m.filter(rest), nil
	case "sort":
		return m.sortCommand(rest), nil
	case "theme":
		return m.useTheme(rest), nil
	case "interval":
		return m.intervalCommand(rest)
	}
	return m.fail(fmt.Errorf("there is no command %s; there are sort, filter, theme, interval, pause, mouse, help, q", strconv.Quote(name))), nil
}

// sortCommand takes a column, and asc or desc where it is not the usual order.
func (m Model) sortCommand(rest string) Model {
	name, order, _ := strings.Cut(rest, " ")
	s, ok := page.ParseSort(name)
	if !ok {
		return m.fail(unknown("sort", name, page.Sorts()))
	}
	switch strings.TrimSpace(order) {
	case "":
		return m.sortBy(s, false)
	case "asc":
		return m.sortBy(s, s.Descending())
	case "desc":
		return m.sortBy(s, !s.Descending())
	}
	return m.fail(fmt.Errorf("an order is asc or desc, not %s", strconv.Quote(order)))
}

func (m Model) intervalCommand(rest string) (Model, tea.Cmd) {
	d, err := time.ParseDuration(rest)
	if err != nil {
		return m.fail(fmt.Errorf("%s is no interval: write 500ms or 2s", strconv.Quote(rest))), nil
	}
	if d < MinInterval || d > time.Hour {
		return m.fail(fmt.Errorf("an interval is %s to %s", MinInterval, time.Hour)), nil
	}
	return m.every(d)
}
