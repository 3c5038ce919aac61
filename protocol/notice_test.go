package protocol

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNotices(t *testing.T) {
	cases := []struct{ line, want string }{
		{"_e{5,4}:title|text", `event info normal "title" "text"`},
		{"_e{1,0}:a|", `event info normal "a" ""`},
		{"_e{3,5}:a|b|c|d:e", `event info normal "a|b" "c|d:e"`},
		{`_e{1,6}:a|b\nc\\|t:error`, `event error normal "a" "b\nc\\\\"`},
		{"_e{2,2}:é|ü", `event info normal "é" "ü"`},
		{"_e{1,1}:a|b|d:1700000000|h:web-1|k:deploys|p:low|s:jenkins|t:warning|#env:prod,blue|c:abc",
			`event warning low "a" "b" host=web-1 key=deploys source=jenkins container=abc env=prod blue= T1700000000000`},
		{"_e{1,1}:a|b|t:success|p:normal|e:it-false,cn-x|card:low", `event success normal "a" "b"`},
		{"_e{1,1}:a|b|x:later|y|", `event info normal "a" "b" ignored3`},
		{"_e{1,1}:a|b|m:not of events", `event info normal "a" "b"`},
		{"_e{0000001,1}:a|b", `event info normal "a" "b"`},

		{"_sc|db.up|0", `check ok normal "db.up" ""`},
		{"_sc|Redis connection|2|#env:dev|m:timed out after 10s", `check critical normal "Redis connection" "timed out after 10s" env=dev`},
		{"_sc|a|1|d:1700000000|h:web-1|m:line\\nwith m\\: in it|c:abc", `check warning normal "a" "line\nwith m: in it" host=web-1 container=abc T1700000000000`},
		{"_sc|a|3|p:low|t:error|k:x", `check unknown low "a" "" key=x`},
	}
	p := newTestParser()
	for _, c := range cases {
		if got := outcome(p.Line([]byte(c.line))); got != c.want {
			t.Errorf("%q:\n%s, want\n%s", c.line, got, c.want)
		}
	}
}

func TestNoticeFaults(t *testing.T) {
	long := strings.Repeat
	cases := []struct {
		line   string
		reason Reason
		column int
	}{
		{"_e{", Event, 3},
		{"_e{}:a|b", Event, 3},
		{"_e{1}:a|b", Event, 3},
		{"_e{1,}:a|b", Event, 3},
		{"_e{,1}:a|b", Event, 3},
		{"_e{-1,1}:a|b", Event, 3},
		{"_e{+1,1}:a|b", Event, 3},
		{"_e{1,1}a|b", Event, 3},
		{"_e{1,1}", Event, 3},
		{"_e{12345678,1}:a|b", Event, 3},
		{"_e{18446744073709551617,1}:a|b", Event, 3},
		{"_e{5,4}:titl|text", Event, 8},
		{"_e{5,4}:title|tex", Event, 14},
		{"_e{5,4}:title|texts", Event, 14},
		{"_e{5,4}:title", Event, 8},
		{"_e{9999999,9999999}:a|b", NameTooLong, 3},
		{"_e{0,4}:|text", Event, 3},
		{"_e{1025,1}:" + long("a", 1025) + "|b", NameTooLong, 3},
		{"_e{1,1}:a|b|p:urgent", Event, 12},
		{"_e{1,1}:a|b|t:fatal", Event, 12},
		{"_e{1,1}:a|b|t:", Event, 12},
		{"_e{1,1}:a|b|h:" + long("h", 2049), Event, 12},
		{"_e{1,1}:a|b|h:x|h:x", DuplicateSection, 16},
		{"_e{1,1}:a|b|#x|#y", DuplicateSection, 15},
		{"_e{1,1}:a|b|d:1", TooOld, 12},
		{"_e{1,1}:a|b|d:1.5", Timestamp, 12},
		{"_e{1,1}:a|b|d:2700000000", Future, 12},
		{"_e{1,1}:a|b|#:v", Syntax, 13},
		{"_e{1,1}:a|b|#k:1,k:2", DuplicateTag, 17},
		{"_e{1,1}:a|b|#" + long("a,", 101), TooManyTags, 213},
		{"_e{1,1}:a|b|#" + long("k", 1025), TagTooLong, 13},
		{"_e{1,1}:\x00|b", ControlChar, 8},
		{"_e{1,1}:a|\xff", UTF8, 10},
		{"_e{1,2}:a|\xc3(", UTF8, 10},

		{"_sc|n", ServiceCheck, 4},
		{"_sc|", ServiceCheck, 4},
		{"_sc||0", ServiceCheck, 4},
		{"_sc|n|", ServiceCheck, 6},
		{"_sc|n|9", ServiceCheck, 6},
		{"_sc|n|4", ServiceCheck, 6},
		{"_sc|n|00", ServiceCheck, 6},
		{"_sc|n|OK", ServiceCheck, 6},
		{"_sc|n|0|p:no", ServiceCheck, 8},
		{"_sc|n|0|m:a|m:b", DuplicateSection, 12},
		{"_sc|nexus.up|0", ReservedName, 4},
		{"_sc|" + long("n", 1025) + "|0", NameTooLong, 4},
		{"_sc|n\x1b[2J|0", ControlChar, 5},
	}
	p := newTestParser()
	for _, c := range cases {
		m, f := p.Line([]byte(c.line))
		if f != (Fault{c.reason, c.column}) || m != nil {
			t.Errorf("%.60q: %v at %d, want %v at %d", c.line, f.Reason, f.Column, c.reason, c.column)
		}
	}
}

// A line behind a notice knows nothing of it, and a notice nothing of a line.
func TestNoticesAreForgotten(t *testing.T) {
	p := newTestParser()
	p.Line([]byte(`_e{1,3}:a|\nb|h:x|#k:v|t:error|p:low`))
	if m, _ := p.Line([]byte("b:3|g")); m.Notice != nil || describe(m) != "b g 3" {
		t.Errorf("%s", describe(m))
	}
	p.Line([]byte("a:1:2|c|@0.5|#k:v|T1700000000|x"))
	if got := outcome(p.Line([]byte("_sc|a|0"))); got != `check ok normal "a" ""` {
		t.Error(got)
	}
}

func TestNoticesAllocateNothing(t *testing.T) {
	p := newTestParser()
	for _, line := range []string{
		`_e{1,6}:a|b\nc\\|d:1700000000|h:x|k:y|p:low|s:z|t:error|#k:v,l|c:q`, "_sc|a|1|#k:v|m:b\\nc m\\: d", "_e{1,9}:a|b", "_sc|a|7",
	} {
		in := []byte(line)
		if n := testing.AllocsPerRun(100, func() { p.Line(in) }); n != 0 {
			t.Errorf("%q: %v allocations", line, n)
		}
	}
}

// FuzzNotice holds the laws of every verdict on events and checks, and that what
// is accepted can be said again.
func FuzzNotice(f *testing.F) {
	for _, line := range []string{
		"_e{5,4}:title|text", `_e{1,6}:a|b\nc\\|t:error`, "_e{1,1}:a|b|d:1700000000|h:web|k:x|p:low|s:j|t:warning|#env:prod,blue|c:abc",
		"_sc|Redis connection|2|#env:dev|m:timed out", `_sc|a|1|m:m\:\n|c:x`, "_sc|n|9", "_e{0,0}:|", "_e{3,5}:a|b|c|d:e",
	} {
		f.Add([]byte(line))
	}
	p, again := newTestParser(), newTestParser()
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, start := range []string{"", "_e{1,1}:a|b|", "_sc|a|0|"} {
			sent := append([]byte(start), line...)
			before := string(sent)
			m, fault := p.Text(sent)
			if string(sent) != before {
				t.Fatalf("line changed to %q", sent)
			}
			if fault.Reason != Accepted {
				if m != nil || fault.Column < 0 || fault.Column > len(sent) {
					t.Fatalf("%q: fault %+v", sent, fault)
				}
				continue
			}
			if m.Notice == nil {
				continue
			}
			if len(m.Notice.Title) == 0 || m.Count() != 1 || !utf8.Valid(m.Notice.Text) || strings.ContainsRune(string(m.Notice.Title), '\n') {
				t.Fatalf("%q: %s", sent, describe(m))
			}
			want, rendered := describeSent(m), AppendText(nil, m)
			if got := describeAgain(again, rendered); got != want {
				t.Fatalf("%q rendered as %q: %s, want %s", sent, rendered, got, want)
			}
		}
	})
}
