package console

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
)

//go:embed templates
var templateFiles embed.FS

func parsePages() map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"overview", "slos", "slo", "explore", "ledger", "cardinality", "missing"} {
		pages[name] = template.Must(template.New(name).Funcs(functions).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
	}
	return pages
}

// document is one answer of the API, and the address at which the script asks
// for it again.
type document struct {
	URL     string
	Body    any
	Trouble *trouble
}

// ask reads a document. Where that fails the page is still made, with what went
// wrong and empty places that the script fills once the API answers.
func (c *Console) ask(r *http.Request, path string, q url.Values) document {
	d := document{URL: path}
	if len(q) > 0 {
		d.URL += "?" + q.Encode()
	}
	if t, ok := c.api.get(r, path, q, &d.Body).(*trouble); ok {
		d.Trouble = t
	}
	return d
}

// status is that of a page which shows a document.
func (d *document) status() int {
	if d.Trouble != nil {
		return d.Trouble.Status
	}
	return http.StatusOK
}

// overviewPage is the golden signals and everything else at one glance.
type overviewPage struct {
	Doc    document
	Range  span
	Spans  []span
	Charts map[string]*Chart
}

func (c *Console) overview(r *http.Request) content {
	p := overviewPage{Doc: c.ask(r, "/api/v1/overview", nil), Spans: spans, Charts: goldenCharts()}
	p.Range = overviewSpan(r.URL.Query().Get("range"), p.Doc.Body)
	for _, chart := range p.Charts {
		chart.over(c.opts.Now().Unix(), p.Range)
		if p.Doc.Trouble == nil {
			c.api.fill(r, chart)
		}
	}
	return content{p.Doc.status(), "overview", "Overview", p}
}

// overviewSpan returns the span that was asked for. Where none was, a daemon that
// has just started shows the shortest: over an hour its charts would be empty but
// for their last pixels.
func overviewSpan(key string, doc any) span {
	if up, ok := at(doc, "server.uptime_s").(float64); key == "" && ok && int64(up) < spans[0].Seconds {
		return spans[0]
	}
	return spanOf(key)
}

// over sets a chart's span up to now, on whole steps, so that two charts of one
// page, and two loads of one minute, show the same points.
func (c *Chart) over(now int64, s span) {
	c.Step = s.step()
	c.End = now / c.Step * c.Step
	c.Start = c.End - s.Seconds
}

// goldenCharts are the four signals over time, from the daemon's own metrics in
// its own store.
func goldenCharts() map[string]*Chart {
	quantile := func(q, of string) string {
		return "histogram_quantile(" + q + ", sum_over_time(" + of + "[$window]))"
	}
	percentiles := func(of string) []Line {
		return []Line{
			{Label: "P99", Expr: quantile("0.99", of), Class: "q3"},
			{Label: "P95", Expr: quantile("0.95", of), Class: "q2"},
			{Label: "P50", Expr: quantile("0.5", of), Class: "q1"},
		}
	}
	return map[string]*Chart{
		"http":    {ID: "http", Title: "Latency of HTTP requests", Unit: "millis", Narrow: true, Lines: percentiles("nexus_http_duration")},
		"ingest":  {ID: "ingest", Title: "Latency of ingest", Unit: "millis", Narrow: true, Lines: percentiles("nexus_ingest_latency")},
		"traffic": {ID: "traffic", Title: "Metrics received a second", Unit: "count", Lines: []Line{{Label: "metrics a second", Expr: "sum(rate(nexus_ingest_units_total[$window]))", Class: "s1", Area: true}}},
		"errors": {ID: "errors", Title: "Errors a second", Unit: "count", Lines: []Line{
			{Label: "rejected", Expr: "sum(rate(nexus_ingest_rejected_total[$window]))", Class: "s2"},
			{Label: "shed", Expr: "sum(rate(nexus_ingest_shed_total[$window]))", Class: "s4"},
			{Label: "failed requests", Expr: `sum(rate(nexus_http_requests_total{class="5xx"}[$window]))`, Class: "s5"},
		}},
		"saturation": {ID: "saturation", Title: "Processor and queue, of all there is", Unit: "percent", Top: 1, Lines: []Line{
			{Label: "processor", Expr: "max_over_time(nexus_cpu_ratio[$window])", Class: "s1", Area: true},
			{Label: "fullest queue", Expr: "max_over_time(nexus_lane_queue_ratio[$window])", Class: "s2"},
		}},
	}
}

func (c *Console) slos(r *http.Request) content {
	d := c.ask(r, "/api/v1/slos", nil)
	return content{d.status(), "slos", "Objectives", d}
}

// sloPage is one objective and its month, day by day.
type sloPage struct {
	Doc, Report document
	Days        []day
}

// day is one of a report: how much of the budget was gone at its end.
type day struct {
	Date                string
	X, Width            float64 // of 100
	Gone                float64 // of 100, cut at 100
	Text, Level, Events string
}

func (c *Console) slo(r *http.Request) content {
	path := "/api/v1/slos/" + url.PathEscape(r.PathValue("name"))
	p := sloPage{Doc: c.ask(r, path, nil)}
	if p.Doc.Trouble == nil {
		p.Report = c.ask(r, path+"/report", nil)
		p.Days = days(p.Report.Body)
	}
	return content{p.Doc.status(), "slo", "Objective " + visible(r.PathValue("name")), p}
}

// days lays a report's days out as columns.
func days(report any) (list []day) {
	all := items(at(report, "days"))
	for i, v := range all {
		d := day{Date: text(at(v, "date")), X: float64(i) * 100 / float64(len(all)), Width: 100/float64(len(all)) - 0.6, Text: "no data", Level: "dim"}
		if n, ok := at(v, "events.total").(float64); ok && n > 0 {
			gone, _ := at(v, "cumulative_fraction").(float64)
			d.Gone, d.Text = min(max(gone, 0), 1)*100, percent(gone)+" gone"
			d.Level, d.Events = pick(gone >= 1, gone > 0.75), exact(n)+" events"
		}
		list = append(list, d)
	}
	return list
}

func (c *Console) ledger(r *http.Request) content {
	d := c.ask(r, "/api/v1/ledger", nil)
	chart := &Chart{ID: "refused", Title: "Rejected and shed a second, by reason", Unit: "count", Lines: []Line{
		{Label: "rejected", Expr: "sum by (reason) (rate(nexus_ingest_rejected_total[$window]))", Class: "s2", Split: true},
		{Label: "shed", Expr: "sum by (reason) (rate(nexus_ingest_shed_total[$window]))", Class: "s4", Split: true},
	}}
	chart.over(c.opts.Now().Unix(), spanOf("1h"))
	if d.Trouble == nil {
		c.api.fillSplit(r, chart)
	}
	return content{d.status(), "ledger", "Ledger", struct {
		Doc   document
		Chart *Chart
	}{d, chart}}
}

// maxLines is how many lines a chart has colours for.
const maxLines = 8

// fillSplit asks for a chart whose lines are split by their labels.
func (s source) fillSplit(r *http.Request, c *Chart) {
	var lines []Line
	for _, l := range c.Lines {
		m, err := s.rangeOf(r, c.expr(&l), c.Start, c.End, c.Step)
		if t, ok := err.(*trouble); ok {
			c.Trouble = t
		}
		for i := range m.Data.Result {
			if len(lines) < maxLines {
				series := &m.Data.Result[i]
				lines = append(lines, Line{Label: l.Label + " " + series.Metric["reason"], Class: lineClass(len(lines)), Points: series.points()})
			}
		}
	}
	c.Lines = append(lines, c.Lines...) // those without points carry the expressions
}

func lineClass(i int) string { return "s" + string('1'+rune(i%maxLines)) }

func (c *Console) cardinality(r *http.Request) content {
	d := c.ask(r, "/api/v1/cardinality", url.Values{"limit": {"50"}})
	return content{d.status(), "cardinality", "Cardinality", d}
}
