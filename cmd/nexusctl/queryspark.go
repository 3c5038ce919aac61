package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/charmbracelet/x/term"
	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/tui/widget"
)

// sparkWidth bounds the cells of a sparkline. Where there are more steps, a cell
// shows the greatest value of its share.
const sparkWidth = 40

func sparkFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "spark", Usage: "one row with a sparkline for each series of a range: the default on a terminal"},
		&cli.BoolFlag{Name: "no-spark", Usage: "a row for each value of a range: the default in a pipe"},
	}
}

// sparks says whether a range is drawn: by the flags, else where somebody looks.
// Blocks are no colour, so that NO_COLOR has no say.
func sparks(c *cli.Context) (bool, error) {
	switch {
	case c.Bool("spark") && c.Bool("no-spark"):
		return false, usage("--spark and --no-spark exclude each other")
	case c.Bool("no-spark"):
		return false, nil
	}
	return c.Bool("spark") || onTerminal(), nil
}

// onTerminal reports an output that can be drawn on.
func onTerminal() bool { return term.IsTerminal(os.Stdout.Fd()) && os.Getenv("TERM") != "dumb" }

// span is a range of steps, Unix seconds.
type span struct{ from, to, step float64 }

// cells returns how many steps there are.
func (s span) cells() int { return int(math.Floor((s.to-s.from)/s.step+1e-9)) + 1 }

// values lays a series out as one value a step; NaN where there is none.
func (s span) values(points []promPoint) []float64 {
	out := make([]float64, max(s.cells(), 1))
	for i := range out {
		out[i] = math.NaN()
	}
	for _, p := range points {
		at, err := strconv.ParseFloat(string(p[0]), 64)
		if i := int(math.Round((at - s.from) / s.step)); err == nil && i >= 0 && i < len(out) {
			out[i] = p.number()
		}
	}
	return out
}

// number is a point's value: of a histogram, how many samples are in it.
func (p promPoint) number() float64 {
	var text string
	if json.Unmarshal(p[1], &text) != nil {
		var h struct{ Count string }
		if json.Unmarshal(p[1], &h) != nil {
			return math.NaN()
		}
		text = h.Count
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// sparkTable is a row a series: its course, the least and the greatest value, and
// the last one.
func sparkTable(d client.QueryData, s span) (*table, error) {
	var list []promSeries
	if err := json.Unmarshal(d.Result, &list); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	t := &table{head: []string{"SERIES", "COURSE", "MIN", "MAX", "LAST"}}
	for _, one := range list {
		points := append(one.Values, one.Histograms...)
		values := s.values(points)
		low, high := extremes(values)
		last := ""
		if len(points) > 0 {
			last = points[len(points)-1].value()
		}
		t.add(seriesName(one.Metric), widget.Spark(values, min(len(values), sparkWidth), 0), low, high, last)
	}
	return t, nil
}

func extremes(values []float64) (low, high string) {
	least, most := math.NaN(), math.NaN()
	for _, v := range values {
		if math.IsNaN(v) {
			continue
		}
		if math.IsNaN(least) || v < least {
			least = v
		}
		if math.IsNaN(most) || v > most {
			most = v
		}
	}
	if math.IsNaN(least) {
		return "", ""
	}
	return strconv.FormatFloat(least, 'g', 6, 64), strconv.FormatFloat(most, 'g', 6, 64)
}
