package console

import (
	"cmp"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

// A template never writes a figure itself: it binds an element to a path in a
// JSON document of the API, and says how to format what stands there. bind writes
// the element with today's text and leaves path and format in it as attributes,
// from which the script (assets/bind.js) writes the same element again when the
// document is asked for anew. So there is one markup for both, and each figure is
// described once.
//
// The functions of this file build HTML by hand; whatever comes from a document
// passes esc.

func esc(s string) string { return html.EscapeString(s) }

// at returns what a document holds at a path, as in "golden.traffic.metrics" or "burn.0.rate"; nil
// where there is nothing, and the whole for ".".
func at(doc any, path string) any {
	if path == "." {
		return doc
	}
	for key := range strings.SplitSeq(path, ".") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			doc = v[i]
		default:
			return nil
		}
	}
	return doc
}

// items returns a list as it is, and an object as its keys and values, the
// greatest first.
func items(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case map[string]any:
		list := []any{}
		for _, k := range sortedKeys(v) {
			list = append(list, map[string]any{"key": k, "value": v[k]})
		}
		slices.SortStableFunc(list, func(a, b any) int {
			x, _ := at(a, "value").(float64)
			y, _ := at(b, "value").(float64)
			return cmp.Compare(y, x)
		})
		return list
	}
	return nil
}

// levels say when a figure is worth a look ("warn") and when it is bad; the
// script has the same in assets/bind.js.
var levels = map[string]func(any) string{
	"some-warn": above(0, maxFloat),
	"some-bad":  above(maxFloat, 0),
	"fill":      over(0.75, 0.9),
	"waiting":   over(8, 64),
	"burn":      over(1, 14.4),
	"budget": func(v any) string {
		n, ok := v.(float64)
		switch {
		case !ok:
			return ""
		case n <= 0:
			return "bad"
		case n < 0.25:
			return "warn"
		}
		return ""
	},
	"plain": func(any) string { return "" },
	"free": func(v any) string { // what is left, not what is used
		n, ok := v.(float64)
		return pick(ok && n <= 0.1, ok && n <= 0.25)
	},
	"state": func(v any) string {
		return map[string]string{"met": "good", "breached": "bad", "no_data": "dim"}[text(v)]
	},
	"diff": func(v any) string {
		if difference(v) == 0 {
			return "good"
		}
		return "bad"
	},
}

const maxFloat = 1e300

func above(warn, bad float64) func(any) string {
	return func(v any) string { n, _ := v.(float64); return pick(n > bad, n > warn) }
}

func over(warn, bad float64) func(any) string {
	return func(v any) string { n, _ := v.(float64); return pick(n >= bad, n >= warn) }
}

func pick(bad, warn bool) string {
	switch {
	case bad:
		return "bad"
	case warn:
		return "warn"
	}
	return ""
}

// bind is a text: path, format and, where it has one, level.
func bind(doc any, path, format string, level ...string) template.HTML {
	f, ok := formats[format]
	if !ok {
		panic("no such format: " + format)
	}
	v := at(doc, path)
	attrs, class := "", "v"
	if len(level) > 0 {
		attrs = ` data-level="` + esc(level[0]) + `"`
		class = strings.TrimSpace("v " + levelOf(level[0], v))
	}
	return template.HTML(fmt.Sprintf(`<span class="%s" data-v="%s" data-f="%s"%s>%s</span>`, class, esc(path), esc(format), attrs, esc(f(v))))
}

func levelOf(name string, v any) string {
	f, ok := levels[name]
	if !ok {
		panic("no such level: " + name)
	}
	return f(v)
}

// anchor is a link whose text and target come from the document.
func anchor(doc any, path, format, to string) template.HTML {
	return template.HTML(fmt.Sprintf(`<a data-v="%s" data-f="%s" data-to="%s" href="%s">%s</a>`,
		esc(path), esc(format), esc(to), esc(links[to](doc)), esc(formats[format](at(doc, path)))))
}

// bar draws a share of 0 to 1. It says nothing that the figure beside it does
// not, so it is hidden from screen readers.
func bar(doc any, path, level string) template.HTML {
	v := at(doc, path)
	return template.HTML(fmt.Sprintf(`<svg class="%s" data-bar="%s" data-level="%s" aria-hidden="true"><rect class="track" width="100%%" height="100%%" rx="3"/><rect class="fill" width="%s%%" height="100%%" rx="3"/></svg>`,
		strings.TrimSpace("bar "+levelOf(level, v)), esc(path), esc(level), share(v)))
}

// part draws how much one path is of another.
func part(doc any, path, of, level string) template.HTML {
	v := ratio(at(doc, path), at(doc, of))
	return template.HTML(fmt.Sprintf(`<svg class="%s" data-bar="%s" data-of="%s" data-level="%s" aria-hidden="true"><rect class="track" width="100%%" height="100%%" rx="3"/><rect class="fill" width="%s%%" height="100%%" rx="3"/></svg>`,
		strings.TrimSpace("bar "+levelOf(level, v)), esc(path), esc(of), esc(level), share(v)))
}

// partText is the same as a text.
func partText(doc any, path, of, level string) template.HTML {
	v := ratio(at(doc, path), at(doc, of))
	return template.HTML(fmt.Sprintf(`<span class="%s" data-v="%s" data-of="%s" data-f="percent" data-level="%s">%s</span>`,
		strings.TrimSpace("v "+levelOf(level, v)), esc(path), esc(of), esc(level), esc(formats["percent"](v))))
}

// ratio is nil where the whole is not known.
func ratio(v, of any) any {
	n, ok := v.(float64)
	whole, known := of.(float64)
	if !ok || !known || whole <= 0 {
		return nil
	}
	return n / whole
}

func share(v any) string {
	n, _ := v.(float64)
	return strconv.FormatFloat(min(max(n, 0), 1)*100, 'f', 2, 64)
}

// spark draws a list of numbers as a line, from 0 to its greatest.
func spark(doc any, path string) template.HTML {
	line, area := sparkPath(items(at(doc, path)))
	return template.HTML(fmt.Sprintf(`<svg class="spark" data-spark="%s" viewBox="0 0 %d %d" preserveAspectRatio="none" aria-hidden="true"><path class="area" d="%s"/><path class="line" d="%s"/></svg>`,
		esc(path), sparkWidth, sparkHeight, area, line))
}

// The units of a sparkline; the script has the same.
const sparkWidth, sparkHeight = 120, 24

func sparkPath(list []any) (line, area string) {
	if len(list) < 2 {
		return "", ""
	}
	low, high := 0.0, 0.0
	for _, v := range list {
		n, _ := v.(float64)
		low, high = min(low, n), max(high, n)
	}
	if high == low {
		high = low + 1
	}
	var b strings.Builder
	for i, v := range list {
		n, _ := v.(float64)
		x := float64(i) * sparkWidth / float64(len(list)-1)
		y := sparkHeight - 1 - (n-low)/(high-low)*(sparkHeight-2)
		fmt.Fprintf(&b, "%c%s %s", "ML"[min(i, 1)], trim(fixed(x, 1)), trim(fixed(y, 1)))
	}
	return b.String(), b.String() + fmt.Sprintf("L%d %dL0 %dZ", sparkWidth, sparkHeight, sparkHeight)
}

// list returns up to n items of a list or object, for a template to range over.
func list(doc any, path string, n int) []any {
	l := items(at(doc, path))
	return l[:min(len(l), n)]
}

// hidden is the attribute of what is shown only where a list has items ("some")
// or has none ("none").
func hidden(doc any, path, when string) template.HTMLAttr {
	attr := fmt.Sprintf(`data-when="%s" data-path="%s"`, esc(when), esc(path))
	if empty := len(items(at(doc, path))) == 0; empty == (when == "some") {
		attr += " hidden"
	}
	return template.HTMLAttr(attr)
}

var functions = template.FuncMap{
	"bind": bind, "anchor": anchor, "bar": bar, "part": part, "partText": partText, "spark": spark, "list": list, "hidden": hidden,
	"visible": visible, "value": value, "chart": drawChart, "ageText": func(s int64) string { return age(float64(s)) },
	"nothing": func() any { return map[string]any{} }, // what a row's template is made of
	"windows": func() []string { return []string{"5m", "1h", "6h", "3d"} },
	"span":    func(from, to int64) int64 { return to - from },
	"tall":    func(gone float64) string { return fixed(gone*0.29, 2) },
	"below":   func(gone float64) string { return fixed(29-gone*0.29, 2) },
}
