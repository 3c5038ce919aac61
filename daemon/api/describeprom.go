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
