package api

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"example.com/nexusctl/daemon/openapi"
	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/slo"
)

// Groups of operations.
const (
	tagRead   = "Metrics"
	tagSend   = "Sending"
	tagProm   = "Prometheus"
	tagDaemon = "Daemon"
)

func info(version string) openapi.Info {
	if version == "" {
		version = "dev"
	}
	return openapi.Info{
		Title: "nexusctl", Version: version,
		About: "Metrics in, and answers out. Bodies are JSON in UTF-8, times are Unix seconds, with fractions.\n\n" +
			"Errors are problems as RFC 9457 has them: the field, the rule that was broken, and what to do. The routes under /prometheus answer errors as Prometheus does.",
		Tags: []openapi.Tag{
			{Name: tagRead, About: "Series, their values over time, events."},
			{Name: tagSend, About: "Doors for metrics, the daemon's own and those of other ecosystems."},
			{Name: tagProm, About: "Prometheus's query API: PromQL, series, labels."},
			{Name: tagDaemon, About: "The daemon itself: how it is, what it has taken, what it promises."},
		},
		Shapes: map[reflect.Type]*openapi.Schema{
			reflect.TypeFor[slo.Amount](): openapi.Either("An exact number: one, or a string where a float does not hold it.", openapi.Number(), openapi.Text()),
		},
	}
}

// describe returns what the document says of every route. A route that is not
// described, or a description of no route, is a fault that a test finds.
func (s *Server) describe() (list []openapi.Operation, missing []string) {
	known := map[string]openapi.Operation{}
	for _, part := range []map[string]openapi.Operation{describeMetrics(), describeDoors(), describeProm(), describeDaemon()} {
		for pattern, o := range part {
			known[pattern] = o
		}
	}
	for _, r := range s.routes() {
		o, ok := known[r.pattern]
		if !ok {
			missing = append(missing, r.pattern)
			continue
		}
		delete(known, r.pattern)
		o.Method, o.Path, _ = strings.Cut(r.pattern, " ")
		o.Answers = slices.Concat(o.Answers, everywhere(o.Tag))
		if takesTurns(r.pattern) {
			o.Answers = append(o.Answers, openapi.Answer{Status: http.StatusTooManyRequests, Media: problemMedia(o.Tag), Of: problemBody(o.Tag), About: "This address has as many questions waiting as one may.", Headers: []openapi.Header{retryHeader}})
		}
		list = append(list, o)
	}
	for pattern := range known {
		missing = append(missing, pattern)
	}
	return list, missing
}

// everywhere is what every route can answer.
func everywhere(tag string) []openapi.Answer {
	return append(problems(http.StatusMisdirectedRequest, http.StatusInternalServerError),
		openapi.Answer{Status: http.StatusServiceUnavailable, Media: problemMedia(tag), Of: problemBody(tag), About: "The store does not answer, the daemon is stopping, or no answer was had in time.", Headers: []openapi.Header{retryHeader}})
}

var retryHeader = openapi.Header{Name: "Retry-After", About: "When to try again, in seconds."}

func problemMedia(tag string) string {
	if tag == tagProm {
		return mediaJSON.typ
	}
	return problemType
}

func problemBody(tag string) any {
	if tag == tagProm {
		return promAnswer{}
	}
	return api.Problem{}
}

const problemType = "application/problem+json"

func problems(statuses ...int) (list []openapi.Answer) {
	for _, status := range statuses {
		list = append(list, openapi.Answer{Status: status, Media: problemType, Of: api.Problem{}})
	}
	return list
}

// answers is JSON with 200, and problems.
func answers(of any, statuses ...int) []openapi.Answer {
	return append([]openapi.Answer{{Status: http.StatusOK, Media: mediaJSON.typ, Of: of}}, problems(statuses...)...)
}

var tagHeader = openapi.Header{Name: "ETag", About: "Of this answer; sent as If-None-Match it is not sent again."}

// steadyAnswers is JSON that a client can have already.
func steadyAnswers(of any, statuses ...int) []openapi.Answer {
	list := answers(of, statuses...)
	list[0].Headers = []openapi.Header{tagHeader}
	return append(list, openapi.Answer{Status: http.StatusNotModified, About: "The client has it."})
}

func param(name, about string, schema *openapi.Schema, example any) openapi.Param {
	return openapi.Param{In: "query", Name: name, About: about, Schema: schema, Example: example}
}

func inPath(name, about string, example any) openapi.Param {
	return openapi.Param{In: "path", Name: name, About: about, Schema: openapi.Short(maxName), Example: example, Required: true}
}

func inHeader(name, about string, schema *openapi.Schema, example any) openapi.Param {
	return openapi.Param{In: "header", Name: name, About: about, Schema: schema, Example: example}
}

var (
	formatParam = param("format", "The answer's form; Accept says the same.", openapi.Words("json", "csv", "ndjson"), "csv")
	noneMatch   = inHeader("If-None-Match", "ETags of what the client has.", openapi.Text(), `W/"0"`)
	cursorParam = param("cursor", "What the last page gave as next_cursor; good for a day, and for the same list.", openapi.Short(512), nil)
	limitParam  = param("limit", "How many a page has.", openapi.Or(openapi.Whole(1, maxLimit), defaultLimit), 10)
	tagParam    = param("tag", "key:value; all must match.", openapi.List(openapi.Text(), 64), "env:prod")
	fromParam   = param("from", "Unix seconds or RFC 3339; default the hour up to now.", openapi.Text(), nil)
	toParam     = param("to", "Unix seconds or RFC 3339; default now.", openapi.Text(), "2099-01-01T00:30:00Z")
	nextLink    = openapi.Header{Name: "Link", About: `The next page's address (rel="next").`}
)

// listOf is a list of data in its three forms.
func listOf(of, line any, headers []openapi.Header, statuses ...int) []openapi.Answer {
	list := []openapi.Answer{
		{Status: http.StatusOK, Media: mediaJSON.typ, Of: of, Headers: append(headers, tagHeader)},
		{Status: http.StatusOK, Media: mediaCSV.typ},
		{Status: http.StatusOK, Media: mediaNDJSON.typ, Of: line},
		{Status: http.StatusNotModified, About: "The client has it."},
	}
	return append(list, problems(append(statuses, http.StatusNotAcceptable)...)...)
}

// document serves the API's document; docs the same as a page.
func (s *Server) documentJSON(w http.ResponseWriter, r *http.Request) {
	s.tagged(w, r, mediaJSON.typ, s.document().JSON())
}

func (s *Server) documentYAML(w http.ResponseWriter, r *http.Request) {
	s.tagged(w, r, "application/yaml", s.document().YAML())
}

func (s *Server) docs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", openapi.PagePolicy())
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.tagged(w, r, "text/html; charset=utf-8", s.document().Page())
}
