package protocol

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAppendText(t *testing.T) {
	cases := []struct{ line, want string }{
		{"a.b:42|c", "a.b:42|c"},
		{"a:1.50:+2e3|h|@0.50", "a:1.5:2000|h|@0.5"},
		{"g:+5:-5:7:-0|g", "g:+5:-5:7:-0|g"},
		{"a:1:2|s", "a:1:2|s"},
		{"a,k=v,f:1|c|T1700000000", "a:1|c|#k:v,f|T1700000000"},
		{"a:1|c|c:x|y|", "a:1|c"},
		{"x:1|c:2|c", "x:1:2|c"},
		{"a:1e300:1e-300:1000000|d", "a:1e+300:1e-300:1000000|d"},
		{`{"name":"a","value":5}`, "a:5|g"},
		{`{"name":"a","value":-5}`, `{"name":"a","value":-5,"type":"gauge"}`},
		{`{"name":"a","value":-0}`, `{"name":"a","value":-0,"type":"gauge"}`},
		{`{"name":"a:b","values":[1,2],"type":"c","rate":0.5}`, `{"name":"a:b","values":[1,2],"type":"counter","rate":0.5}`},
		{`{"name":"a","value":"x|y","type":"s"}`, `{"name":"a","value":"x|y","type":"set"}`},
		{`{"name":"a","value":"\"\\","type":"s"}`, `a:"\|s`},
		{`{"name":"a","value":1,"tags":{"k:l":"\"","m":"\\n"}}`, `{"name":"a","value":1,"type":"gauge","tags":{"k:l":"\"","m":"\\n"}}`},
		{`{"name":"a","value":1,"tags":["k:a,b"]}`, `{"name":"a","value":1,"type":"gauge","tags":{"k":"a,b"}}`},
		{`{"name":"a","value":1,"timestamp_ms":1700000000001}`, `{"name":"a","value":1,"type":"gauge","timestamp_ms":1700000000001}`},
	}
	p, again := newTestParser(), newTestParser()
	for _, c := range cases {
		m, f := p.Line([]byte(c.line))
		if f.Reason != Accepted {
			t.Errorf("%s: %v", c.line, f.Reason)
			continue
		}
		got := AppendText([]byte("before "), m)
		if string(got) != "before "+c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
		if back := outcome(again.Line([]byte(c.want))); back != describeSent(m) {
			t.Errorf("%s: came back as %s, want %s", c.line, back, describeSent(m))
		}
	}
}

// A metric that no Parser made must not break out of its line.
func TestAppendTextKeepsToItsLine(t *testing.T) {
	hostile := []byte("x\nnexus.spoof:1|c\r\n\x00")
	metrics := []Metric{
		{Name: hostile, Type: Counter, Values: []Value{{Number: 1}}, Rate: 1},
		{Name: []byte("a"), Type: Set, Member: hostile, Rate: 1},
		{Name: []byte("a"), Type: Counter, Values: []Value{{Number: 1}}, Tags: []Tag{{hostile, nil}}, Rate: 1},
		{Name: []byte("a"), Type: Counter, Values: []Value{{Number: 1}}, Tags: []Tag{{[]byte("k"), hostile}}, Rate: 1},
	}
	p := newTestParser()
	for i := range metrics {
		line := AppendText(nil, &metrics[i])
		if bytes.IndexByte(line, '\n') >= 0 {
			t.Errorf("%q", line)
		}
		if _, f := p.Line(line); f.Reason != ControlChar {
			t.Errorf("%q: %v", line, f.Reason)
		}
	}
}

// drawMetric draws any Metric that a Parser could hand out.
func drawMetric(t *rapid.T) *Metric {
	tagText := rapid.StringMatching(`[ -~é東]{0,8}`)
	m := &Metric{
		Name: []byte(rapid.StringMatching(`[A-Za-z_][A-Za-z0-9_.:/-]{0,9}`).Draw(t, "name")),
		Type: rapid.Custom(func(t *rapid.T) Type { return Type(rapid.IntRange(1, int(Set)).Draw(t, "n")) }).Draw(t, "type"),
		Rate: 1,
	}
	if m.Type == Set {
		m.Member = []byte(rapid.StringMatching(`[ -~é東]{1,8}`).Draw(t, "member"))
	} else {
		m.Values = drawValues(t, m.Type)
	}
	if m.Type != Set && m.Type != Gauge && rapid.Bool().Draw(t, "sampled") {
		m.Rate = rapid.Float64Range(minRate, 1).Draw(t, "rate")
	}
	seen := map[string]bool{}
	for range rapid.IntRange(0, 4).Draw(t, "tags") {
		key := rapid.StringMatching(`[ -~é東]{1,8}`).Draw(t, "key")
		if !seen[key] {
			m.Tags = append(m.Tags, Tag{[]byte(key), []byte(tagText.Draw(t, "value"))})
		}
		seen[key] = true
	}
	if m.HasTime = rapid.Bool().Draw(t, "timed"); m.HasTime {
		m.Time = testNow + rapid.Int64Range(-1000, 600).Draw(t, "seconds")*1000 -
			rapid.SampledFrom([]int64{0, 0, 1, 500}).Draw(t, "ms")
	}
	return m
}

// drawValues draws numbers; of a gauge either absolute ones or the mix with
// deltas that text makes, where what is below zero is a delta.
func drawValues(t *rapid.T, kind Type) []Value {
	least := -math.MaxFloat64
	if kind == Timer {
		least = 0
	}
	deltas := kind == Gauge && rapid.Bool().Draw(t, "deltas")
	values := make([]Value, rapid.IntRange(1, 4).Draw(t, "n"))
	for i := range values {
		v := rapid.Float64Range(least, math.MaxFloat64).Draw(t, "v")
		values[i] = Value{v, deltas && (math.Signbit(v) || rapid.Bool().Draw(t, "delta"))}
	}
	return values
}

func TestAppendTextComesBack(t *testing.T) {
	p := newTestParser()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMetric(t)
		if hasPrefix(m.Name, "nexus.") {
			t.Skip("reserved")
		}
		if !fitsText(m) { // deltas come with text alone
			for i := range m.Values {
				m.Values[i].Delta = false
			}
		}
		line := AppendText(nil, m)
		if got := outcome(p.Line(line)); got != describe(m) {
			t.Fatalf("%q: %s, want %s", line, got, describe(m))
		}
		if !fitsText(m) {
			return
		}
		if _, f := p.Text(line); f.Reason != Accepted {
			t.Fatalf("%q is not text: %v", line, f.Reason)
		}
	})
}

func TestAppendJSONComesBack(t *testing.T) {
	p := newTestParser()
	rapid.Check(t, func(t *rapid.T) {
		m := drawMetric(t)
		for i := range m.Values {
			m.Values[i].Delta = false
		}
		if hasPrefix(m.Name, "nexus.") {
			t.Skip("reserved")
		}
		line := AppendJSON(nil, m)
		if got := outcome(p.JSON(line)); got != describe(m) {
			t.Fatalf("%q: %s, want %s", line, got, describe(m))
		}
	})
}
