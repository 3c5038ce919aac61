package loadgen

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/protocol"
)

func anyShape(t *rapid.T) Shape {
	return Shape{
		Format: rapid.SampledFrom([]Format{Text, JSON}).Draw(t, "format"),
		Prefix: rapid.SampledFrom([]string{"load", "a.b"}).Draw(t, "prefix"),
		Series: rapid.IntRange(1, 300).Draw(t, "series"),
		Zipf:   rapid.SampledFrom([]float64{0, 0.5, 1, 1.3}).Draw(t, "zipf"),
		Tags:   rapid.IntRange(0, 20).Draw(t, "tags"),
		Values: rapid.SampledFrom(ValueKinds()).Draw(t, "values"),
		Types:  []Share{{protocol.Counter, 2}, {protocol.Gauge, 1}, {protocol.Timer, 1}, {protocol.Set, 1}, {protocol.Distribution, 1}},
		Seed:   rapid.Uint64().Draw(t, "seed"),
	}
}

// received is what a daemon would make of the lines.
type received map[string]tally

// read takes whole lines as the daemon would; all must be accepted.
func (r received) read(t rapid.TB, lines []byte) {
	p := protocol.NewParser(protocol.DefaultLimits())
	for line := range bytes.Lines(lines) {
		m, fault := p.Line(bytes.TrimSuffix(line, []byte("\n")))
		if fault.Reason != protocol.Accepted {
			t.Fatalf("%q is refused: %s", line, fault.Reason)
		}
		key := string(m.Name) + "|"
		for i, tag := range m.Tags {
			if i > 0 {
				key += ","
			}
			key += string(tag.Key) + ":" + string(tag.Value)
		}
		one := r[key]
		one.count += int64(m.Count())
		if m.Type == protocol.Set {
			one.sum += parseInt(m.Member)
		}
		for _, v := range m.Values {
			if v.Delta {
				t.Fatalf("%q is a delta", line)
			}
			one.sum += int64(v.Number)
		}
		r[key] = one
	}
}

func parseInt(b []byte) (n int64) {
	for _, c := range b {
		n = n*10 + int64(c-'0')
	}
	return n
}

// same compares what was received with the account.
func (r received) same(t rapid.TB, a *Account) {
	seen, names := 0, map[string]bool{}
	for _, total := range a.Totals() {
		key := total.Name + "|" + total.Tags
		if names[key] {
			t.Fatalf("series %q comes twice", key)
		}
		names[key] = true
		got := r[key]
		if got.count != total.Count || got.sum != total.Sum {
			t.Fatalf("%s: received %d values, sum %d; the account says %d and %d", key, got.count, got.sum, total.Count, total.Sum)
		}
		if total.Count > 0 {
			seen++
		}
	}
	if seen != len(r) {
		t.Fatalf("%d series were received, the account has %d", len(r), seen)
	}
}

// TestAccount: whatever is taken and given back, the account is what the lines
// that were kept say, for fresh and for prerendered lines.
func TestAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Shape: anyShape(t).complete(), Connections: 1}
		if err := o.Shape.Check(); err != nil {
			t.Fatal(err)
		}
		a := newAccount(o)
		f := a.feeds[0]
		if rapid.Bool().Draw(t, "ring") {
			f = smallRing(a.lines, newDraws(o.Shape), rapid.IntRange(1, 200).Draw(t, "ring lines"))
			a.feeds = []feed{f}
		}
		got := received{}
		for range rapid.IntRange(1, 20).Draw(t, "batches") {
			n := rapid.Int64Range(1, 100).Draw(t, "lines")
			b := f.take(nil, n, rapid.IntRange(1, 8<<10).Draw(t, "limit"))
			if b.lines < 1 || b.lines > n || wholeLines(b.bytes) != b.lines {
				t.Fatalf("%d lines were taken, %d say so, %d were wanted", wholeLines(b.bytes), b.lines, n)
			}
			kept := b.lines
			if rapid.Bool().Draw(t, "fails") {
				kept = rapid.Int64Range(0, b.lines).Draw(t, "kept")
				f.giveBack(b, kept)
			}
			got.read(t, b.bytes[:lineBytes(b.bytes, b.lines, kept)])
		}
		got.same(t, a)
	})
}

func smallRing(l *lines, d draws, n int) *Ring {
	r := &Ring{lines: l, start: d}
	for range n {
		i, v := d.next()
		r.bytes = l.append(r.bytes, i, v)
		r.ends = append(r.ends, uint32(len(r.bytes)))
	}
	return r
}

func TestSeedDecides(t *testing.T) {
	render := func(seed uint64) (b []byte) {
		s := NewSource(Shape{Seed: seed})
		for range 100 {
			b = s.Append(b)
		}
		return b
	}
	if !bytes.Equal(render(1), render(1)) || bytes.Equal(render(1), render(2)) {
		t.Error("the seed does not decide on the lines")
	}
}

// TestSkew: draws come as often as the skew says.
func TestSkew(t *testing.T) {
	for _, skew := range []float64{0, 0.8, 1.2} {
		d := newDraws(Shape{Series: 100, Zipf: skew, Seed: 1})
		counts := make([]float64, 100)
		const n = 500_000
		for range n {
			i, _ := d.next()
			counts[i]++
		}
		sum := 0.0
		for i := range counts {
			sum += math.Pow(float64(i+1), -skew)
		}
		for i := range counts {
			want := n * math.Pow(float64(i+1), -skew) / sum
			if math.Abs(counts[i]-want) > 6*math.Sqrt(want) {
				t.Errorf("skew %v: series %d came %.0f times, want %.0f", skew, i, counts[i], want)
			}
		}
	}
}

func TestValues(t *testing.T) {
	for _, kind := range ValueKinds() {
		table := drawValues(kind)
		if slices.Min(table[:]) < 0 || !slices.IsSorted(table[:]) {
			t.Errorf("%s: values are negative or not quantiles", kind)
		}
		sum := int64(0)
		for _, v := range table {
			sum += v
		}
		if mean := sum / int64(len(table)); kind != "constant" && (mean < meanValue-2 || mean > meanValue+2) {
			t.Errorf("%s: mean %d", kind, mean)
		}
	}
}

func TestParseTypes(t *testing.T) {
	mix, err := ParseTypes("counter:3, g,ms:2")
	if want := []Share{{protocol.Counter, 3}, {protocol.Gauge, 1}, {protocol.Timer, 2}}; err != nil || !slices.Equal(mix, want) {
		t.Errorf("%v, %v", mix, err)
	}
	for _, bad := range []string{"", "count:1", "c:0", "c:x", "c:-1", "c:900,g:200"} {
		if _, err := ParseTypes(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestShapeCheck(t *testing.T) {
	for _, bad := range []Shape{
		{Format: "xml"}, {Series: -1}, {Tags: 21}, {Zipf: -1}, {Zipf: math.NaN()}, {Values: "odd"},
		{Prefix: "nexus.x"}, {Prefix: "a b"}, {Prefix: "a,b=c"}, {Prefix: "1a"}, {Prefix: `a"`},
	} {
		if bad.Check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func BenchmarkSource(b *testing.B) {
	for _, c := range []struct {
		name  string
		shape Shape
	}{
		{"plain-1k", Shape{Series: 1000}},
		{"tags-100k-zipf", Shape{Series: 100_000, Tags: 3, Zipf: 1.1}},
		{"json-1k", Shape{Series: 1000, Format: JSON}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := NewSource(c.shape)
			buf := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				buf = s.Append(buf[:0])
			}
		})
	}
}
