package console

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden.html")

// fakeAPI answers with the documents of testdata. What status says is an error.
type fakeAPI struct {
	t      *testing.T
	status int // of every answer; 0 is 200
	asked  []*http.Request
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r)
	if f.status != 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, `{"title":"Store unavailable","detail":"The store does not answer.","fix":"Try again."}`)
		return
	}
	name := strings.TrimPrefix(strings.NewReplacer("/prometheus/api/v1/", "prom-", "/api/v1/", "").Replace(r.URL.Path), "/")
	b, err := os.ReadFile(filepath.Join("testdata", strings.ReplaceAll(name, "/", "-")+".json"))
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"title":"No such objective","detail":"No objective has this name."}`)
		return
	}
	_, _ = w.Write(b)
}

func rig(t *testing.T) (*http.ServeMux, *fakeAPI) {
	t.Helper()
	api := &fakeAPI{t: t}
	c := New(Options{API: api, Version: "test", Docs: true, Now: func() time.Time { return time.Unix(1795833700, 0) }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	mux := http.NewServeMux()
	for _, r := range c.Routes() {
		mux.HandleFunc(r.Pattern, r.Handle)
	}
	mux.HandleFunc("GET "+DocsPath, func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	return mux, api
}

func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// pages are the pages there are, by the name of their golden file.
var pages = map[string]string{
	"overview": "/console/?range=6h", "slos": "/console/slos", "slo": "/console/slos/checkout", "ledger": "/console/ledger",
	"cardinality": "/console/cardinality", "explore": "/console/explore", "find": "/console/explore?find=SHOP",
	"query": "/console/explore?expr=shop_orders_total&range=15m&step=30", "missing": "/console/nothing",
}

// TestGolden holds the pages as they are without scripts, hostile names among
// them. Rewrite them with -update, and look at the difference.
func TestGolden(t *testing.T) {
	mux, _ := rig(t)
	version := regexp.MustCompile(`/console/assets/[0-9a-f]+/`)
	for name, target := range pages {
		w := get(t, mux, target)
		want := http.StatusOK
		if name == "missing" {
			want = http.StatusNotFound
		}
		if w.Code != want || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", target, w.Code, w.Header().Get("Content-Type"))
		}
		got := version.ReplaceAllString(w.Body.String(), "/console/assets/VERSION/")
		path := filepath.Join("testdata", name+".golden.html")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(golden) {
			t.Errorf("%s is another page than %s; look at it and run `go test ./daemon/console -run Golden -update`", target, path)
		}
	}
}

// TestHeaders holds every answer of the console to the policy.
func TestHeaders(t *testing.T) {
	mux, _ := rig(t)
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
	targets := []string{loadAssets().base + "console.js", loadAssets().base + "nothing.js"}
	for _, target := range pages {
		targets = append(targets, target)
	}
	for _, target := range targets {
		h := get(t, mux, target).Header()
		if h.Get("Content-Security-Policy") != want {
			t.Errorf("%s: policy %q", target, h.Get("Content-Security-Policy"))
		}
		for k, v := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin"} {
			if h.Get(k) != v {
				t.Errorf("%s: %s is %q, want %q", target, k, h.Get(k), v)
			}
		}
	}
}

// TestPolicyIsKept holds that no page needs what the policy forbids: nothing
// inline, nothing from elsewhere.
func TestPolicyIsKept(t *testing.T) {
	mux, _ := rig(t)
	inline := regexp.MustCompile(`(?i)<style|<[^>]*\s(?:style|on[a-z]+)=|javascript:|<script(?:[^>]*)>[^<]|<iframe|<object|<embed`)
	values := regexp.MustCompile(`="[^"]*"`) // they may hold what a hostile name says
	for name, target := range pages {
		body := get(t, mux, target).Body.String()
		if m := inline.FindString(values.ReplaceAllString(body, `=""`)); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		outside(t, name, body)
	}
	for name, f := range loadAssets().files {
		outside(t, name, f.body)
		if strings.HasSuffix(name, ".js") {
			if m := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`).FindString(f.body); m != "" {
				t.Errorf("%s has %s: a name could become markup", name, m)
			}
		}
	}
}

// outside finds addresses of other hosts. The name of a namespace is none.
func outside(t *testing.T, name, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")
	if m := regexp.MustCompile(`(?i)(?:https?:|wss?:)?//[a-z0-9][a-z0-9.-]*\.[a-z]{2,}|@import|(?-i:\burl\()`).FindString(text); m != "" {
		t.Errorf("%s asks elsewhere: %s", name, m)
	}
}

// TestHostileNames: what senders call their metrics is text wherever it stands.
func TestHostileNames(t *testing.T) {
	mux, _ := rig(t)
	seen := 0
	for name, target := range pages {
		body := get(t, mux, target).Body.String()
		seen += strings.Count(body, "&lt;img")
		for _, raw := range []string{"<img", "<b>v", `"><script`, "\u202e", "\x1b"} {
			if strings.Contains(body, raw) {
				t.Errorf("%s has %q as it was sent", name, raw)
			}
		}
	}
	if seen < 5 {
		t.Errorf("the hostile name stands in %d places, want it on several pages: the test would see nothing", seen)
	}
	body := get(t, mux, "/console/explore?expr="+`%22%3E%3Cscript%3Ealert(1)%3C/script%3E&find=%22%3E%3Cscript%3E`).Body.String()
	if strings.Contains(body, `"><script`) {
		t.Error("a parameter stands in the page as it was sent")
	}
}

// TestLinks follows every link of every page.
func TestLinks(t *testing.T) {
	mux, _ := rig(t)
	found := 0
	for name, target := range pages {
		body := get(t, mux, target).Body.String()
		for _, m := range regexp.MustCompile(`(?:href|src|action|data-doc)="([^"#]*)"`).FindAllStringSubmatch(body, -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			switch {
			case strings.HasPrefix(to, "/api/"), to == "": // the API's own test; a row's template
				continue
			case strings.HasPrefix(to, "?"):
				to = "/console/" + to
			case strings.Contains(to, "/console/slos/") && !strings.HasSuffix(to, "checkout"):
				continue // an objective that the fake has no page of
			}
			found++
			if w := get(t, mux, to); w.Code != http.StatusOK {
				t.Errorf("%s links to %s: %d", name, to, w.Code)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d links were found", found)
	}
}

// TestScriptsImportWhatThereIs follows the imports of the scripts, and the
// elements that they look for by name.
func TestScriptsImportWhatThereIs(t *testing.T) {
	files := loadAssets().files
	page, err := os.ReadFile("templates/explore.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		for _, m := range regexp.MustCompile(`(?:from |URL\()"\./([^"]+)"`).FindAllStringSubmatch(f.body, -1) {
			if _, ok := files[m[1]]; !ok {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\$\("([a-z]+)"\)`).FindAllStringSubmatch(f.body, -1) {
			if !strings.Contains(string(page), `id="`+m[1]+`"`) {
				t.Errorf("%s looks for #%s, which the explorer has not", name, m[1])
			}
		}
	}
}

func TestAssetsAreCached(t *testing.T) {
	mux, _ := rig(t)
	a := loadAssets()
	for name := range a.files {
		w := get(t, mux, a.base+name)
		tag := w.Header().Get("ETag")
		if w.Code != 200 || tag == "" || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if w := get(t, mux, a.base+name, "If-None-Match", match); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
				t.Errorf("%s with %s: %d, want 304", name, match, w.Code)
			}
		}
		if w := get(t, mux, a.base+name, "If-None-Match", `"other"`); w.Code != 200 {
			t.Errorf("%s with another tag: %d", name, w.Code)
		}
	}
	if w := get(t, mux, "/console/assets/000000000000/console.js"); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("another version's file: %d %v", w.Code, w.Header())
	}
	if w := get(t, mux, "/console/"); w.Header().Get("Cache-Control") != "private, no-cache" {
		t.Errorf("a page: %v", w.Header())
	}
}

// TestSize keeps the console small: what a phone loads before it shows a figure.
func TestSize(t *testing.T) {
	total := 0
	for _, f := range loadAssets().files {
		total += len(f.body)
	}
	if total > 80<<10 {
		t.Errorf("the assets are %d bytes, want at most 80 KiB", total)
	}
}

func TestIndex(t *testing.T) {
	mux, _ := rig(t)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	if w := get(t, mux, "/", "Accept", browser); w.Code != http.StatusFound || w.Header().Get("Location") != "/console/" || w.Header().Get("Vary") != "Accept" {
		t.Errorf("a browser: %d %v", w.Code, w.Header())
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		w := get(t, mux, "/", "Accept", accept)
		var list map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 || list["console"] != "/console/" || list["docs"] != DocsPath {
			t.Errorf("accept %q: %d %s", accept, w.Code, w.Body)
		}
	}
}

// TestTrouble: a page whose figures cannot be had says why and what to do, and
// has the places that the script fills when they can.
func TestTrouble(t *testing.T) {
	mux, api := rig(t)
	api.status = http.StatusServiceUnavailable
	for _, name := range []string{"overview", "slos", "slo", "ledger", "cardinality", "explore", "query"} {
		w := get(t, mux, pages[name])
		body := w.Body.String()
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(body, "The store does not answer.") || !strings.Contains(body, "Try again.") {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		if name != "slo" && name != "explore" && name != "query" && !strings.Contains(body, "data-doc=") {
			t.Errorf("%s could not come back by itself", name)
		}
	}
	api.status = 0
	if w := get(t, mux, "/console/slos/none"); w.Code != 404 || !strings.Contains(w.Body.String(), "No objective has this name.") {
		t.Errorf("an unknown objective: %d", w.Code)
	}
}

// TestWhoAsksIsHandedOn: the API decides what a page may show.
func TestWhoAsksIsHandedOn(t *testing.T) {
	mux, api := rig(t)
	get(t, mux, "/console/slos/a%2Fb", "Authorization", "Bearer x", "Cookie", "s=1", "X-Request-Id", "r1")
	r := api.asked[0]
	if r.URL.EscapedPath() != "/api/v1/slos/a%2Fb" || r.Header.Get("Authorization") != "Bearer x" || r.Header.Get("Cookie") != "s=1" || r.Header.Get("X-Request-Id") != "r1" {
		t.Errorf("the API was asked %s with %v", r.URL.EscapedPath(), r.Header)
	}
}

func TestLargeAnswer(t *testing.T) {
	s := source{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 40 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
		t.Error("an answer of 40 MiB was taken whole")
	})}
	var v any
	err := s.get(httptest.NewRequest("GET", "/", nil), "/x", nil, &v)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
}

// TestReasonsAreExplained: every reason that a ledger can name has its words.
func TestReasonsAreExplained(t *testing.T) {
	for r := range protocol.NumReasons {
		if name := protocol.Reason(r).String(); protocol.Reason(r) != protocol.Accepted && reasons[name] == "" {
			t.Errorf("assets/reasons.json lacks %s", name)
		}
	}
}

type formatCase struct {
	Format string
	In     any
	Out    string
}

func formatCases(t *testing.T) (list []formatCase) {
	t.Helper()
	b, err := os.ReadFile("testdata/formats.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestFormats(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range formatCases(t) {
		tested[c.Format] = true
		f, ok := formats[c.Format]
		if !ok {
			if to, is := strings.CutPrefix(c.Format, "link:"); is {
				f, ok = links[to]
			} else if level, is := strings.CutPrefix(c.Format, "level:"); is {
				f, ok = levels[level]
			}
		}
		if !ok {
			t.Fatalf("there is no %s", c.Format)
		}
		if got := f(c.In); got != c.Out {
			t.Errorf("%s of %v is %q, want %q", c.Format, c.In, got, c.Out)
		}
	}
	for name := range formats {
		if !tested[name] {
			t.Errorf("testdata/formats.json has no case of %s", name)
		}
	}
	for name := range links {
		if !tested["link:"+name] {
			t.Errorf("testdata/formats.json has no case of link:%s", name)
		}
	}
	for name := range levels {
		if !tested["level:"+name] {
			t.Errorf("testdata/formats.json has no case of level:%s", name)
		}
	}
}

// TestScriptFormats holds the script to the same answers, where there is Node.js.
func TestScriptFormats(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node to run the script's formats with; install Node.js 20 or newer")
	}
	// The modules are copied, for Node.js takes .js files for scripts of another
	// kind unless their name or a package file says otherwise.
	dir := t.TempDir()
	for name, f := range loadAssets().files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(f.body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"package.json": `{"type":"module"}`, "run.js": runFormats} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cases, err := filepath.Abs("testdata/formats.json")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, filepath.Join(dir, "run.js"), cases).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "cases agree") {
		t.Errorf("%v\n%s", err, out)
	}
}

const runFormats = `
import fs from "node:fs";
import { formats, links, setReasons } from "./format.js";
import { levels } from "./bind.js";
setReasons(JSON.parse(fs.readFileSync(new URL("./reasons.json", import.meta.url))));
const cases = JSON.parse(fs.readFileSync(process.argv[2]));
let wrong = 0;
for (const { Format, In, Out } of cases) {
  const [kind, name] = Format.split(":");
  const f = name === undefined ? formats[kind] : kind === "link" ? links[name] : levels[name];
  const got = f(In);
  if (got !== Out) { wrong++; console.log(Format, JSON.stringify(In), "is", JSON.stringify(got), "want", JSON.stringify(Out)); }
}
if (wrong) process.exit(1);
console.log(cases.length, "cases agree");
`

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{"a.b": "a.b", "a\x1bb": `a\x1bb`, "a\u202eb": `a\u202eb`, "a\u200bb": `a\u200bb`, "größe 数": "größe 数", "\u0085": `\x85`} {
		if got := visible(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestCeiling(t *testing.T) {
	for _, v := range []float64{1e-9, 0.003, 1, 3, 4, 7.1, 99, 100, 101, 12345, 1e15} {
		top, step := ceiling(v)
		if top < v || top > 2*v || top/step > 5.001 || top/step < 1.999 {
			t.Errorf("%g: up to %g in steps of %g", v, top, step)
		}
	}
}
