package api

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedRoutes: docs/api.md names the routes there are, and no other.
func TestDocumentedRoutes(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Metrics: http.NotFoundHandler()})
	routes := map[string]bool{}
	for _, r := range append(s.routes(), s.consoleRoutes()...) {
		routes[r.pattern] = true
		if !strings.Contains(string(text), "`"+r.pattern+"`") {
			t.Errorf("the document has no `%s`", r.pattern)
		}
	}
	for _, m := range regexp.MustCompile("`((?:GET|POST|PUT|PATCH|DELETE) /[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		if !routes[m[1]] {
			t.Errorf("the document has `%s`, the daemon has not", m[1])
		}
	}
}

// TestEveryRouteIsDescribed: the OpenAPI document has the routes there are, and no
// other.
func TestEveryRouteIsDescribed(t *testing.T) {
	s := New(Options{Metrics: http.NotFoundHandler()})
	list, missing := s.describe()
	if len(missing) > 0 {
		t.Errorf("routes without a description, or descriptions without a route: %v", missing)
	}
	if len(list) != len(s.routes()) {
		t.Errorf("%d are described, there are %d", len(list), len(s.routes()))
	}
	for _, o := range list {
		if o.ID == "" || o.Summary == "" || o.Tag == "" || len(o.Answers) == 0 {
			t.Errorf("%s %s is described poorly: %+v", o.Method, o.Path, o)
		}
	}
}
