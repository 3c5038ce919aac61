package openapi

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// PagePolicy is the page's Content-Security-Policy: nothing is loaded, nothing
// runs, and the one style sheet is the one that stands in it.
func PagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// sheet is what the template shows.
type sheet struct {
	Info    *huma.Info
	Style   template.CSS
	Groups  []group
	Schemas []namedSchema
}

type group struct {
	Name, About string
	Operations  []shown
}

type shown struct {
	Method, Path string
	*huma.Operation
}

type namedSchema struct {
	Name string
	*huma.Schema
}

func render(api *huma.OpenAPI) ([]byte, error) {
	t, err := template.New("docs").Funcs(template.FuncMap{
		"kind": kind, "statuses": statuses, "media": media, "required": func(s *huma.Schema, name string) bool { return slices.Contains(s.Required, name) },
		"example": example, "schemaOf": schemaOf, "paragraphs": func(s string) []string { return strings.Split(s, "\n\n") }, "lower": strings.ToLower,
	}).Parse(pageText)
	if err != nil {
		return nil, err
	}
	s := sheet{Info: api.Info, Style: template.CSS(pageStyle), Groups: groups(api)} // #nosec G203 -- the style is embedded
	for _, name := range slices.Sorted(maps.Keys(api.Components.Schemas.Map())) {
		s.Schemas = append(s.Schemas, namedSchema{name, api.Components.Schemas.Map()[name]})
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.Bytes(), err
}

// groups puts the operations under their tags, by path, reads first.
func groups(api *huma.OpenAPI) (list []group) {
	for _, tag := range api.Tags {
		g := group{Name: tag.Name, About: tag.Description}
		for _, path := range slices.Sorted(maps.Keys(api.Paths)) {
			item := api.Paths[path]
			for _, one := range []shown{{"GET", path, item.Get}, {"POST", path, item.Post}, {"PUT", path, item.Put}, {"PATCH", path, item.Patch}, {"DELETE", path, item.Delete}} {
				if one.Operation != nil && slices.Contains(one.Tags, tag.Name) {
					g.Operations = append(g.Operations, one)
				}
			}
		}
		list = append(list, g)
	}
	return list
}

// kind says what a schema is in a few words; refs link to their table.
func kind(s *huma.Schema) template.HTML {
	esc := template.HTMLEscapeString
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		name := esc(strings.TrimPrefix(s.Ref, schemaPrefix))
		return template.HTML(`<a href="#schema-` + name + `">` + name + `</a>`) // #nosec G203 -- escaped above
	case len(s.AnyOf) > 0:
		var parts []string
		for _, one := range s.AnyOf {
			parts = append(parts, string(kind(one)))
		}
		return template.HTML(strings.Join(parts, " or ")) // #nosec G203 -- each is escaped
	case s.Type == huma.TypeArray:
		return "list of " + kind(s.Items)
	case s.Type == huma.TypeObject && s.AdditionalProperties != nil:
		if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
			return "map of " + kind(more)
		}
		return "object"
	}
	return template.HTML(esc(plain(s))) // #nosec G203 -- escaped
}

func plain(s *huma.Schema) string {
	text := cmp.Or(s.Type, "any JSON")
	if s.Type == huma.TypeInteger {
		text = "whole number"
	}
	if len(s.Enum) > 0 {
		var words []string
		for _, w := range s.Enum {
			words = append(words, fmt.Sprint(w))
		}
		text = strings.Join(words, ", ")
	}
	if s.Minimum != nil && s.Maximum != nil {
		text += fmt.Sprintf(" from %v to %v", *s.Minimum, *s.Maximum)
	}
	if s.MaxLength != nil {
		text += fmt.Sprintf(", at most %d bytes", *s.MaxLength)
	}
	if s.Default != nil {
		text += fmt.Sprintf("; default %v", s.Default)
	}
	if s.Nullable {
		text += " or null"
	}
	return text
}

type status struct {
	Code string
	*huma.Response
}

func statuses(o *huma.Operation) (list []status) {
	for _, code := range slices.Sorted(maps.Keys(o.Responses)) {
		list = append(list, status{code, o.Responses[code]})
	}
	return list
}

func media(content map[string]*huma.MediaType) []string { return slices.Sorted(maps.Keys(content)) }

func schemaOf(content map[string]*huma.MediaType, name string) *huma.Schema {
	return content[name].Schema
}

func example(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
