package console

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// formats turn a value of a JSON document into the text that people read. The
// script has the same ones by the same names (assets/format.js), for it writes
// over what Go wrote; testdata/formats.json holds both to the same answers.
var formats = map[string]func(any) string{
	"text":    func(v any) string { return visible(text(v)) },
	"count":   numeric(count),
	"exact":   numeric(exact),
	"value":   numeric(value),
	"bytes":   numeric(byteSize),
	"millis":  numeric(millis),
	"percent": numeric(percent),
	"age":     numeric(age),
	"sli":     sli,
	"amount":  amount,
	"sum":     func(v any) string { return exact(sumOf(v)) },
	"tags":    tagsText,
	"join":    joinText,
	"length":  func(v any) string { return exact(float64(len(items(v)))) },
	"keys":    tagKeys,
	"reason":  func(v any) string { return reasons[text(v)] },
	"state":   func(v any) string { return states[text(v)] },
	"diff":    func(v any) string { return exact(math.Abs(difference(v))) },
	"verdict": verdict,
	"sources": sourcesText,
	"limit":   func(v any) string { return limits[text(v)] },
	"types":   typeSources,
	"expr":    func(v any) string { return seriesExpr(v) },
}

// none stands for a figure that is not there.
const none = "–"

// gap keeps a number and its unit on one line.
const gap = "\u00a0"

func numeric(f func(float64) string) func(any) string {
	return func(v any) string {
		n, ok := v.(float64)
		if !ok || math.IsNaN(n) {
			return none
		}
		return f(n)
	}
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// visible writes out what would hide in a name or turn the text around it:
// control characters, changes of direction, spaces of no width.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// fixed rounds half up, as the script does, for the two languages round ties
// otherwise.
func fixed(v float64, decimals int) string {
	p := math.Pow10(decimals)
	return strconv.FormatFloat(math.Floor(v*p+0.5)/p, 'f', decimals, 64)
}

func trim(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// digits writes a number that is not negative with three digits.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return fixed(v, 0)
	case v >= 9.995:
		return trim(fixed(v, 1))
	case v >= 0.01:
		return trim(fixed(v, 2))
	case v == 0:
		return "0"
	}
	return "<0.01"
}

func scaled(v, base float64, units []string) string {
	if math.IsInf(v, 0) {
		return map[bool]string{true: "∞", false: "−∞"}[v > 0]
	}
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	i := 0
	for i+1 < len(units) && v >= 999.5 {
		v, i = v/base, i+1
	}
	if units[i] == "" {
		return sign + digits(v)
	}
	return sign + digits(v) + gap + units[i]
}

// count writes a number in three digits: 1.23 M.
func count(v float64) string { return scaled(v, 1000, []string{"", "k", "M", "G", "T", "P", "E"}) }

func byteSize(v float64) string {
	return scaled(v, 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"})
}

// value writes what a query gave: four digits where it is small.
func value(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsInf(v, 0), a >= 1e5:
		return count(v)
	case v == 0:
		return "0"
	case a < 1e-3:
		return exponent(v)
	}
	sign := ""
	if v < 0 {
		sign = "−"
	}
	switch {
	case a >= 1000:
		return exact(v)
	case a >= 100:
		return sign + trim(fixed(a, 1))
	case a >= 1:
		return sign + trim(fixed(a, 2))
	}
	return sign + trim(fixed(a, 4))
}

func exponent(v float64) string {
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(v, 'e', 2, 64), "e")
	n, _ := strconv.Atoi(power)
	return mantissa + "e" + strconv.Itoa(n)
}

// exact writes a whole number in full: 1,234,567.
func exact(v float64) string {
	s := strconv.FormatFloat(math.Floor(math.Abs(v)+0.5), 'f', 0, 64)
	var b strings.Builder
	if v < 0 {
		b.WriteString("−")
	}
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// millis writes a time given in milliseconds.
func millis(ms float64) string {
	switch {
	case math.IsInf(ms, 0) || ms < 0:
		return none
	case ms == 0:
		return "0" + gap + "ms"
	case ms < 0.9995:
		return short(ms*1000) + gap + "µs"
	case ms < 999.5:
		return short(ms) + gap + "ms"
	case ms < 99.95e3:
		return short(ms/1000) + gap + "s"
	}
	return age(ms / 1000)
}

func short(v float64) string {
	if v >= 99.5 {
		return fixed(v, 0)
	}
	return trim(fixed(v, 1))
}

// percent writes a share. It never says 0 of something, nor 100 of less than all.
func percent(share float64) string {
	p, sign := share*100, ""
	if p < 0 {
		p, sign = -p, "−"
	}
	switch {
	case math.IsInf(p, 0):
		return none
	case p > 0 && p < 0.01:
		return sign + "<0.01" + gap + "%"
	case p > 0 && p < 9.995:
		return sign + trim(fixed(p, 2)) + gap + "%"
	case p > 99 && p < 100:
		return sign + trim(fixed(math.Floor(p*100)/100, 2)) + gap + "%"
	case p >= 1e5:
		return sign + count(p) + gap + "%"
	}
	return sign + trim(fixed(p, 1)) + gap + "%"
}

// age writes seconds in their two largest units.
func age(s float64) string {
	switch {
	case s < 0 || math.IsInf(s, 0):
		return none
	case s < 60:
		return fixed(math.Floor(s), 0) + gap + "s"
	case s < 3600:
		return two(s, 60, "min", "s")
	case s < 86400:
		return two(s/60, 60, "h", "min")
	}
	return two(s/3600, 24, "d", "h")
}

func two(v, base float64, unit, less string) string {
	a, b := math.Floor(v/base), math.Floor(math.Mod(v, base))
	if b == 0 || a >= 100 {
		return fixed(a, 0) + gap + unit
	}
	return fixed(a, 0) + gap + unit + " " + fixed(b, 0) + gap + less
}

// sli writes percent that came as text and are never rounded.
func sli(v any) string {
	if s := text(v); s != "" {
		return s + gap + "%"
	}
	return none
}

// amount writes events, which come as a number where they are whole and as a text
// where they are not.
func amount(v any) string {
	if n, ok := v.(float64); ok {
		return exact(n)
	}
	return cmp.Or(text(v), none)
}

func sumOf(v any) (n float64) {
	m, _ := v.(map[string]any)
	for _, k := range sortedKeys(m) {
		f, _ := m[k].(float64)
		n += f
	}
	return n
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func tagsText(v any) string {
	m, _ := v.(map[string]any)
	var parts []string
	for _, k := range sortedKeys(m) {
		parts = append(parts, visible(k+":"+text(m[k])))
	}
	return strings.Join(parts, "  ")
}

func joinText(v any) string {
	var parts []string
	for _, i := range items(v) {
		parts = append(parts, visible(text(i)))
	}
	return strings.Join(parts, ", ")
}

// tagKeys names the keys that have most values.
func tagKeys(v any) string {
	var parts []string
	for _, i := range items(v) {
		n, _ := at(i, "values").(float64)
		parts = append(parts, visible(text(at(i, "key")))+" "+count(n))
	}
	return strings.Join(parts, ", ")
}

// difference is what a ledger's law leaves over; 0 where it holds.
func difference(v any) float64 {
	n := func(path string) float64 { f, _ := at(v, path).(float64); return f }
	return n("received") - n("stored") - n("pending") - n("dead") - n("lost") - sumOf(at(v, "rejected")) - sumOf(at(v, "shed"))
}

func verdict(v any) string {
	if difference(v) == 0 {
		return "adds up"
	}
	return "does not add up"
}

var states = map[string]string{"met": "met", "breached": "breached", "no_data": "no data"}

var limits = map[string]string{"series": "series of the process", "name": "series of a name", "tag_values": "values of a tag"}

func sourcesText(v any) string {
	var parts []string
	for _, i := range items(v) {
		who := text(at(i, "address"))
		if who == "" {
			who = text(at(i, "listener"))
		}
		n, _ := at(i, "count").(float64)
		parts = append(parts, visible(who)+" ("+count(n)+")")
	}
	if parts == nil {
		return none
	}
	return strings.Join(parts, ", ")
}

func typeSources(v any) string {
	var parts []string
	for _, i := range items(v) {
		part := visible(text(at(i, "type")))
		if who := text(at(i, "address")); who != "" {
			part += " from " + visible(who)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// links turn an item into the page about it.
var links = map[string]func(any) string{
	"series": func(v any) string { return exploreURL(seriesExpr(v)) },
	"metric": func(v any) string { return exploreURL(nameExpr(text(at(v, "name")), firstType(v), "")) },
	"slo":    func(v any) string { return Root + "slos/" + escaped(text(at(v, "name"))) },
}

func firstType(v any) string {
	if list := items(at(v, "types")); len(list) > 0 {
		return text(list[0])
	}
	return ""
}

func exploreURL(expr string) string {
	return Root + "explore?expr=" + escaped(expr)
}

// escaped leaves of a text only what no address reads otherwise.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// seriesExpr is the expression that draws one series as people want it: a
// counter's rate, a distribution's P99, the value of anything else.
func seriesExpr(v any) string {
	var b strings.Builder
	tags, _ := at(v, "tags").(map[string]any)
	for _, k := range sortedKeys(tags) {
		b.WriteString(", " + label(k) + "=" + quote(text(tags[k])))
	}
	return nameExpr(text(at(v, "name")), text(at(v, "type")), b.String())
}

func nameExpr(name, kind, matchers string) string {
	selector := "{" + quote(name) + matchers + "}"
	switch kind {
	case "counter":
		return "rate(" + selector + "[1m])"
	case "histogram", "timer", "distribution":
		return "histogram_quantile(0.99, sum_over_time(" + selector + "[1m]))"
	}
	return selector
}

// label is the name that PromQL has for a tag key.
func label(key string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
	if clean == "" || clean[0] >= '0' && clean[0] <= '9' {
		clean = "_" + clean
	}
	return clean
}

// quote writes a PromQL string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
