package protocol

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func unitsOf(body string) (units []string, f Fault) {
	o := NewObjects([]byte(body))
	for unit, ok := o.Next(); ok; unit, ok = o.Next() {
		units = append(units, string(unit))
	}
	if again, ok := o.Next(); ok {
		units = append(units, "again: "+string(again))
	}
	return units, o.Fault()
}

func TestObjects(t *testing.T) {
	broken := func(at int) Fault { return Fault{JSONSyntax, at} }
	none := Fault{}
	cases := []struct {
		body  string
		units []string
		fault Fault
	}{
		{"", nil, none},
		{" \r\n\t", nil, none},
		{`{"a":1}`, []string{`{"a":1}`}, none},
		{" {\"a\":\n1}\r\n ", []string{"{\"a\":\n1}"}, none},
		{`{"a":"}\"{"}`, []string{`{"a":"}\"{"}`}, none},
		{"{}\n{}", []string{"{}", "{}"}, none},
		{"\n{}\r\n\n \n{\"a\":[{}]}\n", []string{"{}", `{"a":[{}]}`}, none},
		{"{}{}", []string{"{}{}"}, none},
		{"{} x", []string{"{} x"}, none},
		{"{bad\n{\"b\":1}\n", []string{"{bad", `{"b":1}`}, none},
		{"{\"a\":1}\n{bad\n{\"b\":1}", []string{`{"a":1}`, "{bad", `{"b":1}`}, none},
		{"{\"a\":\n1}\n{}", []string{"{\"a\":", "1}", "{}"}, none},
		{"a:1|c\nb:1|c", []string{"a:1|c", "b:1|c"}, none},
		{"null", []string{"null"}, none},

		{"[]", nil, none},
		{" [ \n] ", nil, none},
		{"[{}]", []string{"{}"}, none},
		{"[ {} , {\"a\":[1,2]} ]\n", []string{"{}", `{"a":[1,2]}`}, none},
		{`[1,"a,]",null,[{}],-1.5]`, []string{"1", `"a,]"`, "null", "[{}]", "-1.5"}, none},
		{`[{bad},{}]`, []string{"{bad}", "{}"}, none},
		{`[{"a":"]}"}]`, []string{`{"a":"]}"}`}, none},

		{"[", nil, broken(1)},
		{"[{}", []string{"{}"}, broken(3)},
		{"[{},", []string{"{}"}, broken(4)},
		{"[{},]", []string{"{}"}, broken(4)},
		{"[,{}]", nil, broken(1)},
		{"[{} {}]", []string{"{}"}, broken(4)},
		{"[{}}", []string{"{}"}, broken(3)},
		{"[}", nil, broken(1)},
		{"[{]", []string{"{]"}, broken(3)}, // brackets are counted, not matched: the Parser refuses the unit
		{`[{"a`, nil, broken(1)},
		{"[{}]x", []string{"{}"}, broken(4)},
		{"[][]", nil, broken(2)},
		{"[1", []string{"1"}, broken(2)},
	}
	for _, c := range cases {
		units, fault := unitsOf(c.body)
		if !slices.Equal(units, c.units) || fault != c.fault {
			t.Errorf("%q: %q, %+v, want %q, %+v", c.body, units, fault, c.units, c.fault)
		}
	}
}

func TestObjectsDeepNesting(t *testing.T) {
	deep := strings.Repeat("[", 1<<20)
	if units, f := unitsOf(deep); len(units) != 0 || f.Reason != JSONSyntax {
		t.Fatalf("%d units, %+v", len(units), f)
	}
}

// FuzzObjects holds that the elements of a valid array come out exactly, and
// those of anything else stay within the body.
func FuzzObjects(f *testing.F) {
	for _, body := range []string{`[{"a":1}, 2 ,"x]"]`, "{}\n{}\n", "{\"a\":\n[]}", "[[],{}", `[1"a"]`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var units []json.RawMessage
		o := NewObjects(body)
		size := 0
		for unit, ok := o.Next(); ok; unit, ok = o.Next() {
			units = append(units, json.RawMessage(unit))
			if size += len(unit); len(unit) == 0 || size > len(body) {
				t.Fatalf("%q: unit %q", body, unit)
			}
		}
		if f := o.Fault(); f.Column < 0 || f.Column > len(body) {
			t.Fatalf("%q: %+v", body, f)
		}
		var want []json.RawMessage
		if b := bytes.TrimLeft(body, " \t\r\n"); len(b) == 0 || b[0] != '[' || json.Unmarshal(body, &want) != nil {
			return
		}
		if o.Fault().Reason != Accepted || !slices.EqualFunc(units, want, slices.Equal) {
			t.Fatalf("%q: %q, %+v, want %q", body, units, o.Fault(), want)
		}
	})
}

func BenchmarkObjects(b *testing.B) {
	body := []byte("[" + strings.Repeat(`{"name":"app.requests","value":123.5,"tags":{"env":"prod"}},`, 999) + "{}]")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		o := NewObjects(body)
		for _, ok := o.Next(); ok; _, ok = o.Next() {
			continue
		}
	}
}
