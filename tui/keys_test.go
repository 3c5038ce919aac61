package tui

import (
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"example.com/nexusctl/tui/page"
	"example.com/nexusctl/tui/theme"
)

// press types each character as a key of its own.
func press(m Model, keys string) Model {
	for _, r := range keys {
		m = send(m, named(string(r)))
	}
	return m
}

var keyTypes = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "esc": tea.KeyEsc, "tab": tea.KeyTab, "shift+tab": tea.KeyShiftTab, "backspace": tea.KeyBackspace,
	"up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight, "pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown,
	"home": tea.KeyHome, "end": tea.KeyEnd, "delete": tea.KeyDelete, "ctrl+c": tea.KeyCtrlC, "ctrl+l": tea.KeyCtrlL,
	"ctrl+z": tea.KeyCtrlZ, "ctrl+f": tea.KeyCtrlF, "ctrl+b": tea.KeyCtrlB, "ctrl+d": tea.KeyCtrlD, "ctrl+u": tea.KeyCtrlU,
	"ctrl+w": tea.KeyCtrlW, "ctrl+a": tea.KeyCtrlA, "ctrl+e": tea.KeyCtrlE, "ctrl+k": tea.KeyCtrlK,
}

// named is the message of a key by the name that Bubble Tea gives it.
func named(name string) tea.KeyMsg {
	if t, ok := keyTypes[name]; ok {
		return tea.KeyMsg{Type: t}
	}
	if name == " " {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

// keyCases say of every key what it does, from a page of 80x24 on.
var keyCases = []struct {
	key    string
	before string // keys pressed first
	want   func(m Model) bool
}{
	{"?", "", func(m Model) bool { return m.view.Help }},
	{"?", "?", func(m Model) bool { return !m.view.Help }},
	{"/", "", func(m Model) bool { return m.typing == aFilter && m.view.Prompt.Mark == "/" }},
	{":", "", func(m Model) bool { return m.typing == aCommand && m.view.Prompt.Mark == ":" }},
	{"s", "", func(m Model) bool { return m.view.Sort == page.ByName && !m.view.Descending() }},
	{"s", "sss", func(m Model) bool { return m.view.Sort == page.ByRate && m.view.Descending() }},
	{"S", "", func(m Model) bool { return m.view.Sort == page.ByRate && !m.view.Descending() }},
	{"p", "", func(m Model) bool { return m.view.Paused }},
	{" ", "p", func(m Model) bool { return !m.view.Paused }},
	{"r", "", func(m Model) bool { return m.asking }},
	{"+", "", func(m Model) bool { return m.view.Interval == 2*time.Second }},
	{"=", "+", func(m Model) bool { return m.view.Interval == 5*time.Second }},
	{"-", "", func(m Model) bool { return m.view.Interval == 500*time.Millisecond }},
	{"_", "------", func(m Model) bool { return m.view.Interval == MinInterval }},
	{"t", "", func(m Model) bool { return m.view.Theme.Name == "safe" }},
	{"m", "", func(m Model) bool { return !m.mouse }},
	{"ctrl+l", "", func(m Model) bool { return true }},
	{"ctrl+z", "", func(m Model) bool { return true }},
	{"j", "", func(m Model) bool { return m.view.Cursor == 1 }},
	{"down", "j", func(m Model) bool { return m.view.Cursor == 2 }},
	{"k", "jj", func(m Model) bool { return m.view.Cursor == 1 }},
	{"up", "", func(m Model) bool { return m.view.Cursor == 0 }},
	{"pgdown", "", func(m Model) bool { return m.view.Cursor == 6 }},
	{"ctrl+f", "", func(m Model) bool { return m.view.Cursor == 6 }},
	{"pgup", "G", func(m Model) bool { return m.view.Cursor == 46 }},
	{"ctrl+b", "G", func(m Model) bool { return m.view.Cursor == 46 }},
	{"ctrl+d", "", func(m Model) bool { return m.view.Cursor == 3 }},
	{"ctrl+u", "G", func(m Model) bool { return m.view.Cursor == 49 }},
	{"g", "G", func(m Model) bool { return m.view.Cursor == 0 && m.view.Scroll[page.Series] == 0 }},
	{"home", "G", func(m Model) bool { return m.view.Cursor == 0 }},
	{"G", "", func(m Model) bool { return m.view.Cursor == 52 && m.view.Scroll[page.Series] == 47 }},
	{"end", "", func(m Model) bool { return m.view.Cursor == 52 }},
	{"tab", "", func(m Model) bool { return m.view.Focus == page.Ledger }},
	{"tab", "4", func(m Model) bool { return m.view.Focus == page.Golden }}, // alerts are not on the page
	{"shift+tab", "", func(m Model) bool { return m.view.Focus == page.SLOs }},
	{"enter", "", func(m Model) bool { return m.view.Zoom }},
	{"z", "z", func(m Model) bool { return !m.view.Zoom }},
	{"esc", "?", func(m Model) bool { return !m.view.Help }},
	{"esc", "z", func(m Model) bool { return !m.view.Zoom }},
	{"esc", "5", func(m Model) bool { return !m.view.Zoom && m.view.Focus == page.Series }},
	{"1", "", func(m Model) bool { return m.view.Focus == page.Golden && !m.view.Zoom }},
	{"2", "", func(m Model) bool { return m.view.Focus == page.SLOs }},
	{"3", "1", func(m Model) bool { return m.view.Focus == page.Series }},
	{"4", "", func(m Model) bool { return m.view.Focus == page.Ledger }},
	{"5", "", func(m Model) bool { return m.view.Focus == page.Alerts && m.view.Zoom }},
	{"j", "2", func(m Model) bool { return m.view.Scroll[page.SLOs] == 1 && m.view.Cursor == 0 }},
	{"G", "2", func(m Model) bool { return m.view.Scroll[page.SLOs] == 3 }},
	{"j", "?", func(m Model) bool { return m.view.HelpTop == 1 && m.view.Cursor == 0 }},
	{"G", "?", func(m Model) bool { return m.view.HelpTop == len(bindings)-19 }},
	{"q", "", func(m Model) bool { return true }},
	{"ctrl+c", "", func(m Model) bool { return true }},
}

func TestKeys(t *testing.T) {
	tried := map[string]bool{}
	for _, c := range keyCases {
		tried[c.key] = true
		m := press(model(t, options(overview(t)), 80, 24), c.before)
		if m = send(m, named(c.key)); !c.want(m) {
			t.Errorf("%q after %q: not what it is for", c.key, c.before)
		}
	}
	for _, b := range bindings {
		for _, k := range b.Keys() {
			if !tried[k] {
				t.Errorf("the key %q is not tested", k)
			}
		}
	}
}

func TestQuit(t *testing.T) {
	for _, keys := range [][]string{{"q"}, {"ctrl+c"}, {":", "q", "enter"}, {"/", "x", "ctrl+c"}, {"?", "q"}} {
		m := model(t, options(overview(t)), 80, 24)
		var cmd tea.Cmd
		for _, k := range keys {
			var next tea.Model
			next, cmd = m.Update(named(k))
			m = next.(Model)
		}
		if cmd == nil {
			t.Fatalf("%v does nothing", keys)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%v does not quit", keys)
		}
	}
}

// TestTypingLeaksNothing: while a line is typed, no key does what it else
// does, and the text is what was typed.
func TestTypingLeaksNothing(t *testing.T) {
	const text = "qpsS?:/jkgGzr+-12345tm q"
	for _, mark := range []string{"/", ":"} {
		m := model(t, options(overview(t)), 80, 24)
		before := m
		m = press(m, mark+text)
		if got := string(m.line.text); got != text {
			t.Errorf("after %q the line is %q", mark, got)
		}
		if m.view.Paused || m.view.Help || m.view.Zoom || m.asking || m.view.Sort != before.view.Sort || m.view.Interval != before.view.Interval || m.view.Focus != before.view.Focus {
			t.Errorf("after %q a key leaked", mark)
		}
		for _, k := range []string{"tab", "pgdown", "up", "down", "shift+tab", "ctrl+z", "ctrl+l"} {
			m = send(m, named(k))
		}
		if got := string(m.line.text); got != text || m.view.Focus != before.view.Focus {
			t.Errorf("after %q a special key leaked", mark)
		}
	}
}

// TestFastTyping: a burst of characters is one message, and each still counts.
func TestFastTyping(t *testing.T) {
	m := model(t, options(overview(t)), 80, 24)
	m = send(m, named("jjj"))
	if m.view.Cursor != 3 {
		t.Errorf("three keys at once move by %d", m.view.Cursor)
	}
	m = send(m, named("/cache hits"), named("enter"))
	if m.view.Filter != "cache hits" || m.typing != nothing {
		t.Errorf("the filter is %q", m.view.Filter)
	}
}

func TestPaste(t *testing.T) {
	pasted := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("q\x1b[2J\ns"), Paste: true}
	m := send(model(t, options(overview(t)), 80, 24), pasted)
	if m.view.Sort != page.ByRate {
		t.Error("what is pasted is taken for keys")
	}
	m = send(press(m, "/"), pasted)
	if got := string(m.line.text); got != "q[2J s" {
		t.Errorf("pasted into the filter: %q", got)
	}
}

func TestFilter(t *testing.T) {
	m := press(model(t, options(overview(t)), 80, 24), "/ENV:prod")
	if !strings.Contains(m.View(), "3 of 53") {
		t.Errorf("the filter does not work while it is typed:\n%s", m.View())
	}
	m = send(m, named("enter"))
	if m.typing != nothing || m.view.Filter != "ENV:prod" {
		t.Error("enter does not keep the filter")
	}
	m = send(m, named("esc"))
	if m.view.Filter != "" {
		t.Error("esc does not clear the filter")
	}
	m = send(press(m, "/zzz"), named("esc"))
	if m.view.Filter != "" || m.typing != nothing {
		t.Error("esc does not clear the filter being typed")
	}
	m = press(m, "/no such thing")
	if !strings.Contains(m.View(), "no series matches") {
		t.Error("an empty table does not say why")
	}
}

func TestLineEditing(t *testing.T) {
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"a", "b", "c", "left", "backspace"}, "ac"},
		{[]string{"a", "b", "home", "x", "end", "y"}, "xaby"},
		{[]string{"a", "b", " ", "c", "ctrl+w"}, "ab "},
		{[]string{"a", "b", "left", "ctrl+u"}, "b"},
		{[]string{"a", "b", "left", "ctrl+k"}, "a"},
		{[]string{"a", "b", "ctrl+a", "delete", "ctrl+f", "z", "ctrl+b", "ctrl+e"}, "bz"},
	} {
		m := press(model(t, options(overview(t)), 80, 24), ":")
		for _, k := range c.keys {
			m = send(m, named(k))
		}
		if got := string(m.line.text); got != c.want {
			t.Errorf("%v leaves %q, want %q", c.keys, got, c.want)
		}
	}
}

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		line string
		want func(m Model) bool
	}{
		{"sort name", func(m Model) bool { return m.view.Sort == page.ByName && !m.view.Descending() }},
		{"sort rate asc", func(m Model) bool { return m.view.Sort == page.ByRate && !m.view.Descending() }},
		{"sort name desc", func(m Model) bool { return m.view.Sort == page.ByName && m.view.Descending() }},
		{"sort size", func(m Model) bool { return m.view.Failed }},
		{"sort rate sideways", func(m Model) bool { return m.view.Failed }},
		{"filter queue mail", func(m Model) bool { return m.view.Filter == "queue mail" }},
		{"filter", func(m Model) bool { return m.view.Filter == "" }},
		{"theme mono", func(m Model) bool { return m.view.Theme.Name == theme.Mono }},
		{"theme pink", func(m Model) bool { return m.view.Failed && m.view.Theme.Name == theme.Default }},
		{"interval 2s", func(m Model) bool { return m.view.Interval == 2*time.Second }},
		{"interval 1ms", func(m Model) bool { return m.view.Failed && m.view.Interval == time.Second }},
		{"interval soon", func(m Model) bool { return m.view.Failed }},
		{"pause", func(m Model) bool { return m.view.Paused }},
		{"mouse", func(m Model) bool { return !m.mouse }},
		{"help", func(m Model) bool { return m.view.Help }},
		{"rm -rf /", func(m Model) bool { return m.view.Failed && strings.Contains(m.View(), "there is no command") }},
		{"", func(m Model) bool { return m.view.Note == "" }},
	} {
		m := send(press(model(t, options(overview(t)), 80, 24), ":"+c.line), named("enter"))
		if !c.want(m) || m.typing != nothing {
			t.Errorf(":%s does not do what it says; note %q", c.line, m.view.Note)
		}
	}
	m := send(press(model(t, options(overview(t)), 80, 24), ":"), named("backspace"))
	if m.typing != nothing {
		t.Error("backspace does not leave an empty line")
	}
}

func TestNoColourKeepsMono(t *testing.T) {
	o := options(overview(t))
	o.NoColour, o.Theme = true, "safe"
	m := press(model(t, o, 80, 24), "t")
	if m.view.Theme.Name != theme.Mono || !strings.Contains(m.View(), "NO_COLOR") {
		t.Errorf("theme %s, note %q", m.view.Theme.Name, m.view.Note)
	}
}

func TestMouse(t *testing.T) {
	m := model(t, options(overview(t)), 80, 24)
	wheel := func(x, y int, b tea.MouseButton) tea.MouseMsg {
		return tea.MouseMsg{X: x, Y: y, Button: b, Action: tea.MouseActionPress}
	}
	if got := send(m, wheel(5, 20, tea.MouseButtonWheelDown)); got.view.Cursor != 3 {
		t.Errorf("the wheel over the series moves to %d", got.view.Cursor)
	}
	if got := send(m, wheel(5, 20, tea.MouseButtonWheelDown), wheel(5, 20, tea.MouseButtonWheelUp)); got.view.Cursor != 0 {
		t.Error("the wheel does not turn back")
	}
	if got := send(m, wheel(5, 11, tea.MouseButtonWheelDown)); got.view.Scroll[page.SLOs] != 3 || got.view.Cursor != 0 {
		t.Error("the wheel over the objectives does not scroll them")
	}
	if got := send(m, wheel(70, 20, tea.MouseButtonLeft)); got.view.Focus != page.Ledger {
		t.Error("a click does not focus")
	}
	if got := send(m, wheel(5, 0, tea.MouseButtonWheelDown), wheel(500, 500, tea.MouseButtonLeft)); got.view.Cursor != 0 {
		t.Error("the wheel over the header moves something")
	}
	if got := send(press(m, "?"), wheel(5, 9, tea.MouseButtonWheelDown)); got.view.HelpTop != 3 {
		t.Error("the wheel does not scroll the help")
	}
}
