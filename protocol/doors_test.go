package protocol

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// unit is one metric as a sender means it, sound or not, before it is put into
// either language.
type unit struct {
	name   string
	values []string // raw numbers; for a set the members that make the one
	kind   string
	rate   string
	tags   []string // k:v
	time   string
}

func (u unit) text() string {
	var b strings.Builder
	b.WriteString(u.name + ":" + strings.Join(u.values, ":") + "|" + u.kind)
	if u.rate != "" {
		b.WriteString("|@" + u.rate)
	}
	if u.tags != nil {
		b.WriteString("|#" + strings.Join(u.tags, ","))
	}
	if u.time != "" {
		b.WriteString("|T" + u.time)
	}
	return b.String()
}

func (u unit) json() string {
	var b strings.Builder
	b.WriteString(`{"name":` + quote(u.name))
	switch {
	case u.kind == "s":
		b.WriteString(`,"value":` + quote(strings.Join(u.values, ":")))
	case len(u.values) == 1:
		b.WriteString(`,"value":` + u.values[0])
	case len(u.values) > 1:
		b.WriteString(`,"values":[` + strings.Join(u.values, ",") + "]")
	}
	b.WriteString(`,"type":` + quote(u.kind))
	if u.rate != "" {
		b.WriteString(`,"rate":` + u.rate)
	}
	if u.tags != nil {
		quoted := make([]string, len(u.tags))
		for i, t := range u.tags {
			quoted[i] = quote(t)
		}
		b.WriteString(`,"tags":[` + strings.Join(quoted, ",") + "]")
	}
	if u.time != "" {
		b.WriteString(`,"timestamp":` + u.time)
	}
	return b.String() + "}"
}

// quote writes a JSON string that keeps bytes that are no UTF-8.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == '"' || s[i] == '\\' {
			escaped, _ := json.Marshal(s[i : i+1])
			b.Write(escaped[1 : len(escaped)-1])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String() + `"`
}

// drawUnit draws from what is near every rule, under the limits of doorLimits.
func drawUnit(t *rapid.T) unit {
	number := rapid.SampledFrom([]string{"0", "1", "-2.5", "1e3", "1e309", "-1e309", "1e-400", "12345678901234567890"})
	name := rapid.SampledFrom([]string{"a", "a.b/c-d_e", "", "nexus.x", "nexus.\x00", "1a", "a b", "é", "é\x01", "a\x7f",
		"a\xff", "a\xff\x00", "a\u009b", strings.Repeat("a", 12), strings.Repeat("a", 13), strings.Repeat("a", 13) + "\x00"})
	tag := rapid.SampledFrom([]string{"", "k", "k:", "k:v", "k:w", "l:\"x\\", "m:é", ":v", ":", "longkey:v", "n:longvalue",
		"o:\x00", "\xc0p:q", "longkey\x00", "r:s:t", "\u0085"})
	u := unit{
		name:   name.Draw(t, "name"),
		values: rapid.SliceOfN(number, 0, 4).Draw(t, "values"),
		kind:   rapid.SampledFrom([]string{"c", "g", "ms", "h", "d", "s", "", "x", "C", "c\x00"}).Draw(t, "type"),
		rate:   rapid.SampledFrom([]string{"", "", "0.5", "1", "0", "-1", "1.5", "1e-7", "1e309"}).Draw(t, "rate"),
		time:   rapid.SampledFrom([]string{"", "", "1700000000", "1699913600", "1699913599", "1700000601", "0", "9999999999999"}).Draw(t, "time"),
	}
	if rapid.Bool().Draw(t, "tagged") {
		u.tags = rapid.SliceOfN(tag, 1, 5).Draw(t, "tags")
	}
	if u.kind == "s" && rapid.Bool().Draw(t, "words") {
		u.values = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "\"", "é", "\x00", "\xff", "longer member"}), 1, 3).Draw(t, "members")
	}
	return u
}

func doorLimits() Limits {
	l := DefaultLimits()
	l.MaxName, l.MaxTags, l.MaxTagKey, l.MaxTagValue, l.MaxValues, l.MaxMember = 12, 4, 6, 6, 3, 12
	l.AbsoluteGauges = true // as JSON has them
	return l
}

// One unit has one verdict and one meaning, whichever language it comes in, also
// where several rules are broken at once.
func TestDoorsAgree(t *testing.T) {
	text, object := NewParser(doorLimits()), NewParser(doorLimits())
	text.Now, object.Now = testNow, testNow
	reached := map[Reason]int{}
	rapid.Check(t, func(t *rapid.T) {
		u := drawUnit(t)
		m, f := text.Line([]byte(u.text()))
		want := outcome(m, f)
		if got := outcome(object.Line([]byte(u.json()))); got != want {
			t.Fatalf("text %q: %s\njson %s: %s", u.text(), want, u.json(), got)
		}
		reached[f.Reason]++
	})
	if len(reached) < 3 {
		t.Errorf("the draws reached only %v", reached)
	}
}

// soundUnit breaks no rule; the faults below are planted in it one at a time.
func soundUnit() unit {
	return unit{name: "a", values: []string{"1", "2"}, kind: "ms", rate: "0.5", tags: []string{"k:v", "l"}, time: "1700000000"}
}

func TestDoorsAgreeOnEachFault(t *testing.T) {
	cases := []struct {
		want   Reason
		change func(*unit)
	}{
		{Accepted, func(*unit) {}},
		{EmptyName, func(u *unit) { u.name = "" }},
		{NameTooLong, func(u *unit) { u.name = strings.Repeat("a", 13) }},
		{NameCharset, func(u *unit) { u.name = "a b" }},
		{ReservedName, func(u *unit) { u.name = "nexus.x" }},
		{ControlChar, func(u *unit) { u.name = "a\x00" }},
		{UTF8, func(u *unit) { u.name = "a\xff" }},
		{EmptyValue, func(u *unit) { u.values = nil }},
		{EmptyValue, func(u *unit) { u.values, u.kind = nil, "s" }},
		{Range, func(u *unit) { u.values[1] = "1e309" }},
		{NegativeDuration, func(u *unit) { u.values[1] = "-1" }},
		{TooManyValues, func(u *unit) { u.values = []string{"1", "2", "3", "4"} }},
		{MemberTooLong, func(u *unit) { u.values, u.kind = []string{"123456", "123456"}, "s" }},
		{MissingType, func(u *unit) { u.kind = "" }},
		{UnknownType, func(u *unit) { u.kind = "MS" }},
		{SampleRate, func(u *unit) { u.rate = "0" }},
		{TooManyTags, func(u *unit) { u.tags = []string{"a", "a", "a", "a", "a"} }},
		{TagTooLong, func(u *unit) { u.tags = []string{"longkey"} }},
		{TagTooLong, func(u *unit) { u.tags = []string{"k:longval"} }},
		{Syntax, func(u *unit) { u.tags = []string{":v"} }},
		{DuplicateTag, func(u *unit) { u.tags = []string{"k:v", "k:w"} }},
		{ControlChar, func(u *unit) { u.tags = []string{"k:\x1b"} }},
		{UTF8, func(u *unit) { u.tags = []string{"k:\xc0\x80"} }},
		{TooOld, func(u *unit) { u.time = "1" }},
		{Future, func(u *unit) { u.time = "2700000000" }},
	}
	text, object := NewParser(doorLimits()), NewParser(doorLimits())
	text.Now, object.Now = testNow, testNow
	for _, c := range cases {
		u := soundUnit()
		c.change(&u)
		m, f := text.Line([]byte(u.text()))
		got := outcome(object.Line([]byte(u.json())))
		if f.Reason != c.want || got != outcome(m, f) {
			t.Errorf("text %q: %v, json %s: %s, want %v", u.text(), f.Reason, u.json(), got, c.want)
		}
	}
}
