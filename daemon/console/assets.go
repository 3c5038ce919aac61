package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// assets are the scripts, the stylesheet and the icon. The version in their path
// is a hash over all of them, so a browser may keep them for ever: a daemon with
// other files names them otherwise. Scripts import each other by relative names
// and so stay within one version.
type assets struct {
	base    string // their path, with the version
	version string
	files   map[string]asset
}

type asset struct {
	body, etag, kind string
}

var assetKinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json",
}

func loadAssets() *assets {
	a := &assets{files: map[string]asset{}}
	all := sha256.New()
	entries, err := fs.ReadDir(assetFiles, "assets") // sorted by name
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		b, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		all.Write([]byte(e.Name()))
		all.Write(sum[:])
		a.files[e.Name()] = asset{string(b), `"` + hex.EncodeToString(sum[:12]) + `"`, assetKinds[path.Ext(e.Name())]}
	}
	a.version = hex.EncodeToString(all.Sum(nil)[:6])
	a.base = Root + "assets/" + a.version + "/"
	return a
}

// serve answers with a file. One of another version is not here: a page that
// asks for it is older than this daemon, and loads again.
func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	f, ok := a.files[r.PathValue("file")]
	if !ok || r.PathValue("version") != a.version {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "There is no such file in this version of the console. Load the page again.", http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", f.etag)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	if holds(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	_, _ = w.Write([]byte(f.body)) // the client is gone, or has it
}

// holds reports whether an If-None-Match names the tag.
func holds(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
