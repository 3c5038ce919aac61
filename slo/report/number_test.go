package report

import (
	"math"
	"strings"
	"testing"
)

func TestSided(t *testing.T) {
	for _, c := range []struct {
		f, pivot float64
		want     string
	}{
		{50, 100, "50.00"}, {100, 100, "100.00"}, {100.004, 100, "100.004"}, {99.999, 100, "99.999"},
		{100.00000000001, 100, "100.00000000001"}, {0, 0, "0.00"}, {-0.004, 0, "-0.004"}, {math.Copysign(0, -1), 0, "0.00"},
		{-0.004, 100, "0.00"}, {1234567, 100, "1,234,567.00"}, {math.MaxFloat64, 0, "1.798e+308"}, {100 + 1e-13, 100, "100.00"},
	} {
		if got := sided(c.f, c.pivot); got != c.want {
			t.Errorf("%v beside %v: %s, want %s", c.f, c.pivot, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	at := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		consumed *float64
		want     string
	}{
		{nil, ""}, {at(0), "████"}, {at(-3), "████"}, {at(1), "····"}, {at(7), "····"},
		{at(0.5), "██··"}, {at(0.53125), "█▉··"}, {at(0.9999), "▏···"}, {at(0.0001), "███▉"},
	} {
		if got := bar(c.consumed, 4); got != c.want {
			t.Errorf("%v consumed: %q, want %q", c.consumed, got, c.want)
		}
	}
}

func TestAmounts(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0.00", 999: "999.00", 1000: "1,000.00", -1234567.891: "-1,234,567.89", 1e15: "1e+15",
	} {
		if got := fixed(f); got != want {
			t.Errorf("%v: %s, want %s", f, got, want)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, l := range strings.Split(wrapped(strings.Repeat("four ", 40)+strings.Repeat("x", 200)), "\n") {
		if width(l) > columns || strings.HasSuffix(l, " ") {
			t.Errorf("%q", l)
		}
	}
}

func TestMissing(t *testing.T) {
	for seconds, want := range map[float64]string{
		0.5: "1s", 60: "1m", 61: "1m1s", 3600: "1h", 5400.5: "1h30m1s", 36000: "10h", 600: "10m", 1e12: "1e+12s",
	} {
		if got := missing(seconds); got != want {
			t.Errorf("%v: %s, want %s", seconds, got, want)
		}
	}
}
