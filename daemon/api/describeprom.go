package api

import (
	"net/http"
	"strings"

	"example.com/nexusctl/daemon/openapi"
)

// formBody is a form of the parameters that a GET has in its address.
const formType = "application/x-www-form-urlencoded"

func describeProm() map[string]openapi.Operation {
	const at = "/prometheus/api/v1/"
	expr := param("query", "An expression of PromQL, of at most query.max_length bytes.", openapi.Text(), "doc_orders_total")
	expr.Required = true
	timeout := param("timeout", "A duration; never longer than query.timeout.", openapi.Text(), "5s")
	match := param("match[]", "A selector; several are put together.", openapi.List(openapi.Text(), 64), "doc_orders_total")
	required := match
	required.Required = true
	start := param("start", "Unix seconds or RFC 3339.", openapi.Text(), nil)
	end := param("end", "Unix seconds or RFC 3339; default now.", openapi.Text(), "2099-01-01T00:30:00Z")
	limit := param("limit", "At most so many; 0 for all.", openapi.Whole(0, 1<<31), 10)
	out := map[string]openapi.Operation{
		"GET " + at + "label/{name}/values": promOperation("labelValues", "The values of a label.", inPath("name", "A label's.", "env"), match, start, end, limit),
		"GET " + at + "metadata":            promOperation("metadata", "What metrics are.", param("metric", "", openapi.Text(), "doc_orders_total"), limit),
		"GET " + at + "status/buildinfo":    promOperation("buildInfo", "Which Prometheus the answers are those of."),
	}
	for pattern, o := range describePromServer(at, match, limit) {
		out[pattern] = o
	}
	for name, o := range map[string]openapi.Operation{
		"query":           promOperation("query", "Evaluates PromQL at one time.", expr, param("time", "Default now.", openapi.Text(), "2026-01-01T00:00:00Z"), timeout),
		"query_range":     promOperation("queryRange", "Evaluates PromQL at every step of a range.", expr, start, end, param("step", "A duration or seconds.", openapi.Text(), "30s"), timeout),
		"series":          promOperation("series", "Lists series.", required, start, end, limit),
		"labels":          promOperation("labels", "Lists label names.", match, start, end, limit),
		"format_query":    promOperation("formatQuery", "Lays an expression out.", expr),
		"query_exemplars": promOperation("exemplars", "Exemplars of an expression's series; none are kept.", expr, start, end),
	} {
		out["GET "+at+name] = o
		out["POST "+at+name] = asForm(o)
	}
	return out
}

// describePromServer is what tools of Prometheus ask about the server itself.
func describePromServer(at string, match, limit openapi.Param) map[string]openapi.Operation {
	out := map[string]openapi.Operation{
		"GET " + at + "rules":              promOperation("rules", "Rules: none are evaluated.", param("type", "Of rules.", openapi.Words("alert", "record"), "alert"), match),
		"GET " + at + "alerts":             promOperation("alerts", "Alerts of rules: there are none."),
		"GET " + at + "alertmanagers":      promOperation("alertmanagers", "Alertmanagers: none are told."),
		"GET " + at + "targets":            promOperation("targets", "Targets: none are scraped.", param("state", "", openapi.Words("active", "dropped", "any"), "active")),
		"GET " + at + "targets/metadata":   promOperation("targetMetadata", "What targets said of their metrics: none are scraped.", param("match_target", "A selector of targets.", openapi.Text(), `{job="doc"}`), param("metric", "", openapi.Text(), "doc_orders_total"), limit),
		"GET " + at + "scrape_pools":       promOperation("scrapePools", "Pools of targets: there are none."),
		"GET " + at + "status/config":      promOperation("config", "How far samples are apart, in the form of Prometheus's configuration."),
		"GET " + at + "status/flags":       promOperation("flags", "The settings in force; texts are hidden."),
		"GET " + at + "status/runtimeinfo": promOperation("runtimeInfo", "The process: since when it runs, how long points are kept."),
		"GET " + at + "status/tsdb":        promOperation("tsdb", "How many series there are, by name and by tag.", param("limit", "Entries of each list.", openapi.Or(openapi.Whole(1, maxStats), defaultStats), 5)),
		"GET " + at + "status/walreplay":   promOperation("walReplay", "How far the log is replayed: wholly, or there is no answer."),
	}
	for path, id := range map[string]string{"/-/": "", "/prometheus/-/": "Prefixed"} {
		plain := openapi.Answer{Status: http.StatusOK, Media: "text/plain"}
		away := plain
		away.Status = http.StatusServiceUnavailable
		out["GET "+path+"healthy"] = openapi.Operation{ID: "prometheusHealthy" + id, Tag: tagProm, Summary: "200 while the process answers.", Answers: []openapi.Answer{plain}}
		out["GET "+path+"ready"] = openapi.Operation{ID: "prometheusReady" + id, Tag: tagProm, Summary: "200 while the daemon can take data and keep it, else 503.", Answers: []openapi.Answer{plain, away}}
	}
	return out
}

func promOperation(id, summary string, params ...openapi.Param) openapi.Operation {
	o := openapi.Operation{ID: "prometheus" + strings.ToUpper(id[:1]) + id[1:], Tag: tagProm, Summary: summary, Params: params}
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusUnprocessableEntity} {
		o.Answers = append(o.Answers, openapi.Answer{Status: status, Media: mediaJSON.typ, Of: promAnswer{}})
	}
	return o
}

// asForm is the same with its parameters in a form.
func asForm(o openapi.Operation) openapi.Operation {
	properties, example := map[string]*openapi.Schema{}, map[string]any{}
	for _, p := range o.Params {
		properties[p.Name] = p.Schema
		if p.Required {
			example[p.Name] = p.Example
			if p.Schema.Type == "array" {
				example[p.Name] = []any{p.Example}
			}
		}
	}
	o.ID += "Form"
	o.Params = nil
	o.Bodies = []openapi.Body{{Media: formType, Of: &openapi.Schema{Type: "object", Properties: properties}, Example: example}}
	return o
}
