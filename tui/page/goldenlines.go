package page

import (
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/widget"
)

// goldenLines is a line a signal: the figures that fit, and what is left over
// for the trend. With ingest, latency has two lines.
func (v *View) goldenLines(w int, ingest bool) []string {
	g := v.Data.Golden
	long := w >= 60
	label := func(name, short string) widget.Span {
		if long {
			return widget.Span{Text: widget.Fit(name, 11), Style: v.Theme.Strong}
		}
		return widget.Span{Text: widget.Fit(short, 4), Style: v.Theme.Strong}
	}
	http, in := v.latencyFigures("http", g.Latency.HTTP, long), v.latencyFigures("ingest", g.Latency.Ingest, true)
	var lines []string
	if ingest {
		lines = append(lines, v.line(w, label("latency", "lat"), http, g.History.P99, 0), v.line(w, label("", ""), in, nil, 0))
	} else {
		lines = append(lines, v.line(w, label("latency", "lat"), append(http, in...), g.History.P99, 0))
	}
	return append(lines,
		v.line(w, label("traffic", "in"), v.trafficFigures(long), g.History.Metrics, 0),
		v.line(w, label("errors", "err"), v.errorFigures(long), g.History.Errors, 0),
		v.line(w, label("saturation", "sat"), v.saturationFigures(long), g.History.CPU, 1))
}

// line draws figures until one does not fit: what comes first matters most.
func (v *View) line(w int, label widget.Span, figures [][]widget.Span, trend []float64, top float64) string {
	const least, most = 10, 30
	spans := []widget.Span{label}
	used := widget.Width(label.Text)
	for i, f := range figures {
		n := 0
		for _, s := range f {
			n += widget.Width(s.Text)
		}
		if used+n > w && i > 0 {
			break
		}
		spans, used = append(spans, f...), used+n
	}
	if left := w - used; len(trend) > 0 && left > least {
		n := min(left-1, most)
		blank := widget.Span{Text: widget.Fit("", left-n)}
		spans = append(spans, blank, widget.Span{Text: widget.Spark(trend, n, top), Style: v.Theme.Trend})
	}
	return widget.Row(w, spans...)
}

func (v *View) latencyFigures(name string, l *api.Latency, named bool) (figures [][]widget.Span) {
	if named {
		figures = append(figures, []widget.Span{{Text: widget.Fit(name, 8), Style: v.Theme.Dim}})
	}
	for i, ms := range percentiles(l) {
		label := [...]string{"p50 ", "p95 ", "p99 "}[i]
		figures = append(figures, []widget.Span{{Text: label, Style: v.Theme.Dim}, {Text: widget.Fit(ms, 7), Style: v.Theme.Text}})
	}
	return figures
}

// worded is a figure behind its name; the sign takes the first cell of the
// gap to the next.
func (v *View) worded(name, value string, l level) []widget.Span {
	return []widget.Span{{Text: name + " ", Style: v.Theme.Dim}, {Text: value + l.sign(), Style: v.style(l)}, {Text: " "}}
}

// pick chooses the name that a terminal has room for.
func pick(long bool, name, short string) string {
	if long {
		return name
	}
	return short
}

func (v *View) trafficFigures(long bool) [][]widget.Span {
	t := v.Data.Golden.Traffic
	figures := [][]widget.Span{
		v.worded("metrics", widget.Rate(t.Metrics), calm),
		v.worded("bytes", widget.Bytes(t.Bytes)+"/s", calm),
		v.worded(pick(long, "requests", "req"), widget.Rate(t.Requests), calm),
		v.worded(pick(long, "conns", "conn"), widget.Count(float64(t.Connections)), calm),
	}
	if !long {
		for _, f := range figures[:2] {
			f[0].Text = "" // their units name them
		}
	}
	return figures
}

func (v *View) errorFigures(long bool) [][]widget.Span {
	e := v.Data.Golden.Errors
	return [][]widget.Span{
		v.worded(pick(long, "rejected", "rej"), widget.Rate(e.Rejected), some(e.Rejected, warn)),
		v.worded("shed", widget.Rate(e.Shed), some(e.Shed, bad)),
		v.worded(pick(long, "failed", "fail"), widget.Rate(e.Requests), some(e.Requests, bad)),
		v.worded("of requests", widget.Percent(e.Ratio), some(e.Ratio, bad)),
	}
}

func (v *View) saturationFigures(long bool) (figures [][]widget.Span) {
	s := v.Data.Golden.Saturation
	for _, f := range fills(s) {
		text, name := f.text, f.name
		if f.known {
			text = widget.Percent(f.share)
		}
		if name == "memory" {
			name = "mem"
		}
		figures = append(figures, v.worded(name, text, f.level()))
		if !long {
			last := figures[len(figures)-1]
			figures[len(figures)-1] = last[:2] // the sign's cell is gap enough
		}
	}
	return append(figures, v.worded("waiting", widget.Count(float64(s.Waiting)), waitingLevel(s)))
}
