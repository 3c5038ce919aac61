package protocol

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestReadDecimal reads numbers of every short form, with other bytes around
// them, and what is none.
func TestReadDecimal(t *testing.T) {
	for _, c := range []struct {
		text string
		want Decimal
		ok   bool
	}{
		{"0", Decimal{0, 0}, true},
		{"1", Decimal{1, 0}, true},
		{"9", Decimal{9, 0}, true},
		{"42", Decimal{42, 0}, true},
		{"12345678", Decimal{12345678, 0}, true},
		{"99999999", Decimal{99999999, 0}, true},
		{"00000001", Decimal{1, 0}, true},
		{"-7", Decimal{-7, 0}, true},
		{"+7", Decimal{7, 0}, true},
		{"-12345678", Decimal{-12345678, 0}, true},
		{"1.5", Decimal{15, 1}, true},
		{"-0.25", Decimal{-25, 2}, true},
		{"1.50", Decimal{15, 1}, true},
		{"1.00", Decimal{1, 0}, true},
		{"100.0", Decimal{100, 0}, true},
		{"0.000001", Decimal{1, 6}, true},
		{".5", Decimal{5, 1}, true},
		{"5.", Decimal{5, 0}, true},
		{"1234.567", Decimal{1234567, 3}, true},
		{"0.0", Decimal{0, 0}, true},
		{"-0", Decimal{}, false},
		{"-0.0", Decimal{}, false},
		{".0000001", Decimal{}, false}, // a digit more than MaxScale
		{"123456789", Decimal{}, false},
		{"1234.5678", Decimal{}, false},
		{"", Decimal{}, false},
		{"-", Decimal{}, false},
		{"+-1", Decimal{}, false},
		{".", Decimal{}, false},
		{"1.2.3", Decimal{}, false},
		{"..", Decimal{}, false},
		{"1e3", Decimal{}, false},
		{"1:2", Decimal{}, false},
		{"1/2", Decimal{}, false},
		{" 1", Decimal{}, false},
		{"1\xb0", Decimal{}, false},
		{"\xb1", Decimal{}, false},
		{"1\x1e", Decimal{}, false},
	} {
		line := "metric.9:" + c.text + "|c"
		at := strings.IndexByte(line, ':') + 1
		if c.text == "" {
			continue
		}
		got, ok := ReadDecimal([]byte(line), at, at+len(c.text))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %+v, %v; want %+v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

// FuzzReadDecimal holds every number it reads to what ParseNumber reads, bit for
// bit.
func FuzzReadDecimal(f *testing.F) {
	for _, s := range []string{"1", "-1.5", "0.000001", "99999999", "1.2.3", ".", "+", "1e3", "\xff5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		line := []byte("12345678" + s + "|c")
		d, ok := ReadDecimal(line, 8, 8+len(s))
		if !ok {
			return
		}
		want, reason := ParseNumber([]byte(s))
		if reason != Accepted || math.Float64bits(d.Float64()) != math.Float64bits(want) {
			t.Errorf("%q: %+v is %v, ParseNumber says %v, %v", s, d, d.Float64(), want, reason)
		}
		if d.Scale > 0 && d.Mantissa%10 == 0 {
			t.Errorf("%q: %+v has digits it does not need", s, d)
		}
	})
}

func BenchmarkReadDecimal(b *testing.B) {
	var lines [256][]byte
	for i := range lines {
		lines[i] = []byte("12345678" + strconv.FormatFloat(float64(i*i)/float64(int(1)<<(i%3)), 'f', i%3, 64))
	}
	b.ReportAllocs()
	for i := range b.N {
		line := lines[i%256]
		if _, ok := ReadDecimal(line, 8, len(line)); !ok {
			b.Fatalf("%s", line)
		}
	}
}
