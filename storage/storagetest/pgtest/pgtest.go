// Package pgtest gives tests a real Postgres: the one that NEXUS_TEST_POSTGRES
// names, or a throwaway server from the installed binaries. Each test gets a
// database of its own.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver pgx
)

var server struct {
	once sync.Once
	dsn  string
	err  error
	stop func()
	next atomic.Int64
}

// Run runs a package's tests and stops the server behind them, for TestMain.
func Run(m *testing.M) int {
	code := m.Run()
	if server.stop != nil {
		server.stop()
	}
	return code
}

// DSN returns the URL of an empty database, which is dropped after the test.
// Where there is no Postgres the test fails: a store that is not tested on it
// must not look as if it were.
func DSN(t testing.TB) string {
	t.Helper()
	server.once.Do(start)
	if server.err != nil {
		t.Fatal(server.err)
	}
	admin, err := sql.Open("pgx", server.dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("nexus_test_%d_%d", os.Getpid(), server.next.Add(1))
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := admin.ExecContext(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		if err := errors.Join(err, admin.Close()); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server.dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func start() {
	if dsn := os.Getenv("NEXUS_TEST_POSTGRES"); dsn != "" {
		server.dsn = dsn
		return
	}
	bin, err := binaries()
	if err != nil {
		server.err = err
		return
	}
	server.dsn, server.stop, server.err = launch(bin)
}

// binaries finds the directory with the newest initdb.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(slices.Max(found)), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("no PostgreSQL server binaries were found: install them (Debian: apt-get install postgresql; macOS: brew install postgresql) or name a server in NEXUS_TEST_POSTGRES")
}

func launch(bin string) (dsn string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "nexus-pg-")
	if err != nil {
		return "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	owner, err := unprivileged(dir)
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	init := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "nexus", "-A", "trust", "-E", "UTF8", "--no-sync")
	init.SysProcAttr, init.Dir = owner, dir
	if out, err := init.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	run := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", port, "-k", dir, "-c", "listen_addresses=127.0.0.1",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "log_min_messages=fatal")
	run.SysProcAttr, run.Dir = owner, dir
	if err := run.Start(); err != nil {
		return "", nil, fmt.Errorf("start postgres: %w", err)
	}
	stop = func() {
		_ = run.Process.Signal(syscall.SIGQUIT) // immediate: nothing of it is kept
		_ = run.Wait()
		_ = os.RemoveAll(dir)
	}
	dsn = "postgres://nexus@127.0.0.1:" + port + "/postgres?sslmode=disable"
	if err := await(dsn); err != nil {
		stop()
		return "", nil, err
	}
	return dsn, stop, nil
}

func await(dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = db.Ping(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// unprivileged makes a child of root run as another user, because Postgres
// refuses root; dir becomes that user's.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}, nil
}
