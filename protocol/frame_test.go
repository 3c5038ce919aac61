package protocol

import "testing"

func TestCut(t *testing.T) {
	cases := []struct{ in, whole, rest string }{
		{"", "", ""},
		{"a", "", "a"},
		{"\n", "\n", ""},
		{"a\nb", "a\n", "b"},
		{"a\nb\r\n", "a\nb\r\n", ""},
	}
	for _, c := range cases {
		whole, rest := Cut([]byte(c.in))
		if string(whole) != c.whole || string(rest) != c.rest {
			t.Errorf("%q: %q, %q", c.in, whole, rest)
		}
	}
}

func TestNextLine(t *testing.T) {
	cases := []struct{ in, line, rest string }{
		{"", "", ""},
		{"a", "a", ""},
		{"a\r", "a", ""},
		{"a\nb\n", "a", "b\n"},
		{"a\r\nb", "a", "b"},
		{"a\r\r\n", "a\r", ""},
		{"\r\n\n", "", "\n"},
		{"a\rb\n", "a\rb", ""},
	}
	for _, c := range cases {
		line, rest := NextLine([]byte(c.in))
		if string(line) != c.line || string(rest) != c.rest {
			t.Errorf("%q: %q, %q", c.in, line, rest)
		}
	}
}
