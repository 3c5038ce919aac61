package api

import (
	"net/http"

	"example.com/nexusctl/daemon/openapi"
	"example.com/nexusctl/daemon/stream"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
)

func describeDaemon() map[string]openapi.Operation {
	health := func(id string) openapi.Operation {
		return openapi.Operation{ID: id, Tag: tagDaemon, Summary: "200 while the process answers.", Answers: answers(api.Status{})}
	}
	ready := func(id string) openapi.Operation {
		return openapi.Operation{ID: id, Tag: tagDaemon, Summary: "200 while the daemon can take data and keep it, else 503 with the reasons.",
			Answers: append(answers(api.Status{}), openapi.Answer{Status: http.StatusServiceUnavailable, Media: mediaJSON.typ, Of: api.Status{}})}
	}
	name := inPath("name", "An objective's.", "nexus-latency")
	return map[string]openapi.Operation{
		"GET /health": health("health"), "GET /api/v1/health": health("healthV1"),
		"GET /ready": ready("ready"), "GET /api/v1/ready": ready("readyV1"),
		"GET /metrics":         {ID: "exposition", Tag: tagDaemon, Summary: "The daemon's own figures, for Prometheus.", Answers: []openapi.Answer{{Status: http.StatusOK, Media: "text/plain"}}},
		"GET /api/v1/ledger":   {ID: "getLedger", Tag: tagDaemon, Summary: "Accounts for everything received.", Answers: answers(api.Ledger{})},
		"GET /api/v1/overview": {ID: "getOverview", Tag: tagDaemon, Summary: "Shows the daemon at one glance.", Answers: answers(api.Overview{})},
		"GET /api/v1/stream":   describeStream(),
		"GET /api/v1/cardinality": {ID: "getCardinality", Tag: tagDaemon, Summary: "Shows how many series there are, and whose.",
			Params:  []openapi.Param{param("limit", "Entries of each list.", openapi.Or(openapi.Whole(1, maxNamed), defaultNamed), 5)},
			Answers: answers(api.Cardinality{}, http.StatusBadRequest)},
		"GET /api/v1/slos":        {ID: "listObjectives", Tag: tagDaemon, Summary: "Every objective as it stood at the last evaluation.", Answers: answers(api.SLOList{})},
		"GET /api/v1/slos/{name}": {ID: "getObjective", Tag: tagDaemon, Summary: "Evaluates one objective now.", Params: []openapi.Param{name}, Answers: answers(slo.Summary{}, http.StatusNotFound)},
		"GET /api/v1/slos/{name}/report": {ID: "getReport", Tag: tagDaemon, Summary: "The report of a month.",
			Params:  []openapi.Param{name, param("month", "Such as 2026-10; default the current one.", openapi.Text(), "2026-10")},
			Answers: answers(slo.Report{}, http.StatusBadRequest, http.StatusNotFound)},
		"GET /api/v1/openapi.json": {ID: "getDocument", Tag: tagDaemon, Summary: "This document.", Params: []openapi.Param{noneMatch}, Answers: steadyAnswers(openapi.Object())},
		"GET /api/v1/openapi.yaml": {ID: "getDocumentYAML", Tag: tagDaemon, Summary: "This document, as YAML.", Params: []openapi.Param{noneMatch},
			Answers: []openapi.Answer{{Status: http.StatusOK, Media: "application/yaml", Headers: []openapi.Header{tagHeader}}, {Status: http.StatusNotModified, About: "The client has it."}}},
		"GET /docs": {ID: "getDocs", Tag: tagDaemon, Summary: "This document, as a page.", Params: []openapi.Param{noneMatch},
			Answers: []openapi.Answer{{Status: http.StatusOK, Media: "text/html", Headers: []openapi.Header{tagHeader}}, {Status: http.StatusNotModified, About: "The client has it."}}},
	}
}

func describeStream() openapi.Operation {
	list := []openapi.Answer{{Status: http.StatusOK, Media: "text/event-stream", About: "Events until the client goes: sample, ledger, health, gap, end."}}
	return openapi.Operation{
		ID: "stream", Tag: tagDaemon, Summary: "Tells what changes, once a second, as server-sent events.",
		About: "Values of the series that name, type, tag and match say, the ledger, and whether the daemon is ready. Each event's id is a second; whoever comes back with it as Last-Event-ID gets the seconds since, or an event gap.",
		Params: []openapi.Param{
			param("events", "Of sample, ledger, health, with commas between; default sample where series are named, else the others.", openapi.Text(), "ledger,health"),
			param("name", "The name as sent; * stands for any characters, ? for one.", openapi.Short(maxName), "doc.*"),
			param("type", "", openapi.Words("counter", "gauge", "histogram", "timer", "distribution", "set"), "counter"),
			tagParam,
			param("match", "A selector as in PromQL, of names as sent; a series is watched that matches one.", openapi.List(openapi.Text(), stream.MaxSelectors), `doc.orders{env="prod"}`),
			inHeader("Last-Event-ID", "The id of the last event that the client had.", openapi.Short(64), "1764000000"),
		},
		Answers: append(list, problems(http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity)...),
	}
}
