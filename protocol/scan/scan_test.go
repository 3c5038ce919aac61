package scan

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestMarksAgree holds the two ways of finding bitmaps to each other and to a
// look at every byte, at all lengths around a block's borders.
func TestMarksAgree(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		buf := make([]byte, n)
		for i := range buf {
			buf[i] = "\n:|a;{}0\x8a\xba\xfc\x00"[random.IntN(12)]
		}
		blocks := (n + 63) / 64
		fast, plain := make([]mark, blocks), make([]mark, blocks)
		findMarks(buf, fast)
		findMarksPortable(buf, plain)
		for i, c := range buf {
			want := [3]bool{c == '\n', c == ':', c == '|'}
			for _, m := range []mark{fast[i/64], plain[i/64]} {
				bit := uint64(1) << (i % 64)
				if got := [3]bool{m.newline&bit != 0, m.colon&bit != 0, m.bar&bit != 0}; got != want {
					t.Fatalf("byte %d of %d, %q: %v, want %v", i, n, c, got, want)
				}
			}
		}
		if blocks > 0 && n%64 != 0 {
			if rest := ^uint64(0) << (n % 64); (fast[blocks-1].newline|fast[blocks-1].colon|fast[blocks-1].bar)&rest != 0 {
				t.Fatalf("%d bytes: bits behind the end", n)
			}
		}
	}
}

// split renders what Next finds: name, value and suffix of a plain line, the
// whole of any other.
func split(s *Scanner, text string, step int) (found []string) {
	s.Begin([]byte(text))
	lines := make([]Line, step)
	for {
		n := s.Next(lines)
		if n == 0 {
			return found
		}
		for _, l := range lines[:n] {
			part := text[l.Start:l.End]
			if l.Plain() {
				part = text[l.Start:l.Colon] + " " + text[l.Colon+1:l.Bar] + " " + text[l.Bar:l.End]
			}
			found = append(found, part)
		}
	}
}

func TestNext(t *testing.T) {
	long := strings.Repeat("n", 200)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"blank lines", "\n\r\n\n", nil},
		{"text", "a:1|c\nb:2|g\n", []string{"a 1 |c", "b 2 |g"}},
		{"CR LF", "a:1|c\r\nb:2|g\r\n", []string{"a 1 |c", "b 2 |g"}},
		{"no LF at the end", "a:1|c\nb:2|g", []string{"a 1 |c", "b 2 |g"}},
		{"CR at the end", "a:1|c\r", []string{"a 1 |c"}},
		{"two CRs", "a:1|c\r\r\n", []string{"a 1 |c\r"}},
		{"long parts", long + ":1|c|#k:" + long + "\na:1|c\n", []string{long + " 1 |c|#k:" + long, "a 1 |c"}},
		{"several values", "a:1:2|c\n", []string{"a 1:2 |c"}},
		{"no name", ":1|c\n", []string{":1|c"}},
		{"no value", "a:|c\n", []string{"a:|c"}},
		{"no bar", "a:1\nb:1|c\n", []string{"a:1", "b 1 |c"}},
		{"no colon", "a|c\nb:1|c\n", []string{"a|c", "b 1 |c"}},
		{"neither", "abc\nb:1|c\n", []string{"abc", "b 1 |c"}},
		{"bar before the colon", "a|b:1|c\n", []string{"a|b 1 |c"}},
		{"JSON", `{"name":"a","value":1.5,"type":"c"}` + "\n", []string{`{"name":"a","value" 1.5 ,"type":"c"}`}},
		{"JSON with a blank", `{"name":"a","value": -1}` + "\n", []string{`{"name":"a","value": -1 }`}},
		{"value first", `{"value":7,"name":"a"}`, []string{`{"value" 7 ,"name":"a"}`}},
		{"value in a string", `{"name":"\"value\":3","value":7}`, []string{`{"name":"\"value\":3","value" 7 }`}},
		{"a string for a value", `{"name":"a","value":"x"}`, []string{`{"name":"a","value":"x"}`}},
		{"values", `{"name":"a","values":[1]}`, []string{`{"name":"a","values":[1]}`}},
		{"an exponent", `{"name":"a","value":1e3}`, []string{`{"name":"a","value" 1 e3}`}},
		{"cut off", `{"name":"a","value":1`, []string{`{"name":"a","value":1`}},
		{"mixed", "a:1|c\n{\"value\":7,\"name\":\"a\"}\nb:2|g\n", []string{"a 1 |c", `{"value" 7 ,"name":"a"}`, "b 2 |g"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Scanner
			for _, step := range []int{1, 2, 128} {
				got := split(&s, c.text, step)
				if !slices.Equal(got, c.want) {
					t.Errorf("%d at a time: %q, want %q", step, got, c.want)
				}
			}
		})
	}
}

// FuzzNext holds the scanner to what splitting at newlines finds, and every plain
// line to its form.
func FuzzNext(f *testing.F) {
	f.Add([]byte("a:1|c\r\nb:2|g|#k:v\n\n{\"name\":\"a\",\"value\": 1.5}\nx"))
	f.Add([]byte(strings.Repeat("abc:1|c|#k:v\n", 20)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > Window {
			b = b[:Window]
		}
		var want [][]byte
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			if line = bytes.TrimSuffix(line, []byte("\r")); len(line) > 0 {
				want = append(want, line)
			}
		}
		var s Scanner
		s.Begin(b)
		lines := make([]Line, 3)
		for n := s.Next(lines); n > 0; n = s.Next(lines) {
			for _, l := range lines[:n] {
				if len(want) == 0 || !bytes.Equal(b[l.Start:l.End], want[0]) {
					t.Fatalf("%q is no line here", b[l.Start:l.End])
				}
				want = want[1:]
				if l.Plain() && (l.Colon <= l.Start || l.Bar <= l.Colon+1 || l.Bar >= l.End) {
					t.Fatalf("%+v of %q", l, b)
				}
			}
		}
		if len(want) > 0 {
			t.Fatalf("%q was not found", want)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, c := range []struct{ name, line string }{
		{"plain", "load.metric.123:42|c\n"},
		{"tagged", "load.metric.12345:42.25|ms|#env:prod,host:web-17,region:eu-west-1\n"},
		{"JSON", `{"name":"load.metric.123","value":42.5,"type":"counter","tags":{"env":"prod"}}` + "\n"},
	} {
		b.Run(c.name, func(b *testing.B) {
			buf := bytes.Repeat([]byte(c.line), (64<<10)/len(c.line))
			var s Scanner
			lines := make([]Line, 128)
			b.ReportAllocs()
			for i := 0; i < b.N; {
				s.Begin(buf)
				for n := s.Next(lines); n > 0 && i < b.N; n = s.Next(lines) {
					i += n
				}
			}
		})
	}
}
