package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/protocol/client"
)

// adminPeer listens on a data directory's admin socket.
func adminPeer(t *testing.T, h http.HandlerFunc) *client.Admin {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, api.AdminSocket))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(s.Close)
	return client.NewAdmin(dir)
}

func TestAdmin(t *testing.T) {
	var asked string
	a := adminPeer(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.Path + " " + string(body)
		switch r.URL.Path {
		case api.AdminSettings:
			_, _ = io.WriteString(w, `[{"key":"log.level","value":"info","layer":"default","live":true}]`)
		case api.AdminReload:
			_, _ = io.WriteString(w, `{"changed":["log.level"],"waiting_for_restart":["server.listen"]}`)
		default:
			_, _ = io.WriteString(w, "{}")
		}
	})
	s, err := a.Settings(t.Context())
	if err != nil || asked != "GET /settings " || len(s) != 1 || s[0].Key != "log.level" || !s[0].Live {
		t.Errorf("settings: %q, %+v, %v", asked, s, err)
	}
	r, err := a.Reload(t.Context())
	if err != nil || asked != "POST /reload " || len(r.Changed) != 1 || len(r.Waiting) != 1 {
		t.Errorf("reload: %q, %+v, %v", asked, r, err)
	}
	if err := a.SetLogLevel(t.Context(), "debug"); err != nil || asked != "PUT /log/level debug" {
		t.Errorf("log level: %q, %v", asked, err)
	}
}

func TestAdminFailures(t *testing.T) {
	refused := adminPeer(t, answers(400, "application/problem+json", `{"title":"Bad request","status":400,"field":"level"}`))
	var p *client.ProblemError
	if err := refused.SetLogLevel(t.Context(), "loud"); !errors.As(err, &p) || p.Field != "level" {
		t.Errorf("refused: %v", err)
	}
	odd := adminPeer(t, answers(500, "text/plain", "what?"))
	if _, err := odd.Settings(t.Context()); err == nil || !strings.Contains(err.Error(), "what?") {
		t.Errorf("an odd answer: %v", err)
	}
	dir := t.TempDir()
	if _, err := client.NewAdmin(dir).Reload(t.Context()); !errors.Is(err, client.ErrUnreachable) || !strings.Contains(err.Error(), filepath.Join(dir, api.AdminSocket)) {
		t.Errorf("nobody listens: %v", err)
	}
}
