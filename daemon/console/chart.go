package console

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"
)

// Chart is lines over one span of time. What is drawn here is what a browser
// without scripts shows; with them the script asks for Line.Expr again and draws
// in its place.
type Chart struct {
	ID, Title  string
	Unit       string // a format, of the axis and of the figures
	Top        float64
	Lines      []Line
	Start, End int64 // Unix seconds
	Step       int64 // seconds
	Narrow     bool  // stands beside another: drawn for half the width, or its text would shrink with it
	Trouble    *trouble
}

// Line is one line: its name, how it is asked for, and what came.
type Line struct {
	Label, Expr string
	Class       string // of the stylesheet: s1 to s8, q1 to q3
	Area        bool
	Split       bool // Expr yields a line a label set, not one line
	Points      []Point
}

// Point is a time in Unix seconds and a value.
type Point struct{ At, Value float64 }

// The drawing's own units, and what the axes take of them.
const (
	chartWidth, chartHeight = 640.0, 200.0
	chartLeft, chartBottom  = 56.0, 24.0
	chartTop, chartRight    = 10.0, 8.0
)

// width is the drawing's: its text has one size whatever the place.
func (c *Chart) width() float64 {
	if c.Narrow {
		return chartWidth / 2
	}
	return chartWidth
}

// ceiling returns a round number that is not below v, and the space between the
// lines of a grid up to it.
func ceiling(v float64) (top, gridStep float64) {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1, 0.5
	}
	raw := v / 4
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if gridStep = m * power; gridStep >= raw*0.999999 {
			break
		}
	}
	return math.Ceil(v/gridStep-1e-9) * gridStep, gridStep
}

func (c *Chart) extent() (low, high float64) {
	for _, l := range c.Lines {
		for _, p := range l.Points {
			if !math.IsInf(p.Value, 0) {
				low, high = min(low, p.Value), max(high, p.Value)
			}
		}
	}
	if c.Top > 0 {
		high = c.Top
	}
	return low, high
}

func (c *Chart) empty() bool {
	for _, l := range c.Lines {
		if len(l.Points) > 0 {
			return false
		}
	}
	return true
}

// drawChart returns the drawing; labels come from queries and are escaped.
func drawChart(c *Chart) template.HTML {
	if c.empty() {
		return ""
	}
	low, high := c.extent()
	top, grid := ceiling(max(high, -low))
	bottom := 0.0
	if low < 0 {
		bottom = -math.Ceil(-low/grid) * grid
	}
	if high <= 0 && low < 0 {
		top = 0
	}
	y := func(v float64) float64 {
		return chartTop + (top-v)/(top-bottom)*(chartHeight-chartTop-chartBottom)
	}
	x := func(at float64) float64 {
		return chartLeft + (at-float64(c.Start))/math.Max(float64(c.End-c.Start), 1)*(c.width()-chartLeft-chartRight)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.width(), chartHeight, esc(c.summary()))
	for v := bottom; v <= top+grid/2; v += grid {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" x="%g" y="%.1f" text-anchor="end">%s</text>`,
			chartLeft, c.width()-chartRight, y(v), y(v), chartLeft-8, y(v)+4, esc(axisText(v, c.Unit)))
	}
	c.drawTimes(&b, x)
	for i := range c.Lines {
		c.Lines[i].draw(&b, x, y, float64(c.Step), y(math.Max(bottom, 0)))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func axisText(v float64, unit string) string {
	if f, ok := formats[unit]; ok {
		return f(v)
	}
	return value(v)
}

// drawTimes writes four times under the chart, in UTC: the server does not know
// the reader's zone, the script does.
func (c *Chart) drawTimes(b *strings.Builder, x func(float64) float64) {
	layout := "15:04"
	if c.End-c.Start > 36*3600 {
		layout = "2 Jan"
	}
	span := c.End - c.Start
	for i := int64(1); i <= 4; i++ {
		t := (c.Start + span*(2*i-1)/8) / 60 * 60
		fmt.Fprintf(b, `<text class="tick" x="%.1f" y="%g" text-anchor="middle">%s</text>`, x(float64(t)), chartHeight-6, time.Unix(t, 0).UTC().Format(layout))
	}
}

func (l *Line) draw(b *strings.Builder, x, y func(float64) float64, step, base float64) {
	var run []Point
	flush := func() {
		if len(run) == 0 {
			return
		}
		var d strings.Builder
		for i, p := range run {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], x(p.At), y(p.Value))
		}
		if len(run) == 1 { // alone between two gaps: a dot, or it would not be seen
			d.WriteString("h.1")
		}
		if l.Area {
			fmt.Fprintf(b, `<path class="area %s" d="%sL%.1f %.1fL%.1f %.1fZ"/>`, l.Class, d.String(), x(run[len(run)-1].At), base, x(run[0].At), base)
		}
		fmt.Fprintf(b, `<path class="line %s" d="%s"/>`, l.Class, d.String())
		run = nil
	}
	for _, p := range l.Points {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || len(run) > 0 && p.At-run[len(run)-1].At > 1.5*step {
			flush()
		}
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			run = append(run, p)
		}
	}
	flush()
}

// summary is the chart in words, for those who cannot see it.
func (c *Chart) summary() string {
	parts := []string{c.Title}
	for _, l := range c.Lines {
		if len(l.Points) == 0 {
			continue
		}
		high := l.Points[0].Value
		for _, p := range l.Points {
			high = max(high, p.Value)
		}
		parts = append(parts, fmt.Sprintf("%s: last %s, highest %s", visible(l.Label), axisText(l.Points[len(l.Points)-1].Value, c.Unit), axisText(high, c.Unit)))
	}
	return strings.Join(parts[:min(len(parts), 10)], "; ")
}
