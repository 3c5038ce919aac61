package api

import (
	"net/http"

	"example.com/nexusctl/daemon/openapi"
	"example.com/nexusctl/protocol/api"
)

// ingestStatuses are those of what takes lines, objects and forms.
func ingestAnswers() []openapi.Answer {
	list := []openapi.Answer{
		{Status: http.StatusAccepted, Media: mediaJSON.typ, Of: api.IngestResult{}, About: "All units were taken, or there was none."},
		{Status: http.StatusOK, Media: mediaJSON.typ, Of: api.IngestResult{}, About: "Some were."},
		{Status: http.StatusUnprocessableEntity, Media: mediaJSON.typ, Of: api.IngestResult{}, About: "None was."},
		{Status: http.StatusUnprocessableEntity, Media: problemType, Of: api.Problem{}},
	}
	return append(list, problems(http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)...)
}

func describeDoors() map[string]openapi.Operation {
	key := inHeader(keyHeader, "1 to 255 bytes, the same when the request is tried again: it is taken once.", openapi.Short(maxKey), nil)
	send := openapi.Operation{
		ID: "sendMetrics", Tag: tagSend, Summary: "Takes metrics.", Params: []openapi.Param{key},
		Bodies: []openapi.Body{
			{Media: mediaJSON.typ, Of: openapi.Any(), Example: map[string]any{"name": "doc.sent", "value": 1, "type": "counter"}},
			{Media: mediaNDJSON.typ, Example: `{"name":"doc.sent","value":1}` + "\n"},
			{Media: "text/plain", Example: "doc.sent:1|c|#env:prod\n"},
		},
		Answers: ingestAnswers(),
	}
	alias := send
	alias.ID, alias.Summary = "sendMetricsShort", "The same as /api/v1/metrics."
	return map[string]openapi.Operation{
		"POST /api/v1/metrics": send,
		"POST /api/metrics":    alias,
		"POST /metrics": {ID: "sendForm", Tag: tagSend, Summary: "Takes one metric as a form.", Params: []openapi.Param{key},
			Bodies:  []openapi.Body{{Media: formType, Example: "name=doc.sent&value=1&type=counter"}},
			Answers: ingestAnswers()},
		"POST /prometheus/api/v1/write":  door("writeRemote", "Takes Prometheus remote write 1.0 and 2.0, compressed by snappy.", "application/x-protobuf", ""),
		"POST /v1/metrics":               otlpDoor(),
		"POST /write":                    influxDoor("writeInflux", "n", "u", "ms", "s", "m", "h"),
		"POST /api/v2/write":             influxDoor("writeInflux2", "ns", "us", "ms", "s"),
		"POST /api/v1/import/prometheus": door("importText", "Takes Prometheus's text format, or OpenMetrics.", "text/plain", "doc_import 1\n"),
	}
}

// door is a door of another ecosystem: what it answers is for programs of that
// ecosystem, and its errors are plain text.
func door(id, summary, mediaType, example string, params ...openapi.Param) openapi.Operation {
	o := openapi.Operation{ID: id, Tag: tagSend, Summary: summary, Params: params, Bodies: []openapi.Body{{Media: mediaType}}}
	if example != "" {
		o.Bodies[0].Example = example
	}
	o.Answers = []openapi.Answer{{Status: http.StatusNoContent, About: "All was taken."}}
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType} {
		o.Answers = append(o.Answers, openapi.Answer{Status: status, Media: "text/plain"})
	}
	return o
}

func otlpDoor() openapi.Operation {
	o := door("writeOTLP", "Takes OTLP metrics.", mediaJSON.typ, `{"resourceMetrics":[]}`)
	o.Bodies = append(o.Bodies, openapi.Body{Media: "application/x-protobuf"})
	o.Answers = []openapi.Answer{
		{Status: http.StatusOK, Media: mediaJSON.typ, Of: openapi.Object(), About: "Taken; partialSuccess says what was not."},
		{Status: http.StatusOK, Media: "application/x-protobuf"},
	}
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType} {
		o.Answers = append(o.Answers, openapi.Answer{Status: status, Media: mediaJSON.typ, Of: openapi.Object()}, openapi.Answer{Status: status, Media: "application/x-protobuf"}, openapi.Answer{Status: status, Media: "text/plain"})
	}
	return o
}

// influxDoor answers errors as Influx does, in JSON.
func influxDoor(id string, precisions ...string) openapi.Operation {
	o := door(id, "Takes Influx line protocol.", "text/plain", "doc,env=prod influx=1i\n",
		param("precision", "Of times; default nanoseconds.", openapi.Words(precisions...), "s"))
	for _, status := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType} {
		o.Answers = append(o.Answers, openapi.Answer{Status: status, Media: mediaJSON.typ, Of: openapi.Object()})
	}
	return o
}
