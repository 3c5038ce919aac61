package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/protocol/client"
)

func queryCommand() *cli.Command {
	return &cli.Command{
		Name:      "query",
		Usage:     "evaluate PromQL, or show a metric by its name",
		ArgsUsage: "EXPR",
		Description: `A metric answers to its name as sent and to its PromQL name, in which characters
outside [a-zA-Z0-9_:] are _ and counters end in _total. With --from or --to the
expression is evaluated at every --step of the range. On a terminal a range is a
row a series, with its course as a sparkline; in a pipe, a row a value.

Examples:
   nexusctl query metric.name
   nexusctl query 'sum by (env) (rate(http_requests_total[1m]))'
   nexusctl query 'histogram_quantile(0.95, request_time)' -o json
   nexusctl query queue.depth --from -1h --step 1m
   nexusctl query 'rate(http_requests_total[1m])' --from -10m --watch
   nexusctl query queue.depth --from -24h --sql | psql nexus`,
		Flags: append(slices.Concat(sqlFlags(), sparkFlags(), watchFlags()),
			serverFlag(), outputFlag(),
			&cli.StringFlag{Name: "from", Usage: "start of a range: `TIME` as RFC 3339, Unix seconds, or back from now, such as -1h"},
			&cli.StringFlag{Name: "to", Usage: "end of a range, `TIME`; default now"},
			&cli.DurationFlag{Name: "step", Usage: "step of a range", Value: 10 * time.Second},
		),
		Action: queryOrSQL,
	}
}

func promQuery(ctx context.Context, c *cli.Context, h *client.HTTP) (answer, error) {
	if c.NArg() != 1 {
		return answer{}, usage("query takes one expression; quote it where it holds spaces")
	}
	drawn, err := sparks(c)
	if err != nil {
		return answer{}, err
	}
	data, in, err := evaluate(ctx, c, h)
	if err != nil {
		return answer{}, err
	}
	for _, note := range data.Notes { // beside the answer, so that its formats stay as they are
		_, _ = fmt.Fprintln(c.App.ErrWriter, "note:", printable(note))
	}
	if drawn && in != nil && data.ResultType == "matrix" && c.String("output") == "table" {
		t, err := sparkTable(data, *in)
		return answer{data: data, table: t}, err
	}
	t, err := resultTable(data)
	return answer{data: data, table: t}, err
}

// evaluate asks for one moment, or for a range, which it returns.
func evaluate(ctx context.Context, c *cli.Context, h *client.HTTP) (d client.QueryData, in *span, err error) {
	expr := c.Args().First()
	if !c.IsSet("from") && !c.IsSet("to") {
		d, err = h.Query(ctx, expr, time.Time{})
		return d, nil, err
	}
	now := time.Now()
	to, err := parseTime(c.String("to"), now, now)
	if err != nil {
		return d, nil, usage("--to: %v", err)
	}
	from, err := parseTime(c.String("from"), now, to.Add(-time.Hour))
	if err != nil {
		return d, nil, usage("--from: %v", err)
	}
	step := c.Duration("step")
	d, err = h.QueryRange(ctx, expr, from, to, step)
	return d, &span{float64(from.UnixMilli()) / 1000, float64(to.UnixMilli()) / 1000, step.Seconds()}, err
}

// parseTime reads RFC 3339, Unix seconds, or a duration back from now.
func parseTime(s string, now, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	if back, ok := strings.CutPrefix(s, "-"); ok {
		d, err := time.ParseDuration(back)
		if err != nil {
			return now, fmt.Errorf("%q is no time back from now, such as -1h", s)
		}
		return now.Add(-d), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return time.UnixMilli(int64(f * 1000)), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return now, fmt.Errorf("%q is no time: write RFC 3339, Unix seconds, or -1h", s)
	}
	return t, nil
}

// promSeries is one element of a vector or matrix.
type promSeries struct {
	Metric     map[string]string `json:"metric"`
	Value      *promPoint        `json:"value"`
	Values     []promPoint       `json:"values"`
	Histogram  *promPoint        `json:"histogram"`
	Histograms []promPoint       `json:"histograms"`
}

// promPoint is [Unix seconds, value].
type promPoint [2]json.RawMessage

func resultTable(d client.QueryData) (*table, error) {
	t := &table{head: []string{"SERIES", "TIME", "VALUE"}}
	if d.ResultType == "scalar" || d.ResultType == "string" {
		var p promPoint
		if err := json.Unmarshal(d.Result, &p); err != nil {
			return nil, fmt.Errorf("read the result: %w", err)
		}
		t.add("", p.time(), p.value())
		return t, nil
	}
	var list []promSeries
	if err := json.Unmarshal(d.Result, &list); err != nil {
		return nil, fmt.Errorf("read the result: %w", err)
	}
	for _, s := range list {
		points := append(s.Values, s.Histograms...)
		for _, p := range []*promPoint{s.Value, s.Histogram} {
			if p != nil {
				points = append(points, *p)
			}
		}
		for _, p := range points {
			t.add(seriesName(s.Metric), p.time(), p.value())
		}
	}
	return t, nil
}

func (p promPoint) time() string {
	f, err := strconv.ParseFloat(string(p[0]), 64)
	if err != nil {
		return string(p[0])
	}
	return time.UnixMilli(int64(f * 1000)).UTC().Format(time.RFC3339)
}

func (p promPoint) value() string {
	var s string
	if json.Unmarshal(p[1], &s) == nil {
		return s
	}
	var h struct{ Count, Sum string }
	if json.Unmarshal(p[1], &h) == nil {
		return "count " + h.Count + ", sum " + h.Sum
	}
	return string(p[1])
}

func seriesName(m map[string]string) string {
	var b strings.Builder
	b.WriteString(m["__name__"])
	mark := "{"
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k == "__name__" {
			continue
		}
		fmt.Fprintf(&b, "%s%s=%q", mark, k, m[k])
		mark = ","
	}
	if mark == "," {
		b.WriteByte('}')
	}
	return b.String()
}
