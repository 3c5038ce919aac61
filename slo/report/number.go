package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/slo"
)

// maxDigits is from where on a number is shown by its magnitude only: a column
// has to stay a column.
const maxDigits = 15

// amount shows a count with its thousands apart, and two decimals where it is
// not whole.
func amount(a slo.Amount) string {
	r := a.Rat()
	if !r.IsInt() {
		return grouped(r.FloatString(2), a.Float())
	}
	return grouped(r.Num().String(), a.Float())
}

func fixed(f float64) string { return grouped(strconv.FormatFloat(f, 'f', 2, 64), f) }

func grouped(s string, magnitude float64) string {
	whole, decimals, point := strings.Cut(s, ".")
	sign := ""
	if rest, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "-", rest
	}
	if len(whole) > maxDigits || math.IsInf(magnitude, 0) {
		return strconv.FormatFloat(magnitude, 'g', 4, 64)
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + decimals
	}
	return sign + whole
}

// short shows a number with no more decimals than it has.
func short(f float64) string { return strconv.FormatFloat(f, 'g', 8, 64) }

func optional(f *float64) string {
	if f == nil {
		return dash
	}
	return fixed(*f)
}

// dash stands where there is no number.
const dash = "-"

func orDash(s string) string {
	if s == "" {
		return dash
	}
	return s
}

// used is the share of a budget consumed, in percent.
func used(fraction *float64) string {
	if fraction == nil {
		return dash
	}
	return sided(100**fraction, 100)
}

// remaining is the share of a budget that is left after the one consumed.
func remaining(consumed *float64) string {
	if consumed == nil {
		return dash
	}
	return sided(100*(1-*consumed), 0)
}

// sided shows a number with two decimals, or with as many more as keep it on
// its side of the pivot: a budget overdrawn by a hair is not "100.00 %" used.
func sided(f, pivot float64) string {
	for decimals := 2; decimals < 12; decimals++ {
		s := strconv.FormatFloat(f, 'f', decimals, 64)
		if shown, _ := strconv.ParseFloat(s, 64); sign(shown-pivot) == sign(f-pivot) {
			return grouped(strings.TrimPrefix(s, minusZero(s)), f)
		}
	}
	return grouped(strconv.FormatFloat(pivot, 'f', 2, 64), pivot)
}

// minusZero is the sign to cut from a number that is shown as zero.
func minusZero(s string) string {
	if strings.Trim(s, "-0.") == "" {
		return "-"
	}
	return ""
}

func sign(f float64) int {
	switch {
	case f > 0:
		return 1
	case f < 0:
		return -1
	}
	return 0
}

// missing shows a time without data, to the second.
func missing(seconds float64) string {
	if seconds > math.MaxInt32 {
		return short(seconds) + "s"
	}
	shown := time.Duration(math.Ceil(seconds) * float64(time.Second)).String()
	if strings.HasSuffix(shown, "m0s") {
		shown = strings.TrimSuffix(shown, "0s")
	}
	if strings.HasSuffix(shown, "h0m") {
		shown = strings.TrimSuffix(shown, "0m")
	}
	return shown
}
