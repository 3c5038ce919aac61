package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"example.com/nexusctl/protocol/api"
)

// Admin is a client of a daemon's admin socket. Only the daemon's own user, on
// its own machine, can use it.
type Admin struct {
	path   string
	client *http.Client
}

// NewAdmin returns a client for the daemon that has the data directory.
func NewAdmin(dataDir string) *Admin {
	path := filepath.Join(dataDir, api.AdminSocket)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Admin{path: path, client: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 2 * time.Minute}}
}

// Reload has the daemon read its settings again.
func (a *Admin) Reload(ctx context.Context) (r api.ReloadResult, err error) {
	return r, a.do(ctx, http.MethodPost, api.AdminReload, "", &r)
}

// Settings returns the settings in force.
func (a *Admin) Settings(ctx context.Context) (s []api.Setting, err error) {
	return s, a.do(ctx, http.MethodGet, api.AdminSettings, "", &s)
}

// SetLogLevel changes what the daemon logs.
func (a *Admin) SetLogLevel(ctx context.Context, level string) error {
	return a.do(ctx, http.MethodPut, api.AdminLogLevel, level, &struct{}{})
}

// ReplayDeadLetters sends the named dead letters, or all, to the store again.
func (a *Admin) ReplayDeadLetters(ctx context.Context, files []string) (api.Settlement, error) {
	return a.settle(ctx, api.AdminReplay, files)
}

// DropDeadLetters gives the named dead letters, or all, up.
func (a *Admin) DropDeadLetters(ctx context.Context, files []string) (api.Settlement, error) {
	return a.settle(ctx, api.AdminDrop, files)
}

func (a *Admin) settle(ctx context.Context, path string, files []string) (s api.Settlement, err error) {
	body, err := json.Marshal(api.SettleRequest{Files: files})
	if err != nil {
		return s, fmt.Errorf("request %s: %w", path, err)
	}
	return s, a.do(ctx, http.MethodPost, path, string(body), &s)
}

func (a *Admin) do(ctx context.Context, method, path, body string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("request %s: %w", path, err)
	}
	res, err := a.client.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return fmt.Errorf("%w at %s: %w", ErrUnreachable, a.path, op.Err)
		}
		return fmt.Errorf("request %s: %w", path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer to %s: %w", path, err)
	}
	if res.StatusCode/100 == 2 {
		return json.Unmarshal(b, v)
	}
	var p api.Problem
	if json.Unmarshal(b, &p) != nil || p.Title == "" {
		return unexpected(res.StatusCode, b)
	}
	return &ProblemError{p}
}
