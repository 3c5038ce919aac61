package protocol

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const frameLine = 40 // MaxLine of the frame tests

var frameCorpus = strings.Join([]string{
	"a:1|c\n",
	"a:2|c\r\n",
	"\n", "\r\n", "\n\n",
	"a:1|c|#city:Zürich,東:京\n",
	"no line\n",
	"long:" + strings.Repeat("1", frameLine-7) + "|c\n",   // as long as may be
	"long:" + strings.Repeat("1", frameLine-7) + "|c\r\n", // and with CR
	"long:" + strings.Repeat("1", frameLine-6) + "|c\n",   // one more
	"long:" + strings.Repeat("1", frameLine-6) + "|c\r\n",
	"long:" + strings.Repeat("1", frameLine-5) + "|c\n",
	"{\"name\":\"a\",\"value\":3}\n",
	"endless:" + strings.Repeat("x", 5*frameLine) + "\n",
	"endless:" + strings.Repeat("x", 3*frameLine) + "\r\n",
	"b:m|s\n",
	"\xffcut:1|c\r\xc3\n",
	"tail:1|g",
}, "")

func frameParser() *Parser {
	limits := DefaultLimits()
	limits.MaxLine = frameLine
	return NewParser(limits)
}

// wholeVerdicts judges a stream that is at hand in one piece.
func wholeVerdicts(p *Parser, stream []byte) (verdicts []string) {
	for rest := stream; len(rest) > 0; {
		var line []byte
		if line, rest = NextLine(rest); len(line) > 0 {
			verdicts = append(verdicts, outcome(p.Line(line)))
		}
	}
	return verdicts
}

// framedVerdicts judges a stream that comes in the given pieces, through a buffer
// of the framer's size and not a byte more.
func framedVerdicts(p *Parser, pieces ...[]byte) (verdicts []string) {
	f := NewFramer(frameLine)
	buf := make([]byte, f.Size())
	held := 0
	judge := func(lines []byte) { verdicts = append(verdicts, wholeVerdicts(p, lines)...) }
	for _, piece := range pieces {
		for len(piece) > 0 {
			n := copy(buf[held:], piece)
			piece = piece[n:]
			whole, rest, tooLong := f.Cut(buf[:held+n])
			judge(whole)
			if tooLong {
				verdicts = append(verdicts, "!"+LineTooLong.String())
			}
			held = copy(buf, rest)
		}
	}
	judge(buf[:held])
	return verdicts
}

func TestFramerAtEverySplit(t *testing.T) {
	p := frameParser()
	stream := []byte(frameCorpus)
	want := wholeVerdicts(p, stream)
	if len(want) != 15 {
		t.Fatalf("%d verdicts: %q", len(want), want)
	}
	for i := range stream {
		if got := framedVerdicts(p, stream[:i], stream[i:]); !slices.Equal(got, want) {
			t.Fatalf("split at %d:\n%q\nwant\n%q", i, got, want)
		}
	}
	for size := 1; size < 90; size++ {
		if got := framedVerdicts(p, slices.Collect(slices.Chunk(stream, size))...); !slices.Equal(got, want) {
			t.Fatalf("pieces of %d:\n%q\nwant\n%q", size, got, want)
		}
	}
}

func TestFramerCountsEndlessLineOnce(t *testing.T) {
	f := NewFramer(64)
	buf := make([]byte, f.Size())
	for i := range buf {
		buf[i] = 'x'
	}
	counted := 0
	for range 1000 {
		whole, rest, tooLong := f.Cut(buf)
		if len(whole) != 0 || len(rest) != 0 {
			t.Fatalf("%d bytes whole, %d held", len(whole), len(rest))
		}
		if tooLong {
			counted++
		}
	}
	if counted != 1 || f.Skipped() != int64(1000*len(buf)) || !f.Active() {
		t.Fatalf("counted %d times, %d skipped, active %v", counted, f.Skipped(), f.Active())
	}
	whole, rest, tooLong := f.Cut([]byte("end\nb:1|c\npart"))
	if string(whole) != "b:1|c\n" || string(rest) != "part" || tooLong || f.Active() {
		t.Fatalf("%q, %q, %v", whole, rest, tooLong)
	}
	if want := int64(1000*len(buf) + 4); f.Skipped() != want {
		t.Fatalf("%d skipped, want %d", f.Skipped(), want)
	}
}

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

// What a caller appends to a line must not run over the bytes after it.
func TestLinesAreFull(t *testing.T) {
	buf := []byte("a\nb\nc")
	whole, rest := Cut(buf)
	line, _ := NextLine(whole)
	_ = append(whole, 'X')
	_ = append(line, 'Y')
	if string(buf) != "a\nb\nc" || string(rest) != "c" {
		t.Fatalf("%q", buf)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(frameCorpus), []byte{3, 50, 1})
	f.Add([]byte("\r\n\r\r\n\n\r"), []byte{1})
	f.Add(bytes.Repeat([]byte("x"), 200), []byte{41, 42, 43})
	p := frameParser()
	f.Fuzz(func(t *testing.T, stream, sizes []byte) {
		if len(stream) > 1<<14 {
			return
		}
		var pieces [][]byte
		for i, rest := 0, stream; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, 1+int(sizes[i%len(sizes)]))
			}
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		want, got := wholeVerdicts(p, stream), framedVerdicts(p, pieces...)
		if !slices.Equal(got, want) {
			t.Fatalf("%q\nwant\n%q", got, want)
		}
	})
}
