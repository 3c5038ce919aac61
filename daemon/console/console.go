// Package console is the web console that the daemon carries in itself: pages
// for people, under /console, made of templates, one stylesheet and a few
// scripts that are all embedded.
//
// The console is a client of the daemon's own HTTP API and knows nothing else of
// the daemon: a page asks the same routes, in the process, that its script asks
// again every few seconds. So a page is readable without a script, no figure is
// computed twice, and what a request may see is decided in one place, the API.
//
// It only reads. Nothing is loaded from anywhere but the daemon, and the content
// security policy holds the browser to that. Names come from senders and are
// hostile until they are escaped: in Go by bind.go and html/template, in the
// browser by textContent.
package console

import (
	"bytes"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Root is where the console lives.
const Root = "/console/"

// DocsPath is the page of the API's reference; the console links to it where the
// daemon has it.
const DocsPath = "/docs"

// Options are what the console needs.
type Options struct {
	// API answers the daemon's own routes.
	API     http.Handler
	Version string
	Docs    bool // DocsPath is there
	Now     func() time.Time
	Logger  *slog.Logger
}

// Console answers for the pages and their assets. It is safe for concurrent use.
type Console struct {
	opts   Options
	api    source
	assets *assets
	pages  map[string]*template.Template
}

// New returns a console. It panics where an embedded file is broken, which the
// package's tests would have found.
func New(o Options) *Console {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Console{opts: o, api: source{o.API}, assets: loadAssets(), pages: parsePages()}
}

// Route is a pattern of http.ServeMux and its handler.
type Route struct {
	Pattern string
	Handle  http.HandlerFunc
}

// Routes returns every route of the console.
func (c *Console) Routes() []Route {
	return []Route{
		{"GET /{$}", c.index},
		{"GET /console/{$}", c.page(c.overview)},
		{"GET /console/slos", c.page(c.slos)},
		{"GET /console/slos/{name}", c.page(c.slo)},
		{"GET /console/explore", c.page(c.explore)},
		{"GET /console/ledger", c.page(c.ledger)},
		{"GET /console/cardinality", c.page(c.cardinality)},
		{"GET /console/assets/{version}/{file}", c.assets.serve},
		{"GET /console/{rest...}", c.page(c.missing)},
	}
}

// index sends browsers to the console, and tells everybody else what is here: a
// program that asks for / wants a list it can read, not a page.
func (c *Console) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if wantsPage(r.Header.Get("Accept")) {
		http.Redirect(w, r, Root, http.StatusFound)
		return
	}
	list := map[string]string{
		"name": "nexusctl", "version": c.opts.Version, "console": Root, "health": "/health", "ready": "/ready",
		"metrics": "/api/v1/metrics", "promql": "/prometheus/api/v1/query", "exposition": "/metrics",
	}
	if c.opts.Docs {
		list["docs"] = DocsPath
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list) // the client is gone, or has it
}

// wantsPage reports whether a client asks for HTML by name, as browsers do.
// curl's */* does not.
func wantsPage(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		if strings.TrimSpace(kind) == "text/html" {
			return true
		}
	}
	return false
}

// policy lets a page load what the daemon serves and nothing else, and run no
// script or style that stands in it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; form-action 'self'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not read frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// content is what a page is made of.
type content struct {
	status int    // of HTTP; 0 is 200
	name   string // of the template, and of the script's page
	title  string
	data   any
}

// frame is what every template gets.
type frame struct {
	Page, Title, Version, Assets string
	Nav                          []link
	Data                         any
}

type link struct {
	Href, Text string
	Current    bool
}

// page turns the maker of a page's content into its handler. A page is made
// whole before its first byte is sent, so that a fault never leaves half of one.
func (c *Console) page(content func(*http.Request) content) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := content(r)
		var b bytes.Buffer
		err := c.pages[p.name].ExecuteTemplate(&b, "layout", frame{
			Page: p.name, Title: p.title, Version: c.opts.Version, Assets: c.assets.base, Nav: c.nav(p.name), Data: p.data,
		})
		secure(w.Header())
		if err != nil {
			c.opts.Logger.Error("a page of the console could not be made", "page", p.name, "error", err)
			http.Error(w, "The page could not be made. The daemon's log says why.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "private, no-cache") // figures are of now
		if p.status != 0 {
			w.WriteHeader(p.status)
		}
		_, _ = w.Write(b.Bytes()) // the client is gone, or has it
	}
}

func (c *Console) nav(page string) []link {
	list := []link{
		{Root, "Overview", page == "overview"},
		{Root + "slos", "Objectives", page == "slos" || page == "slo"},
		{Root + "explore", "Explore", page == "explore"},
		{Root + "ledger", "Ledger", page == "ledger"},
		{Root + "cardinality", "Cardinality", page == "cardinality"},
	}
	if c.opts.Docs {
		list = append(list, link{DocsPath, "API", false})
	}
	return list
}

func (c *Console) missing(*http.Request) content {
	return content{status: http.StatusNotFound, name: "missing", title: "No such page"}
}
