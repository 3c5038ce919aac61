package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// document is an OpenAPI document as a client reads it.
type document struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   schema
		Example  any
	}
	RequestBody struct {
		Content map[string]content
	}
	Responses map[string]struct {
		Content map[string]content
	}
}

type content struct {
	Schema  schema
	Example any
}

type schema map[string]any

// faults lists where v is not what the schema says. Objects that name their
// fields have no others: an answer with a field that no document has is a fault.
func (d *document) faults(at string, s schema, v any) []string {
	if ref, ok := s["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		if d.Components.Schemas[name] == nil {
			return []string{at + ": no schema " + ref}
		}
		return d.faults(at, d.Components.Schemas[name], v)
	}
	if list, ok := s["anyOf"].([]any); ok {
		var all []string
		for _, one := range list {
			f := d.faults(at, one.(map[string]any), v)
			if len(f) == 0 {
				return nil
			}
			all = append(all, f...)
		}
		return all
	}
	if !isType(s["type"], v) {
		return []string{fmt.Sprintf("%s: %v is no %v", at, v, s["type"])}
	}
	switch v := v.(type) {
	case map[string]any:
		return d.objectFaults(at, s, v)
	case []any:
		return d.listFaults(at, s, v)
	}
	if enum, ok := s["enum"].([]any); ok && !slices.Contains(enum, v) {
		return []string{fmt.Sprintf("%s: %v is none of %v", at, v, enum)}
	}
	return nil
}

func isType(typ, v any) bool {
	if list, ok := typ.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return isType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return typ == nil || typ == "null"
	case string:
		return typ == nil || typ == "string"
	case bool:
		return typ == nil || typ == "boolean"
	case float64:
		return typ == nil || typ == "number" || typ == "integer" && v == float64(int64(v))
	case []any:
		return typ == nil || typ == "array"
	}
	return typ == nil || typ == "object"
}

func (d *document) objectFaults(at string, s schema, v map[string]any) (list []string) {
	properties, _ := s["properties"].(map[string]any)
	more, _ := s["additionalProperties"].(map[string]any)
	for k, one := range v {
		switch {
		case properties[k] != nil:
			list = append(list, d.faults(at+"."+k, properties[k].(map[string]any), one)...)
		case more != nil:
			list = append(list, d.faults(at+"."+k, more, one)...)
		case len(properties) > 0:
			list = append(list, at+"."+k+" is not in the document")
		}
	}
	required, _ := s["required"].([]any)
	for _, k := range required {
		if _, ok := v[k.(string)]; !ok {
			list = append(list, at+" has no "+k.(string))
		}
	}
	return list
}

func (d *document) listFaults(at string, s schema, v []any) (list []string) {
	if n, ok := s["minItems"].(float64); ok && len(v) < int(n) {
		list = append(list, at+" is short")
	}
	if n, ok := s["maxItems"].(float64); ok && len(v) > int(n) {
		list = append(list, at+" is long")
	}
	items, _ := s["items"].(map[string]any)
	for i, one := range v {
		list = append(list, d.faults(at+"["+strconv.Itoa(i)+"]", items, one)...)
	}
	return list
}

// check holds an answer to what the document says of the operation.
func (d *document) check(t *testing.T, what string, o *operation, r reply) {
	t.Helper()
	answer, ok := o.Responses[strconv.Itoa(r.status)]
	if !ok {
		t.Errorf("%s: %d is not in the document: %s", what, r.status, r.body)
		return
	}
	if len(answer.Content) == 0 {
		if r.body != "" {
			t.Errorf("%s: %d has a body, the document has none: %s", what, r.status, r.body)
		}
		return
	}
	typ, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	body, ok := answer.Content[typ]
	if !ok {
		t.Errorf("%s: %d is %q, the document has %v", what, r.status, typ, slices.Sorted(maps.Keys(answer.Content)))
		return
	}
	if !strings.HasSuffix(typ, "json") {
		return
	}
	dec := json.NewDecoder(strings.NewReader(r.body))
	for dec.More() {
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Errorf("%s: %v: %s", what, err, r.body)
			return
		}
		for _, f := range d.faults("body", body.Schema, v) {
			t.Errorf("%s: %d: %s", what, r.status, f)
		}
	}
}

// request makes a request of an operation from the examples: those of required
// parameters, and of one more where one is named; spoiled replaces its value.
func (o *operation) request(t *testing.T, method, base, path, also string, spoiled *string, media string) *http.Request {
	t.Helper()
	q, h := url.Values{}, http.Header{}
	for _, p := range o.Parameters {
		if !p.Required && p.Name != also {
			continue
		}
		v := fmt.Sprint(p.Example)
		if list, ok := p.Example.([]any); ok {
			v = fmt.Sprint(list[0])
		}
		if p.Example == nil {
			v = "x"
		}
		if spoiled != nil && p.Name == also {
			v = *spoiled
		}
		switch p.In {
		case "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(v))
		case "query":
			q.Add(p.Name, v)
		case "header":
			h.Set(p.Name, v)
		}
	}
	body, _ := o.RequestBody.Content[media].Example.(string)
	example := o.RequestBody.Content[media].Example
	if fields, ok := example.(map[string]any); ok && media == formType {
		body = formOf(fields)
	} else if body == "" && example != nil {
		b, err := json.Marshal(example)
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	req, err := http.NewRequest(method, base+path+"?"+q.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = h
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	return req
}

func formOf(fields map[string]any) string {
	v := url.Values{}
	for name, one := range fields {
		if list, ok := one.([]any); ok {
			one = list[0]
		}
		v.Set(name, fmt.Sprint(one))
	}
	return v.Encode()
}

func fetchDocument(t *testing.T, s *stack) *document {
	t.Helper()
	r := s.get("/api/v1/openapi.json")
	r.expect(t, "the document", 200, plainJSON)
	d := decode[document](t, r)
	if d.OpenAPI != "3.1.0" || len(d.Paths) == 0 {
		t.Fatalf("it is no document: %.200s", r.body)
	}
	return &d
}

// TestAnswersAsDocumented asks every operation of the document: well, with each
// parameter in turn as in its example, and with each parameter and body spoiled.
// Status, type and body are what the document says.
func TestAnswersAsDocumented(t *testing.T) {
	s := start(t)
	d := fetchDocument(t, s)
	s.post("doc.orders:3|c|#env:prod\ndoc.latency:1:2:3|ms|#env:prod\ndoc.stock:7|g\n_e{3,1}:doc|x|t:warning\n_sc|doc|1\n")
	asked := 0
	for path, methods := range d.Paths {
		for method, o := range methods {
			method = strings.ToUpper(method)
			ask := func(what, also string, spoiled *string, media string, well bool) {
				t.Helper()
				asked++
				if method == http.MethodDelete { // there is something to delete each time
					s.post("doc.gone:1|c|#env:prod\n")
				}
				r := send(t, o.request(t, method, s.url, path, also, spoiled, media))
				what = method + " " + path + ", " + what
				d.check(t, what, &o, r)
				if well && r.status >= 400 || r.status >= 500 {
					t.Errorf("%s: %d %s", what, r.status, r.body)
				}
				if r.status >= 400 { // an error gives nothing away
					r.secrets(t, what, s.dir)
				}
			}
			medias := slices.Sorted(maps.Keys(o.RequestBody.Content))
			if len(medias) == 0 {
				medias = []string{""}
			}
			for _, media := range medias {
				ask(media, "", nil, media, media == "" || o.RequestBody.Content[media].Example != nil)
			}
			if len(o.RequestBody.Content) > 0 {
				ask("of a type that is not read", "", nil, "image/png", false)
			}
			for _, p := range o.Parameters {
				if p.Example != nil {
					ask("with "+p.Name, p.Name, nil, medias[0], true)
				}
				for _, bad := range []string{"\x01\xff", "-1", strings.Repeat("9", 400), "' OR 1=1 --", "", "{{7*7}}", "../../etc/passwd"} {
					if p.In == "header" && bad == "\x01\xff" || p.In == "path" && bad == "" {
						continue // no client sends it; another route
					}
					ask(fmt.Sprintf("with %s as %.20q", p.Name, bad), p.Name, &bad, medias[0], false)
				}
			}
		}
	}
	if asked < 300 {
		t.Errorf("%d questions were asked", asked)
	}
	if log := s.log.String(); strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("what clients send is a fault of the daemon: %s", log)
	}
}

// TestDocs looks at the page: it names every operation, and loads nothing.
func TestDocs(t *testing.T) {
	s := start(t)
	d := fetchDocument(t, s)
	r := s.get("/docs")
	if r.status != 200 || r.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %s", r.status, r.header)
	}
	policy := r.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'sha256-", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s: %s", want, policy)
		}
	}
	if regexp.MustCompile(`(?i)<script|<link|<img|<iframe|\son\w+=|\bhttps?://|url\(|@import|\sstyle=`).MatchString(r.body) {
		t.Errorf("the page loads or runs something: %s", regexp.MustCompile(`(?i).{0,40}(<script|<link|<img|\son\w+=|https?://|url\(|@import|\sstyle=).{0,40}`).FindString(r.body))
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(r.body, -1) {
		if !strings.Contains(r.body, `id="`+m[1]+`"`) {
			t.Errorf("a link to #%s leads nowhere", m[1])
		}
	}
	ids := map[string]bool{}
	for path, methods := range d.Paths {
		for _, o := range methods {
			if o.OperationID == "" || ids[o.OperationID] || !strings.Contains(r.body, `id="`+o.OperationID+`"`) {
				t.Errorf("%s: the operation %q has no name of its own, or is not on the page", path, o.OperationID)
			}
			ids[o.OperationID] = true
		}
	}
	if again := send(t, ifNoneMatch(t, s.url+"/docs", r.header.Get("ETag"))); again.status != http.StatusNotModified {
		t.Errorf("asked again: %d", again.status)
	}
}

func ifNoneMatch(t *testing.T, target, tag string) *http.Request {
	t.Helper()
	req, err := http.NewRequest("GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If-None-Match", tag)
	return req
}

// TestYAML: the document is the same in both forms.
func TestYAML(t *testing.T) {
	s := start(t)
	var fromYAML any
	if err := yaml.Unmarshal([]byte(s.get("/api/v1/openapi.yaml").body), &fromYAML); err != nil {
		t.Fatal(err)
	}
	a, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal([]byte(s.get("/api/v1/openapi.json").body), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("the YAML differs: %v\n%.300s\n%.300s", err, a, b)
	}
}
