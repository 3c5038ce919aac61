package protocol

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextAccepts(t *testing.T) {
	cases := []struct{ line, want string }{
		{"a.b:42|c", "a.b c 42"},
		{"a:1|ms", "a ms 1"},
		{"a:-1|h", "a h -1"},
		{"a:-1|d", "a d -1"},
		{"a:-2.5|c", "a c -2.5"},
		{"_x/y-z.0:1e3|c", "_x/y-z.0 c 1000"},
		{"a:1e-400|g", "a g 0"},
		{"a:.5:5.|h", "a h 0.5,5"},
		{"a:9223372036854775808|c", "a c 9.223372036854776e+18"},

		{"g:5|g", "g g 5"},
		{"g:+5|g", "g g delta5"},
		{"g:-5|g", "g g delta-5"},
		{"g:1:+2:-3|g", "g g 1,delta2,delta-3"},

		{"a:1:2:3|h", "a h 1,2,3"},
		{"x:1|c:2|c", "x c 1,2"},
		{"x:1:2|ms:3|ms:4|ms", "x ms 1,2,3,4"},
		{"x:1|g:-2|g", "x g 1,delta-2"},
		{"a:user123|s", `a s "user123"`},
		{"a:1:2|s", `a s "1:2"`},
		{"a:NaN|s", `a s "NaN"`},

		{"a:1|c|@0.1", "a c 1 @0.1"},
		{"a:1|h|@1", "a h 1"},
		{"a:1|c|@1e-6", "a c 1 @1e-06"},
		{"a:1|c|@0.5|T1700000000", "a c 1 @0.5 T1700000000000"},
		{"a:1|g|@0.1", "a g 1 ignored_rate"},
		{"a:x|s|@0", `a s "x" ignored_rate`},

		{"a:1|c|#b:1,a:2", "a c 1 b=1 a=2"},
		{"a:1|c|#url:http://x:80/,flag", "a c 1 url=http://x:80/ flag="},
		{"a:1|c|#a:,b", "a c 1 a= b="},
		{"a:1|c|#", "a c 1"},
		{"a:1|c|#,", "a c 1"},
		{"a:1|c|#,a:1,,b:2,", "a c 1 a=1 b=2"},
		{"a:1|c|#k:v,k:v", "a c 1 k=v"},
		{"a:1|c|#k,k:", "a c 1 k="},
		{"a:1|c|#city:Zürich", "a c 1 city=Zürich"},

		{"a,k=v,f:1|c", "a c 1 k=v f="},
		{"a,k=v=w,,:1|c", "a c 1 k=v=w"},
		{"a#k=v,l=w:1|c|@0.5", "a c 1 k=v l=w @0.5"},
		{"a[k=v,l=w]:1|c", "a c 1 k=v l=w"},
		{"a[]:1|c", "a c 1"},

		{"a:1|c|T1699913600", "a c 1 T1699913600000"},
		{"a:1|s|T1700000600", `a s "1" T1700000600000`},
		{"a:1|c|", "a c 1 ignored1"},
		{"a:1|c||x:y|", "a c 1 ignored3"},
		{"a:1|c|c:in-1|e:it-0|card:low", "a c 1"},
		{"a:1|c|c:ci-1:2|#k:v", "a c 1 k=v"},
		{"a:1|c|x:1|x:1", "a c 1 ignored2"},
		{"__proto__:1|c", "__proto__ c 1"},
		{"nexus:1|c", "nexus c 1"},
	}
	p := newTestParser()
	for _, c := range cases {
		if got := outcome(p.Text([]byte(c.line))); got != c.want {
			t.Errorf("%q: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestTextRejects(t *testing.T) {
	long := strings.Repeat
	cases := []struct {
		line   string
		reason Reason
		column int
	}{
		{"", Syntax, 0},
		{"a", Syntax, 0},
		{"a|c", Syntax, 0},
		{"a|c|#k:v", Syntax, 0},
		{"\x16\x03\x01", Syntax, 0},
		{"GET / HTTP/1.1", Syntax, 0},
		{":1|c", EmptyName, 0},
		{",k=v:1|c", EmptyName, 0},
		{"a:", EmptyValue, 2},
		{"a:|c", EmptyValue, 2},
		{"a:|s", EmptyValue, 2},
		{"a:1::2|c", EmptyValue, 4},
		{"a:1:|c", EmptyValue, 4},
		{"a:1", MissingType, 3},
		{"a:1|", MissingType, 4},
		{"a:1||#k:v", MissingType, 4},
		{"a:1|C", UnknownType, 4},
		{"a:1|MS", UnknownType, 4},
		{"a:1|x|#k:v", UnknownType, 4},
		{"x:1|c:2|g", UnknownType, 4},
		{"x:1|c:2|c|#a:b", UnknownType, 4},
		{"x,k=v:1|c:2|c", UnknownType, 8},
		{"x:1|s:2|s", UnknownType, 4},
		{"x:1|c:2", UnknownType, 4},
		{"x:1|c:2|cc", UnknownType, 4},

		{"a:x|c", Number, 2},
		{"a:1:2:x|c", Number, 6},
		{"a: 1|c", Number, 2},
		{"a:1 |c", Number, 2},
		{"a:1_000|c", Number, 2},
		{"a:0x1p4|c", Number, 2},
		{"a:0b1|c", Number, 2},
		{"a:１|c", Number, 2},
		{"a:+|g", Number, 2},
		{"a:--1|g", Number, 2},
		{"a:.|c", Number, 2},
		{"a:1e|c", Number, 2},
		{"a:1,5|c", Number, 2},
		{"a:abc", Number, 2},
		{"a:abc|X", Number, 2},
		{"x:1|c:z|c", Number, 6},
		{"a:NaN|g", NonFinite, 2},
		{"a:+Inf|g", NonFinite, 2},
		{"a:-inf|c", NonFinite, 2},
		{"a:nan|ms", NonFinite, 2},
		{"a:Infinity|h", NonFinite, 2},
		{"a:infinit|h", Number, 2},
		{"a:1e309|c", Range, 2},
		{"a:-1e309|ms", Range, 2},
		{"a:-5|ms", NegativeDuration, 2},
		{"a:1:-5:x|ms", NegativeDuration, 4},

		{"a:1|c|@0", SampleRate, 6},
		{"a:1|c|@-1", SampleRate, 6},
		{"a:1|c|@1.5", SampleRate, 6},
		{"a:1|c|@NaN", SampleRate, 6},
		{"a:1|c|@", SampleRate, 6},
		{"a:1|c|@1e-7", SampleRate, 6},
		{"a:1|c|@0.1:2|c", SampleRate, 6},
		{"a:1|c|@0.1|@0.5", DuplicateSection, 11},
		{"a:1|g|@0.1|@0.1", DuplicateSection, 11},
		{"a:1|c|#k:v|#l:w", DuplicateSection, 11},
		{"a:1|c|T1700000000|T1700000000", DuplicateSection, 18},
		{"a:1|c|c:a|c:a", DuplicateSection, 10},
		{"a:1|c|e:a|e:a", DuplicateSection, 10},
		{"a:1|c|card:a|card:b", DuplicateSection, 13},

		{"a:1|c|#:b", Syntax, 7},
		{"a,=b:1|c", Syntax, 2},
		{"a:1|c|#k:v,k:w", DuplicateTag, 11},
		{"a,k=v,k=w:1|c", DuplicateTag, 6},
		{"a,k=v:1|c|#l:w", Syntax, 10},
		{"a[k=v]:1|c|#", Syntax, 11},
		{"a,k=v#l=w:1|c", Syntax, 5},
		{"a#k=v[l=w]:1|c", Syntax, 5},
		{"a[k=v]x:1|c", Syntax, 6},
		{"a[k=v:1|c", Syntax, 1},

		{"a\x00b:1|c", ControlChar, 1},
		{"a\x1b[2J:1|c", ControlChar, 1},
		{"a\x07:1|c", ControlChar, 1},
		{"a\x7f:1|c", ControlChar, 1},
		{"a\x9b:1|c", ControlChar, 1},
		{"a\u009b:1|c", ControlChar, 1},
		{"a:1|c\r", ControlChar, 5},
		{"a:1|c|#k:v\tw", ControlChar, 10},
		{"a:m\x00|s", ControlChar, 3},
		{"a:1|c|x:\x01", ControlChar, 8},
		{"a:1\x00|c", ControlChar, 3},
		{"a:x|c|#\x00", Number, 2},
		{"\xff:1|c", UTF8, 0},
		{"a\xc0\x80:1|c", UTF8, 1},
		{"a:1|c|#k:\xed\xa0\x80", UTF8, 9},
		{"a:1|c|#k:\xf4\x90\x80\x80", UTF8, 9},
		{"a:1|c|#k:\xc3", UTF8, 9},

		{"é:1|c", NameCharset, 0},
		{"e\u0301:1|c", NameCharset, 1},
		{"а:1|c", NameCharset, 0},
		{"a\u202eb:1|c", NameCharset, 1},
		{"\ufeffa:1|c", NameCharset, 0},
		{"a b:1|c", NameCharset, 1},
		{"1a:1|c", NameCharset, 0},
		{".:1|c", NameCharset, 0},
		{"../../etc/passwd:1|c", NameCharset, 0},
		{"nexus.x:1|c", ReservedName, 0},
		{"nexus.é:1|c", ReservedName, 0},

		{"a:1|c|#" + long("x", 65536), LineTooLong, 65536},
		{long("a", 1025) + ":1|c", NameTooLong, 0},
		{long("a", 1025) + "é\x00:1|c", NameTooLong, 0},
		{"a:1|c|#" + manyTags(101), TooManyTags, 7 + 400},
		{"a:1|c|#" + long("k", 1025), TagTooLong, 7},
		{"a:1|c|#k:" + long("v", 2049), TagTooLong, 7},
		{"a:1|c|#a,k:" + long("v", 2048) + "\x00", TagTooLong, 9},
		{"a:1" + long(":1", 10_000) + "|c", TooManyValues, 2 + 20_000},
		{"a:" + long("m", 257) + "|s", MemberTooLong, 2},

		{"a:1|c|T1699913599", TooOld, 6},
		{"a:1|c|T0", TooOld, 6},
		{"a:1|c|T1700000601", Future, 6},
		{"a:1|c|T1731536000", Future, 6},
		{"a:1|c|T99999999999999999999999999", Future, 6},
		{"a:1|c|T" + long("9", 400), Future, 6},
		{"a:1|c|T", Timestamp, 6},
		{"a:1|c|T-1", Timestamp, 6},
		{"a:1|c|T9e18", Timestamp, 6},
		{"a:1|c|T1.5", Timestamp, 6},

		{"_e{", Event, 3},
		{"_sc|n|9", ServiceCheck, 6},
		{"_sc||0", ServiceCheck, 4},
	}
	p := newTestParser()
	for _, c := range cases {
		m, f := p.Text([]byte(c.line))
		if f != (Fault{c.reason, c.column}) || m != nil {
			t.Errorf("%.60q: %v at %d, want %v at %d", c.line, f.Reason, f.Column, c.reason, c.column)
		}
	}
}

// manyTags returns n tags of three bytes, and a comma between them.
func manyTags(n int) string {
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprintf("t%02x", i)
	}
	return strings.Join(tags, ",")
}

func TestTextTakesLimitsToTheFull(t *testing.T) {
	p := newTestParser()
	lines := []string{
		strings.Repeat("a", 1024) + ":1|c",
		"a:1|c|#" + manyTags(100),
		"a:1|c|#" + strings.Repeat("k", 1024) + ":" + strings.Repeat("v", 2048),
		"a:1" + strings.Repeat(":1", 9_999) + "|c",
		"a:" + strings.Repeat("m", 256) + "|s",
		"a:1|c|x" + strings.Repeat("x", 65536-7),
	}
	for _, line := range lines {
		if _, f := p.Text([]byte(line)); f.Reason != Accepted {
			t.Errorf("%.40q…: %v at %d", line, f.Reason, f.Column)
		}
	}
}

func TestTextAbsoluteGauges(t *testing.T) {
	limits := DefaultLimits()
	limits.AbsoluteGauges = true
	p := NewParser(limits)
	if got := outcome(p.Text([]byte("g:+5:-5|g"))); got != "g g 5,-5" {
		t.Error(got)
	}
}

func TestTextWithoutReservedPrefix(t *testing.T) {
	limits := DefaultLimits()
	limits.ReservedPrefix = ""
	p := NewParser(limits)
	if got := outcome(p.Text([]byte("nexus.x:1|c"))); got != "nexus.x c 1" {
		t.Error(got)
	}
}

func TestLineTellsTextFromJSON(t *testing.T) {
	p := newTestParser()
	cases := []struct{ line, want string }{
		{"a:1|c", "a c 1"},
		{"a:1|c\r", "!control_char"},
		{`{"name":"a","value":1}`, "a g 1"},
		{" \t{\"name\":\"a\",\"value\":1}\r", "a g 1"},
		{" a:1|c", "!name_charset"},
		{`a{"name":1}`, "!name_charset"},
		{"", "!syntax"},
		{"  ", "!syntax"},
		{"\r", "!syntax"},
	}
	for _, c := range cases {
		if got := outcome(p.Line([]byte(c.line))); got != c.want {
			t.Errorf("%q: %s, want %s", c.line, got, c.want)
		}
	}
}

// A Parser carries nothing from one line to the next.
func TestParserForgets(t *testing.T) {
	p := newTestParser()
	full := []string{
		"a:1:2|c|@0.5|#k:v|T1700000000|x", "a:m|s|@0.1", "a,k=v:1|c",
		`{"name":"a","values":[1,2],"rate":0.5,"tags":{"k":"v"},"timestamp":1700000000,"type":"c","z":1}`,
		`{"name":"a","value":"m","type":"set"}`, "a:x|c", "{",
	}
	for _, line := range full {
		p.Line([]byte(line))
		if got := outcome(p.Line([]byte("b:3|g|#l:w"))); got != "b g 3 l=w" {
			t.Errorf("after %q: %s", line, got)
		}
		if got := outcome(p.Line([]byte(`{"name":"b","value":3}`))); got != "b g 3" {
			t.Errorf("after %q: %s", line, got)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, c := range benchLines {
		f.Add([]byte(c.line))
	}
	for _, line := range []string{
		"a,k=v:1|c", "a#k=v:1|c", "a[k=v]:1|c", "x:1|c:2|c", "g:+5:-0|g", "a:1:2|s|T1700000000|x|",
		"a:1|c|#k:v,k:w", "a\x00:1|c", "\xff:1|c", "a:1e309|ms", "_e{1,1}:a|b", "a:.5:5.:-1e-7|d|@1e-6",
	} {
		f.Add([]byte(line))
	}
	p, again := newTestParser(), newTestParser()
	f.Fuzz(func(t *testing.T, line []byte) {
		sent := string(line)
		m, fault := p.Text(line)
		if string(line) != sent {
			t.Fatalf("line changed to %q", line)
		}
		checkVerdict(t, line, m, fault)
		if fault.Reason != Accepted {
			return
		}
		want := describeSent(m)
		rendered := AppendText(nil, m)
		if got := describeAgain(again, rendered); len(rendered) <= 1<<16 && got != want {
			t.Fatalf("%q rendered as %q: %s, want %s", line, rendered, got, want)
		}
	})
}

// describeSent describes what a rendering keeps: all but the count of what was
// ignored.
func describeSent(m *Metric) string {
	kept := *m
	kept.IgnoredSections, kept.IgnoredRate = 0, false
	return describe(&kept)
}

func describeAgain(p *Parser, line []byte) string { return outcome(p.Line(line)) }

// checkVerdict holds the laws of every verdict.
func checkVerdict(t *testing.T, line []byte, m *Metric, f Fault) {
	t.Helper()
	if f.Reason != Accepted {
		if m != nil || f.Column < 0 || f.Column > len(line) || int(f.Reason) >= NumReasons {
			t.Fatalf("%q: fault %+v", line, f)
		}
		return
	}
	if m.Notice != nil {
		return // FuzzNotice holds those to their laws
	}
	if nameLen(m.Name) != len(m.Name) || len(m.Name) == 0 || m.Type == 0 || int(m.Type) >= NumTypes {
		t.Fatalf("%q: name %q, type %d", line, m.Name, m.Type)
	}
	if (m.Type == Set) != (m.Member != nil) || (m.Type == Set) != (len(m.Values) == 0) || m.Count() == 0 {
		t.Fatalf("%q: %d values, member %q", line, len(m.Values), m.Member)
	}
	for _, v := range m.Values {
		if v.Number-v.Number != 0 || m.Type == Timer && v.Number < 0 {
			t.Fatalf("%q: value %v", line, v)
		}
	}
	keys := map[string]bool{}
	for _, tag := range m.Tags {
		if len(tag.Key) == 0 || keys[string(tag.Key)] || badChar(tag.Key).reason != 0 || badChar(tag.Value).reason != 0 {
			t.Fatalf("%q: tag %q", line, tag)
		}
		keys[string(tag.Key)] = true
	}
	if !utf8.Valid(line) || !utf8.Valid(m.Member) {
		t.Fatalf("%q: accepted", line)
	}
}
