package protocol

import "testing"

// Lines of the shapes that the figures in the documentation are about.
var benchLines = []struct{ name, line string }{
	{"plain-27B", "app.requests.count01:1234|c"},
	{"tags3-68B", "app.requests.count01:123.5|ms|#env:prod,host:web-01234,region:eu-wes"},
	{"gauge-delta", "app.queue.depth:-17|g"},
	{"rate-time", "app.requests.count01:12|c|@0.25|T1700000000"},
	{"values-8", "app.latency:1.5:2.25:3:4:5.125:6:7:8|h"},
	{"long-number", "app.latency:0.12345678901234567|h"},
	{"utf8-tag", "app.requests:1|c|#city:Zürich,env:prod"},
	{"json", `{"name":"app.requests.count01","value":123.5,"type":"timer","tags":{"env":"prod","host":"web-01234"}}`},
	{"json-plain", `{"name":"app.requests.count01","value":1234,"type":"counter"}`},
	{"json-escapes", `{"name":"app.requests","value":1,"tags":{"path":"\/a\/b","q":"\"x\""}}`},
	{"json-any", `{ "tags": ["env:prod", "path:\/a\/17"], "source": {"line": 17}, "type": "timer", "value": 17.5, "name": "app.request\u0073.17" }`},
	{"rejected-number", "app.requests.count01:12x4|c"},
}

func BenchmarkLine(b *testing.B) {
	for _, c := range benchLines {
		b.Run(c.name, func(b *testing.B) {
			p := NewParser(DefaultLimits())
			p.Now = 1_700_000_000_000
			line := []byte(c.line)
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				p.Line(line)
			}
		})
	}
}

func BenchmarkParseNumber(b *testing.B) {
	for _, text := range []string{"1", "1234.5", "-0.000125", "12345678901234567890", "1.7976931348623157e308"} {
		b.Run(text, func(b *testing.B) {
			in := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				ParseNumber(in)
			}
		})
	}
}

func BenchmarkNextLine(b *testing.B) {
	chunk := make([]byte, 0, 64<<10)
	for len(chunk)+28 < cap(chunk) {
		chunk = append(chunk, "app.requests.count01:1234|c\n"...)
	}
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		rest := chunk
		for len(rest) > 0 {
			_, rest = NextLine(rest)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	p := NewParser(DefaultLimits())
	m, _ := p.Text([]byte(benchLines[1].line))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendText(buf[:0], m)
	}
}
