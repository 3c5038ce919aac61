package console

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// explorePage is one expression over a span: as a chart and as a table.
type explorePage struct {
	Expr, Find string
	Range      span
	Spans      []span
	Step       int64 // seconds; 0: by the range
	Steps      []int64
	Names      []metricName
	More       bool // there are more names than shown
	Chart      *Chart
	Rows       []row
	Series     int // that the query gave; Rows and Chart may hold less
	Warnings   []string
	Trouble    *trouble
}

// metricName is a metric that can be chosen.
type metricName struct{ Name, Type, URL string }

// row is a series' line in the table.
type row struct {
	Name, Class          string
	Last, Low, Mean, Top float64
}

// What is shown of many; whoever wants more aggregates.
const (
	maxNames = 50
	maxRows  = 100
)

var steps = []int64{10, 30, 60, 300, 900, 3600, 86400}

func (c *Console) explore(r *http.Request) content {
	q := r.URL.Query()
	p := explorePage{
		Expr: strings.TrimSpace(q.Get("expr")), Find: strings.TrimSpace(q.Get("find")),
		Range: spanOf(q.Get("range")), Spans: spans, Steps: steps,
	}
	if n, err := strconv.ParseInt(q.Get("step"), 10, 64); err == nil && slices.Contains(steps, n) {
		p.Step = n
	}
	if p.Expr == "" {
		p.Names, p.More, p.Trouble = c.names(r, p.Find)
	} else {
		c.evaluate(r, &p)
	}
	status := http.StatusOK
	if p.Trouble != nil {
		status = p.Trouble.Status
	}
	return content{status, "explore", "Explore", p}
}

func (c *Console) evaluate(r *http.Request, p *explorePage) {
	p.Chart = &Chart{ID: "result", Title: p.Expr, Unit: "value"}
	p.Chart.over(c.opts.Now().Unix(), p.Range)
	if p.Step > 0 {
		p.Chart.Step = p.Step
	}
	m, err := c.api.rangeOf(r, p.Expr, p.Chart.Start, p.Chart.End, p.Chart.Step)
	if t, ok := err.(*trouble); ok {
		p.Trouble = t
		return
	}
	p.Series, p.Warnings = len(m.Data.Result), m.Warnings
	lines := make([]Line, len(m.Data.Result))
	for i := range lines {
		lines[i] = Line{Label: m.Data.Result[i].name(), Points: m.Data.Result[i].points()}
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(last(b), last(a)) })
	for i := range lines[:min(len(lines), maxRows)] {
		lines[i].Class = lineClass(i)
		p.Rows = append(p.Rows, rowOf(&lines[i]))
	}
	p.Chart.Lines = lines[:min(len(lines), 2*maxLines)]
}

func last(l Line) float64 {
	if len(l.Points) == 0 {
		return math.Inf(-1)
	}
	return l.Points[len(l.Points)-1].Value
}

func rowOf(l *Line) row {
	r := row{Name: l.Label, Class: l.Class, Last: last(*l), Low: math.Inf(1), Top: math.Inf(-1)}
	sum := 0.0
	for _, p := range l.Points {
		r.Low, r.Top, sum = min(r.Low, p.Value), max(r.Top, p.Value), sum+p.Value
	}
	r.Mean = sum / float64(len(l.Points))
	return r
}

// names lists the metrics whose name holds a text, in upper and lower case alike.
func (c *Console) names(r *http.Request, find string) ([]metricName, bool, *trouble) {
	var answer struct {
		Data map[string][]struct{ Type string } `json:"data"`
	}
	if t, ok := c.api.get(r, "/prometheus/api/v1/metadata", url.Values{"limit": {"10000"}}, &answer).(*trouble); ok {
		return nil, false, t
	}
	var list []metricName
	for name, of := range answer.Data {
		if len(of) > 0 && strings.Contains(strings.ToLower(name), strings.ToLower(find)) {
			list = append(list, metricName{visible(name), of[0].Type, exploreURL(nameExpr(name, of[0].Type, ""))})
		}
	}
	// The daemon's own come last: who looks for a metric looks for theirs.
	own := func(n string) int {
		if strings.HasPrefix(n, "nexus_") {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(a, b metricName) int {
		return cmp.Or(cmp.Compare(own(a.Name), own(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(len(list), maxNames)], len(list) > maxNames, nil
}
