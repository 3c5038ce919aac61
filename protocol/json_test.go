package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestJSONAccepts(t *testing.T) {
	cases := []struct{ line, want string }{
		{`{"name":"a","value":1}`, "a g 1"},
		{`{"name":"a","value":-5}`, "a g -5"},
		{` { "name" : "a" , "value" : 1.5e3 , "type" : "counter" } `, "a c 1500"},
		{`{"value":1,"type":"ms","name":"a"}`, "a ms 1"},
		{`{"name":"a","value":1e-400}`, "a g 0"},
		{`{"name":"a","value":12345678901234567890}`, "a g 1.2345678901234567e+19"},
		{`{"name":"a","type":"c","value":1}`, "a c 1"},
		{`{"name":"a","type":"gauge","value":1}`, "a g 1"},
		{`{"name":"a","type":"histogram","value":-1}`, "a h -1"},
		{`{"name":"a","type":"timer","value":1}`, "a ms 1"},
		{`{"name":"a","type":"distribution","value":-1}`, "a d -1"},
		{`{"name":"a","type":"set","value":"user 1"}`, `a s "user 1"`},
		{`{"name":"a","value":"1:2","type":"s"}`, `a s "1:2"`},
		{`{"name":"a","values":[1,-2,3.5]}`, "a g 1,-2,3.5"},
		{`{"name":"a","values":[ 1 , 2 ],"type":"h","rate":0.5}`, "a h 1,2 @0.5"},
		{`{"name":"a","value":1,"rate":0.5}`, "a g 1 ignored_rate"},
		{`{"name":"a","value":1,"rate":7}`, "a g 1 ignored_rate"},
		{`{"name":"a","value":1,"tags":{"k":"v","l":""}}`, "a g 1 k=v l="},
		{`{"name":"a","value":1,"tags":{}}`, "a g 1"},
		{`{"name":"a","value":1,"tags":[]}`, "a g 1"},
		{`{"name":"a","value":1,"tags":["k:v","l","","k:v","u:http://x","c:a,b"]}`, "a g 1 k=v l= u=http://x c=a,b"},
		{`{"name":"a","value":1,"tags":{"a:b":"c|d,e"}}`, "a g 1 a:b=c|d,e"},
		{`{"name":"a:b","value":1}`, "a:b g 1"},
		{`{"name":"a","value":1,"timestamp":1700000000}`, "a g 1 T1700000000000"},
		{`{"name":"a","value":1,"timestamp":1700000000.123}`, "a g 1 T1700000000123"},
		{`{"name":"a","value":1,"timestamp":1.7e9}`, "a g 1 T1700000000000"},
		{`{"name":"a","value":1,"timestamp":"2023-11-14T22:13:20.5Z"}`, "a g 1 T1700000000500"},
		{`{"name":"a","value":1,"timestamp":"2023-11-14T23:13:20+01:00"}`, "a g 1 T1700000000000"},
		{`{"name":"a","value":1,"timestamp_ms":1700000000123}`, "a g 1 T1700000000123"},
		{`{"name":"a","value":1,"timestamp_ms":1700000000123.4}`, "a g 1 T1700000000123"},

		{`{"n\u0061me":"\u0061\/b","value":1}`, "a/b g 1"},
		{`{"name":"a","value":"\"\\\u00e9\ud83d\ude00","type":"set"}`, "a s \"\\\"\\\\é😀\""},
		{`{"name":"a","value":1,"tags":{"k":"Zürich"}}`, "a g 1 k=Zürich"},
		{`{"name":"a","value":1,"unit":"ms","z":[{"q":null},true,false,-1.5e3,"\n\ud800"]}`, "a g 1 ignored2"},
		{`{"name":"a","value":1,"x":1,"x":2}`, "a g 1 ignored2"},
		{`{"name":"__proto__","value":1,"constructor":{}}`, "__proto__ g 1 ignored1"},
		{"{\n\t\"name\": \"a\",\r\n\t\"value\": 1\n}\n", "a g 1"},
	}
	p := newTestParser()
	for _, c := range cases {
		if got := outcome(p.JSON([]byte(c.line))); got != c.want {
			t.Errorf("%s: %s, want %s", c.line, got, c.want)
		}
	}
}

func TestJSONRejects(t *testing.T) {
	long := strings.Repeat
	cases := []struct {
		line   string
		reason Reason
		column int
	}{
		{``, JSONSyntax, 0},
		{`{`, JSONSyntax, 1},
		{`[1,`, JSONType, 0},
		{`""`, JSONType, 0},
		{`null`, JSONType, 0},
		{`true`, JSONType, 0},
		{`1`, JSONType, 0},
		{`}`, JSONSyntax, 0},
		{`{]`, JSONSyntax, 1},
		{`{"name"`, JSONSyntax, 7},
		{`{"name":}`, JSONSyntax, 8},
		{`{"name":"a"`, JSONSyntax, 11},
		{`{"name":"a"value":1}`, JSONSyntax, 11},
		{`{"name":"a,"value":1}`, NameCharset, 10},
		{`{"name":"a",}`, JSONSyntax, 12},
		{`{"name":"a","value":1,}`, JSONSyntax, 22},
		{`{"name":"a" "value":1}`, JSONSyntax, 12},
		{`{name:"a","value":1}`, JSONSyntax, 1},
		{`{'name':"a"}`, JSONSyntax, 1},
		{`{"name":"a","value":1}{}`, JSONSyntax, 22},
		{`{"name":"a","value":1} x`, JSONSyntax, 23},
		{`{"name":"a","value":01}`, JSONSyntax, 20},
		{`{"name":"a","value":+1}`, JSONSyntax, 20},
		{`{"name":"a","value":.5}`, JSONSyntax, 20},
		{`{"name":"a","value":1.}`, JSONSyntax, 20},
		{`{"name":"a","value":-}`, JSONSyntax, 20},
		{`{"name":"a","value":0x1}`, JSONSyntax, 21},
		{`{"name":"a","value":1_0}`, JSONSyntax, 21},
		{`{"name":"a","value":NaN}`, JSONSyntax, 20},
		{`{"name":"a","value":tru}`, JSONSyntax, 20},
		{`{"name":"a","value":1,"x":nul}`, JSONSyntax, 26},
		{`{"name":"\x","value":1}`, JSONSyntax, 9},
		{`{"name":"\u12g4","value":1}`, JSONSyntax, 9},
		{`{"name":"a","value":1,"x":"\q"}`, JSONSyntax, 27},
		{`{"name":"a","value":1,"x":{"y" 1}}`, JSONSyntax, 31},
		{`{"name":"a","value":1,"x":{1:1}}`, JSONSyntax, 27},
		{`{"name":"a","value":1,"x":[1 2]}`, JSONSyntax, 29},
		{`{"name":"a","value":1,"tags":{"k":"v"`, JSONSyntax, 37},
		{`{"name":"a","value":1,"tags":{"k"}}`, JSONSyntax, 33},
		{`{"name":"a","value":"abc`, JSONSyntax, 24},

		{`{}`, EmptyName, 0},
		{`{"value":1}`, EmptyName, 0},
		{`{"name":"","value":1}`, EmptyName, 9},
		{`{"name":"a"}`, EmptyValue, 11},
		{`{"name":"a","type":"x"}`, EmptyValue, 11},
		{`{"name":"a","values":[]}`, EmptyValue, 21},
		{`{"name":"a","value":"","type":"s"}`, EmptyValue, 20},
		{`{"name":"a","value":1,"type":""}`, MissingType, 30},
		{`{"name":"a","value":1,"type":"Counter"}`, UnknownType, 30},
		{`{"name":"a","value":1,"type":"C"}`, UnknownType, 30},

		{`{"name":"a","value":"1"}`, JSONType, 20},
		{`{"name":"a","value":true}`, JSONType, 20},
		{`{"name":"a","value":null}`, JSONType, 20},
		{`{"name":"a","value":{}}`, JSONType, 20},
		{`{"name":"a","value":[1]}`, JSONType, 20},
		{`{"name":"a","values":1}`, JSONType, 21},
		{`{"name":"a","values":[1,"2"]}`, JSONType, 24},
		{`{"name":"a","values":[null]}`, JSONType, 22},
		{`{"name":"a","value":1,"type":"set"}`, JSONType, 20},
		{`{"name":"a","values":["x"],"type":"set"}`, JSONType, 21},
		{`{"name":1,"value":1}`, JSONType, 8},
		{`{"name":null,"value":1}`, JSONType, 8},
		{`{"name":null}`, JSONType, 8},
		{`{"name":"a","value":1,"type":1}`, JSONType, 29},
		{`{"name":"a","value":1,"type":null}`, JSONType, 29},
		{`{"name":"a","value":1,"type":"c","rate":"1"}`, JSONType, 40},
		{`{"name":"a","value":1,"rate":null}`, JSONType, 29},
		{`{"name":"a","value":1,"timestamp":null}`, JSONType, 34},
		{`{"name":"a","value":1,"timestamp_ms":"2023-11-14T22:13:20Z"}`, JSONType, 37},

		{`{"name":"a","value":1e309}`, Range, 20},
		{`{"name":"a","values":[1,1e309]}`, Range, 24},
		{`{"name":"a","value":-5,"type":"ms"}`, NegativeDuration, 20},
		{`{"name":"a","values":[1,-5,1e309],"type":"ms"}`, NegativeDuration, 21},
		{`{"name":"a","values":[1e309,-5],"type":"ms"}`, Range, 22},
		{`{"name":"a","value":1,"type":"c","rate":0}`, SampleRate, 40},
		{`{"name":"a","value":1,"type":"c","rate":1.5}`, SampleRate, 40},
		{`{"name":"a","value":1,"type":"c","rate":1e-7}`, SampleRate, 40},
		{`{"name":"a","value":1,"type":"c","rate":1e309}`, SampleRate, 40},

		{`{"name":"a","value":1,"value":2}`, DuplicateKey, 22},
		{`{"name":"a","name":"b","value":2}`, DuplicateKey, 12},
		{`{"name":"a","value":1,"values":[2]}`, DuplicateKey, 22},
		{`{"name":"a","value":1,"timestamp":1700000000,"timestamp_ms":1700000000000}`, DuplicateKey, 45},
		{`{"Name":"a","name":"b","value":1}`, DuplicateKey, 1},
		{`{"name":"a","VALUE":1}`, DuplicateKey, 12},
		{`{"NAME":"a"}`, DuplicateKey, 1},
		{`{"name":"a","value":1,"tagſ":{}}`, DuplicateKey, 22},
		{`{"name":"a","value":1,"val\u0075e":2}`, DuplicateKey, 22},
		{`{"name":"a","value":1,"tags":{"k":"v","k":"v"}}`, DuplicateKey, 38},
		{`{"name":"a","value":1,"tags":{"k":"v","k":"w"}}`, DuplicateKey, 38},

		{`{"name":"a","value":1,"tags":null}`, TagType, 29},
		{`{"name":"a","value":1,"tags":1}`, TagType, 29},
		{`{"name":"a","value":1,"tags":"k:v"}`, TagType, 29},
		{`{"name":"a","value":1,"tags":{"k":1}}`, TagType, 34},
		{`{"name":"a","value":1,"tags":{"k":null}}`, TagType, 34},
		{`{"name":"a","value":1,"tags":{"k":{"l":"m"}}}`, TagType, 34},
		{`{"name":"a","value":1,"tags":[["k:v"]]}`, TagType, 30},
		{`{"name":"a","value":1,"tags":["k:v",null]}`, TagType, 36},
		{`{"name":"a","value":1,"tags":{"":"v"}}`, Syntax, 30},
		{`{"name":"a","value":1,"tags":[":v"]}`, Syntax, 30},
		{`{"name":"a","value":1,"tags":["k:v","k:w"]}`, DuplicateTag, 36},

		{`{"name":"a","value":1,"timestamp":"soon"}`, Timestamp, 34},
		{`{"name":"a","value":1,"timestamp":"10000-01-01T00:00:00Z"}`, Timestamp, 34},
		{`{"name":"a","value":1,"timestamp":1699913599}`, TooOld, 34},
		{`{"name":"a","value":1,"timestamp":-1}`, TooOld, 34},
		{`{"name":"a","value":1,"timestamp":-1e999}`, TooOld, 34},
		{`{"name":"a","value":1,"timestamp":1700000000000}`, Future, 34},
		{`{"name":"a","value":1,"timestamp":1e999}`, Future, 34},
		{`{"name":"a","value":1,"timestamp":"9999-12-31T23:59:59Z"}`, Future, 34},
		{`{"name":"a","value":1,"timestamp_ms":1700000600001}`, Future, 37},

		{"{\"name\":\"a\x01\",\"value\":1}", ControlChar, 10},
		{"{\"name\":\"a\tb\",\"value\":1}", ControlChar, 10},
		{"{\"name\":\"a\x7f\",\"value\":1}", ControlChar, 10},
		{`{"name":"a\u0000","value":1}`, ControlChar, 10},
		{`{"name":"a\n","value":1}`, ControlChar, 10},
		{`{"name":"a\u009b","value":1}`, ControlChar, 10},
		{"{\"name\":\"a\",\x00\"value\":1}", ControlChar, 12},
		{"{\"name\":\"a\",\"value\":1,\"x\":\"\n\"}", ControlChar, 27},
		{`{"name":"\ud800","value":1}`, UTF8, 9},
		{`{"name":"\udc00\ud800","value":1}`, UTF8, 9},
		{`{"name":"\ud800\u0041","value":1}`, UTF8, 9},
		{"{\"name\":\"a\",\"value\":1,\"tags\":{\"k\":\"\xff\"}}", UTF8, 35},
		{"{\"name\":\"a\",\"value\":1,\"x\":\"\xc0\x80\"}", UTF8, 27},
		{"{\"name\":\"a\",\"value\":1}\xff", UTF8, 22},

		{`{"name":"é","value":1}`, NameCharset, 9},
		{`{"name":"a b","value":1}`, NameCharset, 10},
		{`{"name":"nexus.x","value":1}`, ReservedName, 9},
		{`{"name":"\u006eexus.x","value":1}`, ReservedName, 9},

		{`{"name":"` + long("a", 1025) + `","value":1}`, NameTooLong, 9},
		{`{"name":"` + long("a", 1025) + `\n","value":1}`, NameTooLong, 9},
		{`{"name":"a","value":"` + long("m", 257) + `","type":"s"}`, MemberTooLong, 20},
		{`{"name":"a","values":[1` + long(",1", 10_000) + `]}`, TooManyValues, 22 + 20_000},
		{`{"name":"a","value":1,"tags":["` + strings.ReplaceAll(manyTags(101), ",", `","`) + `"]}`, TooManyTags, 30 + 600},
		{`{"name":"a","value":1,"tags":{"` + long("k", 1025) + `":""}}`, TagTooLong, 30},
		{`{"name":"a","value":1,"tags":{"k":"` + long("v", 2049) + `\u0000"}}`, TagTooLong, 30},
		{`{"name":"a","value":1` + long(" ", 65536) + `}`, LineTooLong, 65536},
		{`{"name":"a","value":1,"x":` + long("[", 32) + long("]", 32) + `}`, JSONDepth, 26 + 31},
		{long(`{"name":`, 33), JSONType, 8},
		{`{"x":` + long(`{"y":`, 33), JSONDepth, 5 + 31*5},
	}
	p := newTestParser()
	for _, c := range cases {
		m, f := p.JSON([]byte(c.line))
		if f != (Fault{c.reason, c.column}) || m != nil {
			t.Errorf("%.80q: %v at %d, want %v at %d", c.line, f.Reason, f.Column, c.reason, c.column)
		}
	}
}

func TestJSONTakesLimitsToTheFull(t *testing.T) {
	p := newTestParser()
	lines := []string{
		`{"name":"a","value":1,"x":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`,
		`{"name":"a","values":[1` + strings.Repeat(",1", 9_999) + `]}`,
		`{"name":"a","value":1` + strings.Repeat(" ", 65536-22) + `}`,
	}
	for _, line := range lines {
		if _, f := p.JSON([]byte(line)); f.Reason != Accepted {
			t.Errorf("%.40q…: %v at %d", line, f.Reason, f.Column)
		}
	}
}

// jsonMetric is what encoding/json makes of a line.
type jsonMetric struct {
	Name   string          `json:"name"`
	Value  json.RawMessage `json:"value"`
	Values []float64       `json:"values"`
	Type   string          `json:"type"`
	Rate   float64         `json:"rate"`
	Tags   json.RawMessage `json:"tags"`
}

// FuzzJSON holds that what is accepted is valid JSON to encoding/json too, and
// means the same there.
func FuzzJSON(f *testing.F) {
	for _, c := range benchLines {
		if strings.HasPrefix(c.line, "{") {
			f.Add([]byte(c.line))
		}
	}
	for _, line := range []string{
		`{"name":"a","value":"\ud83d\ude00\/","type":"set","tags":["k:v",""],"timestamp":"2023-11-14T22:13:20Z"}`,
		`{"name":"a","values":[1,-2.5e3],"rate":0.5,"type":"h","timestamp_ms":1700000000123,"x":{"y":[null,true,{}]}}`,
		`{"Name":"a","value":01,"tagſ":{"k":null}}`, "{\"name\":\"\xff\\u0000\"} x",
	} {
		f.Add([]byte(line))
	}
	p, again := newTestParser(), newTestParser()
	f.Fuzz(func(t *testing.T, line []byte) {
		m, fault := p.JSON(line)
		checkVerdict(t, line, m, fault)
		if fault.Reason != Accepted {
			return
		}
		var want jsonMetric
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("%q: accepted, encoding/json: %v", line, err)
		}
		if want.Name != string(m.Name) || valuesOf(t, want, m.Type) != fmt.Sprint(numbersOf(m), string(m.Member)) {
			t.Fatalf("%q: %s, encoding/json: %+v", line, describe(m), want)
		}
		sent := describeSent(m)
		rendered := AppendText(nil, m)
		if got := describeAgain(again, rendered); len(rendered) <= 1<<16 && got != sent {
			t.Fatalf("%q rendered as %q: %s, want %s", line, rendered, got, sent)
		}
	})
}

func numbersOf(m *Metric) []float64 {
	numbers := []float64{}
	for _, v := range m.Values {
		numbers = append(numbers, v.Number)
	}
	return numbers
}

func valuesOf(t *testing.T, m jsonMetric, kind Type) string {
	t.Helper()
	member, numbers := "", append([]float64{}, m.Values...)
	var err error
	switch {
	case kind == Set:
		err = json.Unmarshal(m.Value, &member)
	case m.Value != nil:
		numbers = append(numbers, 0)
		err = json.Unmarshal(m.Value, &numbers[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(numbers, member)
}

// TestPlainRun holds every byte at every place of a string against the table.
func TestPlainRun(t *testing.T) {
	for c := range 256 {
		for at := range 40 {
			b := bytes.Repeat([]byte("a"), 40)
			b[at] = byte(c)
			want := 40
			if !plainBytes[c] {
				want = at
			}
			for from := range at + 1 {
				if got := plainRun(b, from); got != want {
					t.Fatalf("with %#x at %d the run from %d ends at %d", c, at, from, got)
				}
			}
			b[max(at-1, 0)] = '\\' // what is left of it counts first
			if got, want := plainRun(b, 0), max(at-1, 0); got != want {
				t.Fatalf("with a backslash before %#x at %d the run ends at %d", c, at, got)
			}
		}
	}
}
