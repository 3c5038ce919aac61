package bench

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol"
)

// The shapes that figures are stated for.
var (
	plain   = loadgen.Shape{Prefix: "app.load", Series: 1000, Seed: 1}                          // 27 bytes a line
	tagged  = loadgen.Shape{Prefix: "app.requests", Series: 100_000, Tags: 3, Zipf: 1, Seed: 1} // 68 bytes
	uniform = loadgen.Shape{Prefix: "app.requests", Series: 1_000_000, Tags: 3, Seed: 1}        // 70 bytes
	object  = loadgen.Shape{Prefix: "app.load", Series: 1000, Format: loadgen.JSON, Seed: 1}    // 67 bytes
)

// parseLines is how many different lines a parser is given in turn: enough that
// the processor cannot learn them by heart.
const parseLines = 4096

// Parse measures what turns bytes into samples, one core at work: the parser alone,
// in each language it reads, and the way that lines go whose spelling is known,
// which needs no parser.
func Parse() []Stage {
	fixed := tagged
	fixed.Format = loadgen.JSON
	text, tags, objects := func() [][]byte { return rendered(plain) }, func() [][]byte { return rendered(tagged) }, func() [][]byte { return rendered(fixed) }
	return []Stage{
		{"parse/text", parse(text)},
		{"parse/text-tags", parse(tags)},
		{"parse/json", parse(objects)},
		{"parse/json-any", parse(anyJSON)},
		{"parse/known-text", known(text)},
		{"parse/known-text-tags", known(tags)},
		{"parse/known-json", known(objects)},
	}
}

func parse(make func() [][]byte) func(context.Context, time.Duration) (Result, error) {
	return func(ctx context.Context, length time.Duration) (Result, error) {
		lines := make()
		p := protocol.NewParser(protocol.DefaultLimits())
		p.Now = time.Now().UnixMilli()
		total := 0
		for _, line := range lines {
			if _, fault := p.Line(line); fault.Reason != protocol.Accepted {
				return Result{}, fmt.Errorf("%q is refused: %s", line, fault.Reason)
			}
			total += len(line) + 1
		}
		i := 0
		r := loop(ctx, length, func(n int) {
			for range n {
				p.Line(lines[i%parseLines])
				i++
			}
		})
		r.LineBytes = float64(total) / parseLines
		return r, nil
	}
}

// rendered returns a generator's lines.
func rendered(s loadgen.Shape) [][]byte {
	source := loadgen.NewSource(s)
	lines := make([][]byte, parseLines)
	for i := range lines {
		lines[i] = bytes.TrimSuffix(source.Append(nil), []byte("\n"))
	}
	return lines
}

// anyJSON returns objects as any program may write them: fields in another
// order, blanks, escapes, tags as a list, fields that mean nothing here.
func anyJSON() [][]byte {
	lines := make([][]byte, parseLines)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, `{ "tags": ["env:prod", "path:\/a\/%d"], "source": {"line": %d}, "type": "timer", "value": %d.5, "name": "app.request\u0073.%d" }`,
			i%100, i, i%251, i%1000)
	}
	return lines
}
