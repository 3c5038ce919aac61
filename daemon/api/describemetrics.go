package api

import (
	"net/http"

	"example.com/nexusctl/daemon/openapi"
	"example.com/nexusctl/protocol/api"
)

func describeMetrics() map[string]openapi.Operation {
	list := openapi.Operation{
		ID: "listMetrics", Tag: tagRead, Summary: "Lists series, with their last values.",
		About: "Every series comes once, whatever comes and goes during the walk. A page can be short, and empty, and have a next one.",
		Params: []openapi.Param{
			param("name", "The name as sent; * stands for any characters, ? for one.", openapi.Short(maxName), "doc.*"),
			param("type", "", openapi.Words("counter", "gauge", "histogram", "timer", "distribution", "set"), "counter"),
			tagParam, param("updated_since", "Leaves out what has no value since; Unix seconds or RFC 3339, at most 48 hours back.", openapi.Text(), nil),
			limitParam, cursorParam, formatParam, noneMatch,
		},
		Answers: listOf(api.MetricPage{}, api.Metric{}, []openapi.Header{nextLink}, http.StatusBadRequest),
	}
	alias := list
	alias.ID, alias.Summary = "listMetricsShort", "The same as /api/v1/metrics."
	return map[string]openapi.Operation{
		"GET /api/v1/metrics": list,
		"GET /api/metrics":    alias,
		"GET /api/v1/metrics/{name}": {
			ID: "getMetric", Tag: tagRead, Summary: "Shows the series of one name.",
			Params:  []openapi.Param{inPath("name", "The name as sent; a / in it is written %2F.", "doc.orders"), noneMatch},
			Answers: steadyAnswers(api.MetricDetail{}, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity),
		},
		"PUT /api/v1/metrics/{name}": {
			ID: "describeMetric", Tag: tagRead, Summary: "Sets what a metric is and in which unit.",
			Params:  []openapi.Param{inPath("name", "The name as sent.", "doc.stock")},
			Bodies:  []openapi.Body{{Media: mediaJSON.typ, Of: openapi.Any(), Example: map[string]any{"description": "Articles in stock.", "unit": "1"}}},
			Answers: answers(api.Description{}, http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType),
		},
		"DELETE /api/v1/metrics/{name}": {
			ID: "deleteMetric", Tag: tagRead, Summary: "Deletes the series of a name, or those of them that match.",
			About: "Their points go from every resolution; the ledger stays as it is. What is sent afterwards is a new series.",
			Params: []openapi.Param{
				inPath("name", "The name as sent; not one of the daemon's own.", "doc.gone"),
				param("tag", "key:value, several times: only series that have them all.", openapi.Text(), "env:prod"),
				param("match", "A selector as in PromQL: only series that match it.", openapi.Text(), `{env="prod"}`),
				param("dry_run", "Only say how many series match.", openapi.Words("true", "false"), "true"),
			},
			Answers: answers(api.Deletion{}, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusServiceUnavailable),
		},
		"GET /api/v1/metrics/{name}/history": {
			ID: "getHistory", Tag: tagRead, Summary: "Reads values over time.",
			About: "One value a step, of each series, or of those that agree in the tags by. Percentiles and counts of sets are estimates; relative_error bounds how far they are off.",
			Params: []openapi.Param{
				inPath("name", "The name as sent.", "doc.latency"), fromParam, toParam,
				param("step", "A duration from 1ms to a year, or seconds; default aggregate.resolution.", openapi.Text(), "1m"),
				param("agg", "sum, count, min, max, mean, last, rate, or a percentile such as p99.9; default what is usual for the type.", openapi.Text(), "p95"),
				param("by", "Tags by which series are put together; an empty one puts all together.", openapi.List(openapi.Text(), maxBy), "env"),
				formatParam, noneMatch,
			},
			Answers: listOf(api.History{}, historyLine{}, nil, http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity),
		},
		"GET /api/v1/events": {
			ID: "listEvents", Tag: tagRead, Summary: "Lists events and service checks, the newest first.",
			Params: []openapi.Param{
				param("from", "Unix seconds or RFC 3339; default a day back.", openapi.Text(), "2026-01-01T00:00:00Z"),
				param("to", "Unix seconds or RFC 3339; default now, and what lies ahead.", openapi.Text(), "2099-01-01T00:00:00Z"), param("kind", "", openapi.Words("event", "check"), "event"),
				param("status", "", openapi.Words("info", "success", "warning", "error", "ok", "critical", "unknown"), "warning"),
				param("title", "Of an event, or the name of a check; * and ? as in names.", openapi.Short(maxName), "doc*"),
				param("host", "As sent.", openapi.Text(), "web-1"), param("key", "As sent.", openapi.Text(), "k"), param("source", "As sent.", openapi.Text(), "s"),
				tagParam, limitParam, cursorParam,
			},
			Answers: withHeader(answers(api.EventPage{}, http.StatusBadRequest), nextLink),
		},
	}
}

func withHeader(list []openapi.Answer, h openapi.Header) []openapi.Answer {
	list[0].Headers = append(list[0].Headers, h)
	return list
}
