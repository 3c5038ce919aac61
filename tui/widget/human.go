package widget

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// None stands for a value that is not there.
const None = "–"

// Count writes a number in three digits and a unit prefix: 1.23M.
func Count(v float64) string {
	if math.IsNaN(v) {
		return None
	}
	if math.IsInf(v, 0) {
		return map[bool]string{true: "+∞", false: "-∞"}[v > 0]
	}
	return scaled(v, 1000, []string{"", "k", "M", "G", "T", "P", "E"})
}

// Rate is a count a second.
func Rate(v float64) string { return Count(v) + "/s" }

// Bytes writes a size in powers of 1024: 1.5 GiB.
func Bytes(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return None
	}
	return scaled(v, 1024, []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"})
}

func scaled(v, base float64, units []string) string {
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	i := 0
	for i+1 < len(units) && v >= 999.5 {
		v, i = v/base, i+1
	}
	if v >= 1e6 {
		return sign + strconv.FormatFloat(v, 'e', 0, 64) + units[i]
	}
	return sign + digits(v) + units[i]
}

// digits writes a number that is not negative with three significant digits,
// and no zeros that say nothing.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case v >= 0.01:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	case v == 0:
		return "0"
	}
	return "<0.01"
}

func trim(s string) string { return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") }

// Millis writes a latency, given in milliseconds, in two digits or three.
func Millis(ms float64) string {
	switch {
	case math.IsNaN(ms) || math.IsInf(ms, 0) || ms < 0:
		return None
	case ms == 0:
		return "0 ms"
	case ms < 0.9995:
		return short(ms*1000) + " µs"
	case ms < 999.5:
		return short(ms) + " ms"
	case ms < 99.95e3:
		return short(ms/1000) + " s"
	}
	return Age(ms / 1000)
}

func short(v float64) string {
	if v >= 9.95 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return trim(strconv.FormatFloat(v, 'f', 1, 64))
}

// Age writes seconds in their two largest units: 3d4h.
func Age(s float64) string {
	if math.IsNaN(s) || s < 0 {
		return None
	}
	if s > 100*365*86400 {
		return ">100y"
	}
	d := time.Duration(s) * time.Second
	h, m := int(d.Hours()), int(d.Minutes())
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(s)) + "s"
	case d < time.Hour:
		return two(m, "m", int(s)%60, "s")
	case h < 24:
		return two(h, "h", m%60, "m")
	}
	return two(h/24, "d", h%24, "h")
}

func two(a int, unit string, b int, less string) string {
	if b == 0 || a >= 100 {
		return strconv.Itoa(a) + unit
	}
	return strconv.Itoa(a) + unit + strconv.Itoa(b) + less
}

// Percent writes a share. It never says 0 % of something, nor 100 % of less
// than all.
func Percent(share float64) string {
	p := share * 100
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return None
	case p > 0 && p < 0.01:
		return "<0.01%"
	case p > 0 && p < 9.995:
		return trim(strconv.FormatFloat(p, 'f', 2, 64)) + "%"
	case p > 99 && p < 100:
		return trim(strconv.FormatFloat(math.Floor(p*100)/100, 'f', 2, 64)) + "%"
	case math.Abs(p) >= 1e5:
		return Count(p) + "%"
	}
	return strconv.FormatFloat(p, 'f', 0, 64) + "%"
}

// Exact writes a number in full, with commas.
func Exact(n uint64) string {
	s := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}
