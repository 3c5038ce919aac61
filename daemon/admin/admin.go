// Package admin is the daemon's door for whoever runs it: a Unix socket in the
// data directory, which only the daemon's own user can open. Through it come
// reload, settings, log levels, dead letters and profiles, none of which belong on a port.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"time"

	"example.com/nexusctl/protocol/api"
)

// Daemon is what the door opens to.
type Daemon interface {
	Reload(ctx context.Context) (api.ReloadResult, error)
	Settings() []api.Setting
	SetLogLevel(level string) error
	ReplayDeadLetters(ctx context.Context, files []string) (api.Settlement, error)
	DropDeadLetters(ctx context.Context, files []string) (api.Settlement, error)
}

// maxPath is the longest path that a Unix socket's address holds on every
// system.
const maxPath = 103

// maxRequest bounds a request's body, maxFiles that of one that names files.
const (
	maxRequest = 4 << 10
	maxFiles   = 16 << 20
)

// settleTimeout bounds what a client waits for the flush that settles its dead
// letters.
const settleTimeout = 30 * time.Second

// Server is the open door.
type Server struct {
	http     http.Server
	listener net.Listener
	served   chan error
}

// Listen opens the door in the data directory.
func Listen(dataDir string, d Daemon) (*Server, error) {
	path := filepath.Join(dataDir, api.AdminSocket)
	if len(path) > maxPath {
		return nil, fmt.Errorf("admin socket: %s is longer than the %d bytes that a socket's path may have: choose a shorter server.data_dir", path, maxPath)
	}
	// The data directory's lock is held: a socket that is there is a dead one.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin socket: %w", err), l.Close())
	}
	s := &Server{listener: l, served: make(chan error, 1)}
	s.http = http.Server{Handler: routes(d), ReadHeaderTimeout: 10 * time.Second}
	go func() { s.served <- s.http.Serve(l) }()
	return s, nil
}

// Close shuts the door and waits for its goroutine.
func (s *Server) Close() error {
	err := s.http.Close()
	if serr := <-s.served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

func routes(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+api.AdminReload, func(w http.ResponseWriter, r *http.Request) {
		result, err := d.Reload(r.Context())
		answer(w, result, err)
	})
	mux.HandleFunc("GET "+api.AdminSettings, func(w http.ResponseWriter, _ *http.Request) { answer(w, d.Settings(), nil) })
	mux.HandleFunc("PUT "+api.AdminLogLevel, func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err == nil {
			err = d.SetLogLevel(string(b))
		}
		answer(w, struct{}{}, err)
	})
	mux.HandleFunc("POST "+api.AdminReplay, settling(d.ReplayDeadLetters))
	mux.HandleFunc("POST "+api.AdminDrop, settling(d.DropDeadLetters))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/mutex", mutexProfile)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func settling(settle func(ctx context.Context, files []string) (api.Settlement, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), settleTimeout)
		defer cancel()
		var q api.SettleRequest
		var s api.Settlement
		err := json.NewDecoder(io.LimitReader(r.Body, maxFiles)).Decode(&q)
		if err == nil {
			s, err = settle(ctx, q.Files)
		}
		answer(w, s, err)
	}
}

// answer sends what was done, or the fault as a problem. The peer is the
// daemon's own user, so faults are told as they are.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		v = api.Problem{Type: "about:blank", Title: "Not done", Status: http.StatusUnprocessableEntity, Detail: err.Error()}
	}
	_ = json.NewEncoder(w).Encode(v) // the peer is gone, or has it
}
