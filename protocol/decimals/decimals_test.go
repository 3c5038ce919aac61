package decimals

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol/scan"
)

// drawNumber returns what may stand for a number: right ones of every short form,
// and right ones with a byte changed.
func drawNumber(r *rand.Rand) string {
	digits := []byte(fmt.Sprint(r.Uint64N(1_000_000_000) % []uint64{10, 1000, 100_000, 1_000_000_000}[r.IntN(4)]))
	if r.IntN(2) == 0 {
		digits = slices.Insert(digits, r.IntN(len(digits)+1), '.')
	}
	for range r.IntN(4) {
		digits = append(digits, '0')
	}
	if r.IntN(6) == 0 {
		digits[r.IntN(len(digits))] = ".-+e:/\x00\x1e\xb0\xff 09"[r.IntN(13)]
	}
	if r.IntN(8) == 0 {
		digits = append([]byte("-"), digits...)
	}
	return string(digits)
}

// sameDecimals holds Read to readEach.
func sameDecimals(t *testing.T, b []byte, lines *[scan.GroupSize]scan.Line, n int) (known int) {
	t.Helper()
	var got, want Group
	got.Read(b, lines, n)
	want.readEach(b, lines, n)
	for i := range n {
		l := lines[i]
		if got.Known(i) != want.Known(i) {
			t.Fatalf("%q: known %v, want %v", b[l.Start:l.End], got.Known(i), want.Known(i))
		}
		if !want.Known(i) {
			continue
		}
		known++
		if got.Mantissa[i] != want.Mantissa[i] || got.Scale[i] != want.Scale[i] || got.Value[i] != want.Value[i] {
			t.Fatalf("%q: %d/10^%d = %v, want %d/10^%d = %v", b[l.Start:l.End],
				got.Mantissa[i], got.Scale[i], got.Value[i], want.Mantissa[i], want.Scale[i], want.Value[i])
		}
	}
	for i := n; i < scan.GroupSize; i++ {
		if got.Known(i) && i/8 == n/8 {
			t.Fatalf("line %d of %d is known", i, n)
		}
	}
	return known
}

func TestDecimalsAreReadDecimal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s scan.Scanner
	var lines [scan.GroupSize]scan.Line
	known, all := 0, 0
	for range 5000 {
		var b []byte
		for range 1 + r.IntN(scan.GroupSize) {
			switch r.IntN(12) {
			case 0:
				b = append(b, "no line\n"...)
			case 1:
				b = append(b, "m:"+drawNumber(r)+"|c\n"...)
			default:
				b = append(b, strings.Repeat("n", 1+r.IntN(30))+":"+drawNumber(r)+"|ms\n"...)
			}
		}
		b = slices.Clip(b[:len(b)-1]) // nothing behind it may be read
		s.Begin(b)
		n := s.Next(lines[:]) // what earlier groups left behind n points out of this buffer
		known += sameDecimals(t, b, &lines, n)
		all += n
	}
	if known < all/2 || known > all*9/10 {
		t.Errorf("%d of %d are known", known, all)
	}
}

func FuzzDecimals(f *testing.F) {
	f.Add([]byte("a:1|c\nb:2.50|g\nccccccccc:.5|ms\n"))
	f.Add([]byte("name:1.2.3|c\nname:.|c\nname:12345678|c\nname:1234567.8|c"))
	var s scan.Scanner
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > scan.Window {
			return
		}
		var lines [scan.GroupSize]scan.Line
		s.Begin(b)
		for n := s.Next(lines[:]); n > 0; n = s.Next(lines[:]) {
			sameDecimals(t, b, &lines, n)
		}
	})
}

func BenchmarkDecimals(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for range scan.GroupSize {
		text = fmt.Appendf(text, "load.metric.%d:%.2f|ms\n", r.IntN(1000), r.Float64()*1000)
	}
	var s scan.Scanner
	var lines [scan.GroupSize]scan.Line
	s.Begin(text)
	n := s.Next(lines[:])
	var d Group
	for name, read := range map[string]func(*Group, []byte, *[scan.GroupSize]scan.Line, int){"one": (*Group).readEach, "group": (*Group).Read} {
		b.Run(name, func(b *testing.B) {
			for i := 0; i < b.N; i += n {
				read(&d, text, &lines, n)
			}
		})
	}
}
