package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// matrix is the answer of /prometheus/api/v1/query_range.
type matrix struct {
	Data struct {
		ResultType string         `json:"resultType"`
		Result     []matrixSeries `json:"result"`
	} `json:"data"`
	Warnings []string `json:"warnings"`
}

type matrixSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []promPoint       `json:"values"`
	Histograms []promHistogram   `json:"histograms"`
}

// promPoint is [seconds, "value"].
type promPoint Point

func (p *promPoint) UnmarshalJSON(b []byte) (err error) {
	var s string
	if err := json.Unmarshal(b, &[]any{&p.At, &s}); err != nil {
		return fmt.Errorf("sample: %w", err)
	}
	p.Value, err = strconv.ParseFloat(s, 64)
	return err
}

// promHistogram is [seconds, {"count": "…", "sum": "…"}]; a chart draws its mean.
type promHistogram Point

func (p *promHistogram) UnmarshalJSON(b []byte) error {
	var h struct{ Count, Sum string }
	if err := json.Unmarshal(b, &[]any{&p.At, &h}); err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	n, err := strconv.ParseFloat(h.Count, 64)
	if err != nil {
		return err
	}
	sum, err := strconv.ParseFloat(h.Sum, 64)
	p.Value = sum / n
	return err
}

func (s *matrixSeries) points() []Point {
	list := make([]Point, 0, len(s.Values)+len(s.Histograms))
	for _, p := range s.Values {
		list = append(list, Point(p))
	}
	for _, p := range s.Histograms {
		list = append(list, Point(p))
	}
	return list
}

// name writes a label set as PromQL does.
func (s *matrixSeries) name() string {
	var parts []string
	for k, v := range s.Metric {
		if k != "__name__" {
			parts = append(parts, k+"="+quote(v))
		}
	}
	slices.Sort(parts)
	name := s.Metric["__name__"]
	if len(parts) > 0 || name == "" {
		name += "{" + strings.Join(parts, ", ") + "}"
	}
	return name
}

const rangePath = "/prometheus/api/v1/query_range"

// rangeOf asks for an expression over a span, in Unix seconds.
func (s source) rangeOf(r *http.Request, expr string, start, end, step int64) (m matrix, err error) {
	err = s.get(r, rangePath, url.Values{
		"query": {expr}, "start": {strconv.FormatInt(start, 10)}, "end": {strconv.FormatInt(end, 10)}, "step": {strconv.FormatInt(step, 10)},
	}, &m)
	return m, err
}

// span is a range that can be chosen, and the step that gives about 240 points.
type span struct {
	Key, Text string
	Seconds   int64
}

var spans = []span{
	{"15m", "15 min", 15 * 60}, {"1h", "1 h", 3600}, {"6h", "6 h", 6 * 3600}, {"24h", "24 h", 24 * 3600},
	{"7d", "7 d", 7 * 86400}, {"30d", "30 d", 30 * 86400},
}

func spanOf(key string) span {
	for _, s := range spans {
		if s.Key == key {
			return s
		}
	}
	return spans[1]
}

// step is a round number of seconds, from the default of aggregate.resolution on.
func (s span) step() int64 {
	for _, step := range []int64{10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200} {
		if s.Seconds/step <= 360 {
			return step
		}
	}
	return 4 * 3600
}

// window is what rates and percentiles of a chart look back over.
func window(step int64) string { return strconv.FormatInt(max(step, 60), 10) + "s" }

// expr is a line's expression for the chart's step.
func (c *Chart) expr(l *Line) string { return strings.ReplaceAll(l.Expr, "$window", window(c.Step)) }

// fill asks for every line of a chart. One that fails leaves the chart's trouble,
// and the others stand.
func (s source) fill(r *http.Request, c *Chart) {
	for i := range c.Lines {
		l := &c.Lines[i]
		m, err := s.rangeOf(r, c.expr(l), c.Start, c.End, c.Step)
		if t, ok := err.(*trouble); ok {
			c.Trouble = t
			continue
		}
		if len(m.Data.Result) > 0 {
			l.Points = m.Data.Result[0].points()
		}
	}
}
