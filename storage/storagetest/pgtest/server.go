package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Server is a Postgres of one test's own, which the test may stop, start and
// set back to an earlier state. It syncs to the disk, as servers do.
type Server struct {
	t     testing.TB
	bin   string
	dir   string
	port  string
	owner *syscall.SysProcAttr
}

// Own starts a server that ends with the test.
func Own(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, bin: bin}
	if s.dir, err = os.MkdirTemp("", "nexus-pg-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(s.dir) })
	if s.port, err = freePort(); err != nil {
		t.Fatal(err)
	}
	if s.owner, err = unprivileged(s.dir); err != nil {
		t.Fatal(err)
	}
	s.run("initdb", "-D", s.data(), "-U", "nexus", "-A", "trust", "-E", "UTF8")
	s.Start()
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(s.data(), "postmaster.pid")); err == nil {
			s.Stop("immediate")
		}
	})
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Addr returns the server's address.
func (s *Server) Addr() string { return "127.0.0.1:" + s.port }

// DSN returns the URL of its database at an address, its own or a proxy's.
func (s *Server) DSN(addr string) string {
	return "postgres://nexus@" + addr + "/postgres?sslmode=disable"
}

// Start starts the server and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	options := fmt.Sprintf("-p %s -k %s -c listen_addresses=127.0.0.1 -c max_connections=60 -c log_min_messages=fatal", s.port, s.dir)
	s.run("pg_ctl", "-D", s.data(), "-w", "-l", filepath.Join(s.dir, "log"), "-o", options, "start")
}

// Stop stops the server: "fast" as an operator does, "immediate" as a crash
// does.
func (s *Server) Stop(mode string) {
	s.t.Helper()
	s.run("pg_ctl", "-D", s.data(), "-w", "-m", mode, "stop")
}

// Save keeps the state of the server, which must be stopped, for Restore.
func (s *Server) Save() {
	s.t.Helper()
	s.run("/bin/cp", "-a", s.data(), filepath.Join(s.dir, "saved"))
}

// Restore sets the server, which must be stopped, back to what was saved.
func (s *Server) Restore() {
	s.t.Helper()
	if err := os.RemoveAll(s.data()); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(s.dir, "saved"), s.data()); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a program of Postgres's. What it says goes to a file: a server that
// it leaves behind would keep a pipe open.
func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.bin, name)
	}
	said, err := os.CreateTemp(s.dir, "said")
	if err != nil {
		s.t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = s.owner, s.dir, said, said
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		s.t.Fatalf("%s: %v\n%s", filepath.Base(name), err, text)
	}
}
