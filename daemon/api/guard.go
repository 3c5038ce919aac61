package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/nexusctl/protocol/api"
)

// guarded turns away, before any route is looked for, what no client of ours
// sends: a request for another host, a path that is not in its one form, and what a
// page of another site has the browser send.
func (s *Server) guarded(h http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.misdirected(r):
			s.stats.Misdirected.Add(1)
			s.problem(w, r, problemMisdirected)
		case !canonical(r.URL.EscapedPath()):
			s.problem(w, r, api.Problem{Status: http.StatusNotFound, Title: "Not found", Detail: "No route has empty or dotted parts, a NUL or a backslash in its path.", Fix: "Write the path as docs/api.md has it; a / in a name is %2F."})
		case origins.Check(r) != nil:
			s.foreign(w, r)
		case !readable(r.URL.RawQuery):
			s.unreadable(w, r)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

func (s *Server) foreign(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, api.Problem{Status: http.StatusForbidden, Title: "Another site's page", Detail: "A page of another site had the browser send this.",
		Field: "Origin", Rule: "is this server's own, where a browser sends", Fix: "Send it from a program, or from a page of this server."})
}

// readable reports parameters that can all be read: one that could not would be left
// out, and the answer would be to another question than was asked.
func readable(query string) bool {
	if !strings.ContainsAny(query, "%;") {
		return true
	}
	_, err := url.ParseQuery(query)
	return err == nil
}

func (s *Server) unreadable(w http.ResponseWriter, r *http.Request) {
	const rule = "has a % without two hexadecimal digits behind it, or a ;"
	if strings.HasPrefix(r.URL.Path, "/prometheus/") {
		s.promFail(w, http.StatusBadRequest, "bad_data", "the address "+rule)
		return
	}
	s.problem(w, r, bad("query", rule, "Write % as %25 and ; as %3B."))
}

// plain reports a path in which nothing is escaped, doubled or dotted, as almost every
// path is: one look at each byte.
func plain(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch path[i] {
		case '%', '\\':
			return false
		case '/':
			if i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
				return false
			}
		}
	}
	return true
}

// canonical reports a path with one reading: nothing that a router, a proxy or a
// file system would fold into another path.
func canonical(escaped string) bool {
	if plain(escaped) {
		return true
	}
	lower := strings.ToLower(escaped)
	if strings.Contains(lower, "%00") || strings.Contains(lower, "%5c") || strings.Contains(lower, `\`) {
		return false
	}
	parts := strings.Split(strings.ReplaceAll(lower, "%2e", "."), "/")
	if len(parts) < 2 || parts[0] != "" {
		return false // an asterisk, or nothing
	}
	inner := parts[1:]
	if inner[len(inner)-1] == "" {
		inner = inner[:len(inner)-1] // a slash at the end is another path, which the routes know or not
	}
	return !slices.ContainsFunc(inner, func(p string) bool { return p == "" || p == "." || p == ".." })
}
