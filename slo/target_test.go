package slo_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/nexusctl/slo"
)

func TestParseTarget(t *testing.T) {
	for text, want := range map[string]*big.Rat{
		"99.9":   big.NewRat(999, 1000),
		"99.90":  big.NewRat(999, 1000),
		"99.999": big.NewRat(99999, 100000),
		"50":     big.NewRat(1, 2),
		"0.5":    big.NewRat(1, 200),
		"099.5":  big.NewRat(995, 1000),
	} {
		target, err := slo.ParseTarget(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if target.Ratio().Cmp(want) != 0 || target.String() != text {
			t.Errorf("%s: got %v, written %q", text, target.Ratio(), target)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	for _, text := range []string{
		"", "0", "0.0", "100", "100.0", "101", "-1", "+99.9", "99,9", "99.9%", " 99.9", "99.", ".9", "9.9.9",
		"1e1", "0x10", "1_0", "1/2", "NaN", "Inf", "٩٩", strings.Repeat("9", 33), "1e999999999",
	} {
		if target, err := slo.ParseTarget(text); err == nil {
			t.Errorf("%q was read as %v", text, target.Ratio())
		}
	}
}

func target(t interface{ Fatal(...any) }, text string) slo.Target {
	parsed, err := slo.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// TestPrinted shows numbers that rounding, or a fixed number of decimals, would
// put on the wrong side.
func TestPrinted(t *testing.T) {
	for _, c := range []struct {
		good, total int64
		target      string
		want        string
		state       slo.State
	}{
		{995, 1000, "99.5", "99.50", slo.Met},
		{9994999, 10000000, "99.95", "99.94", slo.Breached},
		{9999900, 10000000, "99.999", "99.999", slo.Met},
		{9999899, 10000000, "99.999", "99.99", slo.Breached},
		{999990001, 1000000000, "99.999", "99.999", slo.Met},
		{1, 1, "99.999", "100.00", slo.Met},
		{0, 5, "99.9", "0.00", slo.Breached},
		{2, 3, "66.6", "66.66", slo.Met},
		{2, 3, "66.67", "66.66", slo.Breached},
		{7, 5, "99.9", "100.00", slo.Met}, // clamped
		{0, 0, "99.9", "", slo.NoData},
	} {
		e, want := slo.Count(c.good, c.total), target(t, c.target)
		if got := slo.Printed(e.SLI(), want); got != c.want || want.Judge(e) != c.state {
			t.Errorf("%d/%d at %s: %q, %s", c.good, c.total, c.target, got, want.Judge(e))
		}
	}
}

// TestPrintedSide reads the printed number back: it is never above the SLI, and
// on the SLI's side of the target.
func TestPrintedSide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		aim := target(t, rapid.StringMatching(`[1-9][0-9]\.[0-9]{0,7}[1-9]`).Draw(t, "target"))
		total := rapid.Int64Range(1, 1e12).Draw(t, "total")
		allowed, _ := new(big.Rat).Mul(aim.ErrorRatio(), big.NewRat(total, 1)).Float64()
		near := min(max(int64(allowed)+rapid.Int64Range(-2, 2).Draw(t, "off"), 0), total)
		bad := rapid.OneOf(rapid.Just(near), rapid.Int64Range(0, total)).Draw(t, "bad")
		sli := slo.Count(total-bad, total).SLI()

		printed, ok := new(big.Rat).SetString(slo.Printed(sli, aim))
		if !ok {
			t.Fatalf("printed %q", slo.Printed(sli, aim))
		}
		if slo.FromPercent(printed).Cmp(sli) > 0 {
			t.Fatalf("%v printed as the larger %v", sli, printed)
		}
		if aim.MetBy(slo.FromPercent(printed)) != aim.MetBy(sli) {
			t.Fatalf("%v printed as %v, on the other side of %v", sli, printed, aim)
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"99.9", "100", "0", "1e9", "99.", "-5", "9999999999999999999999999999999.9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := slo.ParseTarget(text)
		if err != nil {
			return
		}
		if r := parsed.Ratio(); r.Sign() <= 0 || r.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("%q is %v", text, r)
		}
		if parsed.String() != text {
			t.Fatalf("%q became %q", text, parsed)
		}
	})
}
