package protocol

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// Every byte at every place of lines around the word length.
func TestPrintable(t *testing.T) {
	for n := range 26 {
		line := bytes.Repeat([]byte("~"), n)
		if !printable(line) {
			t.Fatalf("%q refused", line)
		}
		for i := range line {
			for c := range 256 {
				line[i] = byte(c)
				if got, want := printable(line), c >= 0x20 && c < 0x7f; got != want {
					t.Fatalf("%q: %v", line, got)
				}
			}
			line[i] = ' '
		}
	}
}

func TestBadChar(t *testing.T) {
	cases := []struct {
		in     string
		reason Reason
		at     int
	}{
		{"", Accepted, 0},
		{"plain ~", Accepted, 0},
		{"Zürich 東京 \U0001F600", Accepted, 0},
		{"ab\n", ControlChar, 2},
		{"é\x7f", ControlChar, 2},
		{"é\u0085", ControlChar, 2},
		{"a\x80", ControlChar, 1},
		{"a\xa0", UTF8, 1},
		{"a\xc1\xbf", UTF8, 1},
		{"\xe0\x80\xaf", UTF8, 0},
		{"\xed\xa0\x80", UTF8, 0},
		{"\xf8\x88\x80\x80\x80", UTF8, 0},
		{"東\xe6\x9d", UTF8, 3},
		{"\ufffd", Accepted, 0},
		{"\xff\x00", UTF8, 0},
		{"\x00\xff", ControlChar, 0},
	}
	for _, c := range cases {
		f := badChar([]byte(c.in))
		if f.reason != c.reason || f.at != c.at {
			t.Errorf("%q: %v at %d, want %v at %d", c.in, f.reason, f.at, c.reason, c.at)
		}
	}
}

func FuzzBadChar(f *testing.F) {
	f.Add([]byte("a\xc3\x28 é\x9b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		bad := badChar(b)
		if printable(b) && bad.reason != Accepted {
			t.Fatalf("%q: printable and %v", b, bad)
		}
		clean := utf8.Valid(b) && !bytes.ContainsFunc(b, isControl)
		if clean != (bad.reason == Accepted) {
			t.Fatalf("%q: %v", b, bad)
		}
		if bad.reason != Accepted && (!utf8.Valid(b[:bad.at]) || bytes.ContainsFunc(b[:bad.at], isControl)) {
			t.Fatalf("%q: not the first: %v", b, bad)
		}
	})
}
