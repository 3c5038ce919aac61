package protocol

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestParseNumber(t *testing.T) {
	cases := []struct {
		in     string
		want   float64
		reason Reason
	}{
		{"0", 0, Accepted},
		{"+0", 0, Accepted},
		{"007", 7, Accepted},
		{"-1.50", -1.5, Accepted},
		{".5", 0.5, Accepted},
		{"5.", 5, Accepted},
		{"1e3", 1000, Accepted},
		{"1E+3", 1000, Accepted},
		{"5.e-1", 0.5, Accepted},
		{"0.1", 0.1, Accepted},
		{"9007199254740992", 1 << 53, Accepted},
		{"9007199254740993", 1 << 53, Accepted},
		{"9007199254740995", 1<<53 + 4, Accepted},
		{"0.0000000000000000001", 1e-19, Accepted},
		{"179769313486231570000" + strings.Repeat("0", 288), math.MaxFloat64, Accepted},
		{"1.7976931348623158e308", math.MaxFloat64, Accepted},
		{"5e-324", math.SmallestNonzeroFloat64, Accepted},
		{"1e-400", 0, Accepted},
		{"0e999999999999999999", 0, Accepted},
		{strings.Repeat("0", 50_000) + "1", 1, Accepted},
		{"1e309", 0, Range},
		{"-1e99999999999999999999", 0, Range},
		{"nan", 0, NonFinite},
		{"+NaN", 0, NonFinite},
		{"-INF", 0, NonFinite},
		{"Infinity", 0, NonFinite},
	}
	for _, c := range cases {
		got, reason := ParseNumber([]byte(c.in))
		if got != c.want || reason != c.reason {
			t.Errorf("%.40q: %v, %v, want %v, %v", c.in, got, reason, c.want, c.reason)
		}
	}
	if v, _ := ParseNumber([]byte("-0")); !math.Signbit(v) {
		t.Error("-0 lost its sign")
	}
}

func TestParseNumberRefuses(t *testing.T) {
	for _, in := range []string{
		"", "+", "-", ".", "-.", "e5", "1e", "1e+", "1e5.", "1.2.3", "--1", "+-1", "1-", "0x1p4", "0x10", "0b1", "0o7",
		"1_000", "1,5", " 1", "1 ", "1\x00", "１", "٣", "infinit", "in", "nanx", "1f", "1d", "∞",
	} {
		if v, reason := ParseNumber([]byte(in)); reason != Number || v != 0 {
			t.Errorf("%q: %v, %v", in, v, reason)
		}
	}
}

func TestJSONNumberGrammar(t *testing.T) {
	for _, in := range []string{"0", "-0", "10", "-1.5", "0.5", "1e5", "1E-5", "0e0", "1.0e+1"} {
		if !IsJSONNumber([]byte(in)) {
			t.Errorf("%q refused", in)
		}
	}
	for _, in := range []string{"", "-", "+1", "01", "-01", "1.", ".5", "1.e5", "1e", "1e+", "0x1", "1a", "--1", "1.5.5"} {
		if IsJSONNumber([]byte(in)) {
			t.Errorf("%q taken", in)
		}
	}
}

// FuzzNumber holds ParseNumber to strconv: the same value, to the bit, wherever
// both read a number, and no number that strconv would not read.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{
		"1", "-1.5", "1e309", "1e-400", "0x1p4", "1_000", "nan", "+NAN", "-inf", "9007199254740993", "0.1", ".5", "5.", "+",
		"123456789012345678901234567890", "1.7976931348623159e308", "4.9e-324", "0.000001", "1e22", "1e23",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, reason := ParseNumber(b)
		want, err := strconv.ParseFloat(string(b), 64)
		switch reason {
		case Accepted:
			if err != nil || math.Float64bits(got) != math.Float64bits(want) {
				t.Fatalf("%q: %v, strconv %v, %v", b, got, want, err)
			}
		case Range:
			if !errors.Is(err, strconv.ErrRange) {
				t.Fatalf("%q: range, strconv %v, %v", b, want, err)
			}
		case NonFinite:
			signed := len(b) == 4 && (b[0] == '+' || b[0] == '-') && strings.EqualFold(string(b[1:]), "nan") // which strconv does not read
			if !signed && (err != nil || want-want == 0) {
				t.Fatalf("%q: non-finite, strconv %v, %v", b, want, err)
			}
		case Number:
			if plain := !strings.ContainsAny(string(b), "_xXpPnN"); plain && err == nil {
				t.Fatalf("%q: refused, strconv %v", b, want)
			}
		default:
			t.Fatalf("%q: %v", b, reason)
		}
		if IsJSONNumber(b) && !isDecimal(b) {
			t.Fatalf("%q: a number in JSON alone", b)
		}
	})
}
