// Package openapi makes an OpenAPI 3.1 document, and a page for people, from a
// list of operations and the Go types of their bodies. It is pure: who serves
// what it makes, and whether that is true, is the caller's to hold.
//
// Schemas come from the types by reflection, so they cannot drift from what is
// encoded. Objects are open: a client must expect further fields in an answer.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Schema is a JSON schema.
type Schema = huma.Schema

// Operation is one method of one path.
type Operation struct {
	Method string
	Path   string // with {name} where a parameter stands
	// ID names the operation in clients that are generated.
	ID, Tag, Summary, About string

	Params  []Param
	Bodies  []Body // one of them is sent; none where nothing is
	Answers []Answer
}

// Param is a parameter: In is "query", "path" or "header". The example is one
// that the server takes.
type Param struct {
	In, Name, About string
	Schema          *Schema
	Required        bool
	Example         any
}

// Body is one form that a request's body may have. Of is a value of the type
// that it encodes, nil for bytes that no schema describes.
type Body struct {
	Media   string
	Of      any
	Example any
}

// Answer is one status, with one form of body; several of one status are the
// forms among which a client chooses. No Media is no body.
type Answer struct {
	Status  int
	Media   string
	Of      any
	About   string // default: the status in words
	Headers []Header
}

// Header is one of an answer's.
type Header struct{ Name, About string }

// Tag is a group of operations.
type Tag struct{ Name, About string }

// Info is what stands over the document.
type Info struct {
	Title, About, Version string
	Tags                  []Tag // in the order in which they are shown
	// Shapes are types whose JSON is not what their fields say, and schemas for it.
	Shapes map[reflect.Type]*Schema
}

// Document is a finished document.
type Document struct {
	api        *huma.OpenAPI
	json, yaml []byte
	page       []byte
}

const schemaPrefix = "#/components/schemas/"

// New makes a document. It panics where two operations have one method and
// path, or a type has no schema: both are faults of the program.
func New(info Info, list []Operation) *Document {
	b := builder{
		shapes:  info.Shapes,
		schemas: huma.NewMapRegistry(schemaPrefix, schemaName),
	}
	api := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: info.Title, Description: info.About, Version: info.Version},
		Servers: []*huma.Server{{URL: "/", Description: "The daemon that serves this document."}},
		Paths:   map[string]*huma.PathItem{},
		// Nothing is asked for. It has to be said: silence is taken for an oversight.
		Security: []map[string][]string{{}},
	}
	for _, t := range info.Tags {
		api.Tags = append(api.Tags, &huma.Tag{Name: t.Name, Description: t.About})
	}
	for i := range list {
		b.add(api, &list[i])
	}
	b.settle()
	api.Components = &huma.Components{Schemas: b.schemas}
	return finish(api)
}

func finish(api *huma.OpenAPI) *Document {
	d := &Document{api: api}
	text, err := api.MarshalJSON()
	if err == nil {
		d.json, err = indent(text)
	}
	if err == nil {
		d.yaml, err = api.YAML()
	}
	if err == nil {
		d.page, err = render(api)
	}
	if err != nil {
		panic("openapi: " + err.Error())
	}
	return d
}

func indent(text []byte) ([]byte, error) {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(v, "", " ")
	return append(out, '\n'), err
}

// JSON returns the document as JSON.
func (d *Document) JSON() []byte { return d.json }

// YAML returns the document as YAML.
func (d *Document) YAML() []byte { return d.yaml }

// Page returns the document as a page for people, without scripts.
func (d *Document) Page() []byte { return d.page }

type builder struct {
	shapes  map[reflect.Type]*Schema
	schemas huma.Registry
}

func (b *builder) add(api *huma.OpenAPI, o *Operation) {
	op := &huma.Operation{
		OperationID: o.ID, Summary: o.Summary, Description: o.About, Responses: map[string]*huma.Response{},
	}
	if o.Tag != "" {
		op.Tags = []string{o.Tag}
	}
	for _, p := range o.Params {
		op.Parameters = append(op.Parameters, param(p))
	}
	if len(o.Bodies) > 0 {
		op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}}
	}
	for _, body := range o.Bodies {
		op.RequestBody.Content[body.Media] = &huma.MediaType{Schema: b.schema(body.Of), Example: body.Example}
	}
	for _, a := range o.Answers {
		b.answer(op, a)
	}
	item := api.Paths[o.Path]
	if item == nil {
		item = &huma.PathItem{}
		api.Paths[o.Path] = item
	}
	place(item, o, op)
}

func place(item *huma.PathItem, o *Operation, op *huma.Operation) {
	at := map[string]**huma.Operation{
		http.MethodGet: &item.Get, http.MethodPost: &item.Post, http.MethodPut: &item.Put, http.MethodDelete: &item.Delete, http.MethodPatch: &item.Patch,
	}[o.Method]
	if at == nil || *at != nil {
		panic(fmt.Sprintf("openapi: %s %s is described twice, or under a method that is not known", o.Method, o.Path))
	}
	*at = op
}

func param(p Param) *huma.Param {
	h := &huma.Param{Name: p.Name, In: p.In, Description: p.About, Required: p.Required || p.In == "path", Schema: p.Schema, Example: p.Example}
	if p.Schema.Type == huma.TypeArray {
		explode := true // tag=a:b&tag=c:d
		h.Explode, h.Style = &explode, "form"
		if p.Example != nil {
			h.Example = []any{p.Example}
		}
	}
	return h
}

func (b *builder) answer(op *huma.Operation, a Answer) {
	key := strconv.Itoa(a.Status)
	r := op.Responses[key]
	if r == nil {
		r = &huma.Response{Description: a.About}
		if a.About == "" {
			r.Description = http.StatusText(a.Status)
		}
		op.Responses[key] = r
	}
	for _, h := range a.Headers {
		if r.Headers == nil {
			r.Headers = map[string]*huma.Param{}
		}
		r.Headers[h.Name] = &huma.Header{Description: h.About, Schema: Text()}
	}
	if a.Media == "" {
		return
	}
	if r.Content == nil {
		r.Content = map[string]*huma.MediaType{}
	}
	r.Content[a.Media] = &huma.MediaType{Schema: b.schema(a.Of)}
}

// schema returns the schema of a value's type; nil is text.
func (b *builder) schema(of any) *Schema {
	switch of := of.(type) {
	case nil:
		return Text()
	case *Schema:
		return of
	}
	t := reflect.TypeOf(of)
	b.alias(t, map[reflect.Type]bool{})
	return b.schemas.Schema(t, true, "Body")
}

// alias has the registry leave alone the shapes that t leads to: it would look at
// fields that nobody encodes. settle puts them in.
func (b *builder) alias(t reflect.Type, seen map[reflect.Type]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		b.alias(t.Elem(), seen)
	case reflect.Struct:
		if b.shapes[t] != nil {
			b.schemas.RegisterTypeAlias(t, reflect.TypeFor[json.RawMessage]())
			return
		}
		for i := range t.NumField() {
			b.alias(t.Field(i).Type, seen)
		}
	}
}

// schemaName is the type's name, behind its package's where that is not the
// API's own: names must be unique over all packages.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := huma.DefaultSchemaNamer(t, hint)
	pkg := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
	if pkg == "" || pkg == "api" || t.Name() == "" {
		return name
	}
	return strings.ToUpper(pkg) + name
}

// settle puts right what reflection does not see: objects are open, lists are
// never null, and a pointer to an object that is always there may be.
func (b *builder) settle() {
	for name, s := range b.schemas.Map() {
		if s.Type == huma.TypeObject && s.AdditionalProperties == false {
			s.AdditionalProperties = nil
		}
		t := b.schemas.TypeFromRef(schemaPrefix + name)
		if t == nil || t.Kind() != reflect.Struct {
			continue
		}
		for i := range t.NumField() {
			b.field(s, t.Field(i))
		}
	}
}

func (b *builder) field(s *Schema, f reflect.StructField) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	p := s.Properties[name]
	if p == nil {
		return
	}
	t, pointer := f.Type, false
	if t.Kind() == reflect.Pointer {
		t, pointer = t.Elem(), true
	}
	if shape := b.shapes[t]; shape != nil {
		s.Properties[name] = shape
	}
	if pointer && t.Kind() == reflect.Struct && p.Ref != "" && !strings.Contains(options, "omit") {
		s.Properties[name] = &Schema{AnyOf: []*Schema{p, {Type: "null"}}}
	}
	lists(p)
}

func lists(s *Schema) {
	if s.Type == huma.TypeArray {
		s.Nullable = false
	}
	if s.Items != nil {
		lists(s.Items)
	}
	if more, ok := s.AdditionalProperties.(*Schema); ok {
		lists(more)
	}
}
