package protocol

import "testing"

// The accepted path allocates nothing; the rejected one neither, bar the numbers
// that only strconv can tell to be beyond float64.
func TestNoAllocations(t *testing.T) {
	lines := []string{
		"a:1|c",
		"a,k=v:1|c",
		"x:1|c:2|c",
		"a:1:2|s|@1|#k:v,k:v,l|c:x|y",
		"a:1e22:1.7976931348623157e308:5e-324|d|T1700000000",
		"a:1|c|#k:v\x00",
		"nexus.x:1|c",
		"{",
		`{"name":"a","value":1,"x":[{"y":null}],"type":"timer","timestamp":"2023-11-14T23:13:20.5+01:00"}`,
		`{"name":"a","values":[1.7976931348623157e308,2],"tags":["k:v","l"],"timestamp":1700000000.25,"type":"c","rate":0.1}`,
		`{"n\u0061me":"\u0061","value":"\ud83d\ude00 and more than thirty-two bytes","type":"set"}`,
		`{"name":"a","value":1,"nAme":2}`,
	}
	for _, c := range benchLines {
		lines = append(lines, c.line)
	}
	p := newTestParser()
	for _, line := range lines {
		in := []byte(line)
		if n := testing.AllocsPerRun(100, func() { p.Line(in) }); n != 0 {
			t.Errorf("%q: %v allocations", line, n)
		}
	}
}

func TestBenchLinesAreWhatTheyClaim(t *testing.T) {
	p := newTestParser()
	for _, c := range benchLines {
		_, f := p.Line([]byte(c.line))
		if wantFault := c.name == "rejected-number"; wantFault != (f.Reason != Accepted) {
			t.Errorf("%s: %v", c.name, f.Reason)
		}
	}
	if len(benchLines[0].line) != 27 || len(benchLines[1].line) != 68 {
		t.Errorf("%d and %d bytes", len(benchLines[0].line), len(benchLines[1].line))
	}
}

func TestFramingDoesNotAllocate(t *testing.T) {
	stream := []byte("a:1|c\nb:2|g\r\n{\"name\":\"c\",\"value\":1}\n\nd:3")
	body := []byte(`[{"a":1},{"b":"]"}]`)
	n := testing.AllocsPerRun(100, func() {
		whole, _ := Cut(stream)
		for len(whole) > 0 {
			_, whole = NextLine(whole)
		}
		o := NewObjects(body)
		for _, ok := o.Next(); ok; _, ok = o.Next() {
			continue
		}
	})
	if n > 1 { // the Objects itself, where it is not kept on the stack
		t.Errorf("%v allocations", n)
	}
}
