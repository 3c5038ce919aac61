package widget

import (
	"math"
	"strings"
)

var eighths = []rune(" ▁▂▃▄▅▆▇█")

// Spark draws values in one row of w cells, the newest at the right. Top is
// the value that fills a cell; 0 takes the greatest.
func Spark(values []float64, w int, top float64) string {
	return Area(values, w, 1, top)[0]
}

// Area draws values as columns in h rows of w cells. Where there are more
// values than cells, a cell shows the greatest of its share: a peak does not
// vanish. The axis begins at 0, or at the least value below it, so that a
// ripple does not look like a storm.
func Area(values []float64, w, h int, top float64) []string {
	columns := squeeze(values, w)
	low, high := scale(columns, top)
	rows := make([]strings.Builder, h)
	for _, v := range columns {
		level := levelOf(v, low, high, 8*h)
		for i := range rows {
			rows[i].WriteRune(eighths[min(max(level-8*(h-1-i), 0), 8)])
		}
	}
	lines := make([]string, h)
	for i := range rows {
		lines[i] = rows[i].String()
	}
	return lines
}

// squeeze brings values to exactly w; what is missing is NaN, at the left.
func squeeze(values []float64, w int) []float64 {
	w = max(w, 0)
	out := make([]float64, 0, w)
	if n := len(values); n > w {
		for i := range w {
			out = append(out, greatest(values[i*n/w:(i+1)*n/w]))
		}
		return out
	}
	for range w - len(values) {
		out = append(out, math.NaN())
	}
	return append(out, values...)
}

func greatest(values []float64) float64 {
	g := math.NaN()
	for _, v := range values {
		if math.IsNaN(g) || v > g {
			g = v
		}
	}
	return g
}

func scale(values []float64, top float64) (low, high float64) {
	high = top
	for _, v := range values {
		if v < low && !math.IsInf(v, 0) {
			low = v
		}
		if top == 0 && v > high && !math.IsInf(v, 0) {
			high = v
		}
	}
	return low, high
}

// levelOf returns the eighths of a value: the least value is still a line, and
// what is above it is seen to be.
func levelOf(v, low, high float64, full int) int {
	switch {
	case math.IsNaN(v):
		return 0
	case v <= low:
		return 1
	case v >= high:
		return full
	}
	share := v/(high-low) - low/(high-low) // high-low may overflow, v-low must not
	return min(max(2, 1+int(math.Round(share*float64(full-1)))), full)
}

// Gauge returns w cells in two parts: what is used of a whole, and what is
// not. Neither vanishes before it is really none.
func Gauge(share float64, w int) (used, rest string) {
	n := 0
	switch {
	case w <= 0 || !(share > 0):
	case share >= 1:
		n = w
	default:
		n = min(max(int(math.Round(share*float64(w))), 1), max(w-1, 1))
	}
	return strings.Repeat("█", n), strings.Repeat("░", max(w-n, 0))
}
