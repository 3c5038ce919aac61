package page

import (
	"slices"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/widget"
)

// goldenList is the signals as lines: zoomed, all of them, if need be beyond
// the screen.
func (v *View) goldenList(a area) widget.List {
	if v.Zoom {
		a.h = max(a.h, fullHeight(a.w))
	}
	lines := v.golden(a)
	return widget.List{Total: len(lines), Line: func(i int) string { return lines[i] }}
}

// fullHeight is what all figures need: side by side, two by two, or one signal
// below the other.
func fullHeight(w int) int {
	switch {
	case w >= 96:
		return 8
	case w >= 60:
		return 16
	}
	return 28
}

// golden draws the four signals: as quarters with charts where there is room,
// else as lines.
func (v *View) golden(a area) []string {
	const gap, widest = 2, 27 // latency has three figures a line
	switch {
	case a.w >= 96 && a.h >= 8 && a.h < 18:
		first := max(widest, (a.w-3*gap)/4)
		quarter := (a.w - first - 3*gap) / 3
		last := a.w - first - 2*quarter - 3*gap
		return widget.Beside(gap, v.latency(first, a.h), v.traffic(quarter, a.h), v.errors(quarter, a.h), v.saturation(last, a.h))
	case a.w >= 60 && a.h >= fullHeight(60)-2:
		half, upper := (a.w-gap)/2, a.h/2
		right := a.w - half - gap
		return append(widget.Beside(gap, v.latency(half, upper), v.traffic(right, upper)),
			widget.Beside(gap, v.errors(half, a.h-upper), v.saturation(right, a.h-upper))...)
	case a.w >= 60 && a.h >= 5:
		return v.goldenLines(a.w, true)
	case a.w < 60 && a.h >= fullHeight(0):
		h, last := a.h/4, a.h-3*(a.h/4)
		return slices.Concat(v.latency(a.w, h), v.traffic(a.w, h), v.errors(a.w, h), v.saturation(a.w, last))
	default:
		return v.goldenLines(a.w, false)
	}
}

// quarter is a signal with its figures above its chart.
func (v *View) quarter(w, h int, head []widget.Span, figures []string, chart []float64, top float64) []string {
	lines := append([]string{widget.Row(w, head...)}, figures...)
	if rows := h - len(lines); rows > 0 {
		for _, line := range widget.Area(chart, w, rows, top) {
			lines = append(lines, widget.Row(w, widget.Span{Text: line, Style: v.Theme.Trend}))
		}
	}
	return widget.Pad(lines, w, h)
}

func (v *View) head(name string, w int) widget.Span {
	return widget.Span{Text: widget.Fit(name, w), Style: v.Theme.Strong}
}

func (v *View) latency(w, h int) []string {
	g := v.Data.Golden
	const name = 6
	cell := (w - name) / 3
	head := []widget.Span{v.head("latency", name+1)}
	for _, p := range []string{"p50", "p95", "p99"} {
		head = append(head, widget.Span{Text: widget.FitRight(p, cell), Style: v.Theme.Dim})
	}
	head[1].Text = head[1].Text[1:] // "latency" is a cell longer than "ingest"
	row := func(what string, l *api.Latency) string {
		spans := []widget.Span{{Text: widget.Fit(what, name), Style: v.Theme.Text}}
		for _, ms := range percentiles(l) {
			spans = append(spans, widget.Span{Text: widget.FitRight(ms, cell), Style: v.Theme.Text})
		}
		return widget.Row(w, spans...)
	}
	figures := []string{row("http", g.Latency.HTTP), row("ingest", g.Latency.Ingest)}
	figures = append(figures, v.caption(w, "http p99, up to "+widget.Millis(peak(g.History.P99))))
	return v.quarter(w, h, head, figures, g.History.P99, 0)
}

func percentiles(l *api.Latency) [3]string {
	if l == nil {
		return [3]string{widget.None, widget.None, widget.None}
	}
	return [3]string{widget.Millis(l.P50), widget.Millis(l.P95), widget.Millis(l.P99)}
}

func peak(values []float64) (p float64) {
	for _, v := range values {
		p = max(p, v)
	}
	return p
}

func (v *View) caption(w int, text string) string {
	return widget.Row(w, widget.Span{Text: text, Style: v.Theme.Dim})
}

// figure is a name at the left and its value, with a sign, at the right.
func (v *View) figure(w int, name, value string, l level) string {
	fill := max(w-2-widget.Width(name), 0)
	return widget.Row(w, widget.Span{Text: name, Style: v.Theme.Text},
		widget.Span{Text: widget.FitRight(value, fill), Style: v.style(l)},
		widget.Span{Text: " " + l.sign(), Style: v.style(l)})
}

func (v *View) traffic(w, h int) []string {
	t, past := v.Data.Golden.Traffic, v.Data.Golden.History.Metrics
	figures := []string{
		v.figure(w, "metrics", widget.Rate(t.Metrics), calm),
		v.figure(w, "bytes", widget.Bytes(t.Bytes)+"/s", calm),
		v.figure(w, "requests", widget.Rate(t.Requests), calm),
		v.figure(w, "connections", widget.Count(float64(t.Connections)), calm),
		v.caption(w, "metrics, up to "+widget.Rate(peak(past))),
	}
	return v.quarter(w, h, []widget.Span{v.head("traffic", w)}, figures, past, 0)
}

func (v *View) errors(w, h int) []string {
	e, past := v.Data.Golden.Errors, v.Data.Golden.History.Errors
	figures := []string{
		v.figure(w, "rejected", widget.Rate(e.Rejected), some(e.Rejected, warn)),
		v.figure(w, "shed", widget.Rate(e.Shed), some(e.Shed, bad)),
		v.figure(w, "failed", widget.Rate(e.Requests), some(e.Requests, bad)),
		v.figure(w, "of requests", widget.Percent(e.Ratio), some(e.Ratio, bad)),
		v.caption(w, "errors, up to "+widget.Rate(peak(past))),
	}
	return v.quarter(w, h, []widget.Span{v.head("errors", w)}, figures, past, 0)
}

// some is a level for anything above zero.
func some(v float64, l level) level {
	if v > 0 {
		return l
	}
	return calm
}

func (v *View) saturation(w, h int) []string {
	s := v.Data.Golden.Saturation
	figures := []string{}
	for _, f := range fills(s) {
		figures = append(figures, v.fill(w, f))
	}
	figures = append(figures, v.figure(w, "waiting", plural(s.Waiting, "generation"), waitingLevel(s)))
	if h-len(figures) > 2 {
		figures = append(figures, v.caption(w, "cpu, "+plural(s.Cores, "core")+"; log "+widget.Bytes(float64(s.LogBytes))))
	}
	return v.quarter(w, h, []widget.Span{v.head("saturation", w)}, figures, v.Data.Golden.History.CPU, 1)
}

// waitingLevel worries where the store does not keep up.
func waitingLevel(s api.Saturation) level { return over(float64(s.Waiting), 8, 64) }

// fullness is how much of something is used. Without a limit it has no share.
type fullness struct {
	name  string
	share float64
	known bool
	text  string // in the figure's own unit
}

func fills(s api.Saturation) []fullness {
	onDisk := float64(s.DiskTotal) - float64(s.DiskFree)
	return []fullness{
		{"cpu", s.CPU, true, widget.Percent(s.CPU)},
		of("memory", float64(s.MemoryBytes), float64(s.MemoryLimit), widget.Bytes),
		{"queue", s.Queue, true, widget.Percent(s.Queue)},
		of("disk", onDisk, float64(s.DiskTotal), widget.Bytes),
		of("files", float64(s.FDs), float64(s.FDLimit), widget.Count),
	}
}

func of(name string, used, limit float64, unit func(float64) string) fullness {
	if limit <= 0 {
		return fullness{name: name, text: unit(used)}
	}
	return fullness{name, used / limit, true, unit(used) + " of " + unit(limit)}
}

func (f fullness) level() level {
	if !f.known {
		return calm
	}
	return over(f.share, 0.75, 0.9)
}

// fill is a gauge with its share, or the bare figure where the limit is not
// known.
func (v *View) fill(w int, f fullness) string {
	if !f.known {
		return v.figure(w, f.name, f.text, calm)
	}
	const name, share = 7, 7
	used, rest := widget.Gauge(f.share, w-name-share-2)
	l := f.level()
	paint := v.style(l)
	if l == calm {
		paint = v.Theme.Trend
	}
	return widget.Row(w, widget.Span{Text: widget.Fit(f.name, name), Style: v.Theme.Text},
		widget.Span{Text: used, Style: paint}, widget.Span{Text: rest, Style: v.Theme.Dim},
		widget.Span{Text: widget.FitRight(widget.Percent(f.share), share), Style: v.style(l)},
		widget.Span{Text: " " + l.sign(), Style: v.style(l)})
}
