// Package e2e_test runs the built binary as a user would, with real senders,
// real databases and real kills.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "nexusctl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "nexusctl")
	build := exec.Command("go", "build", "-o", binary, "example.com/nexusctl/cmd/nexusctl")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build nexusctl: %v\n%s", err, out)
		os.Exit(1)
	}
	code := pgtest.Run(m)
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// process is one daemon under test.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	addr string
	logs *lockedBuffer
}

// start runs `nexusctl daemon` and waits until it is ready.
func start(t *testing.T, dataDir, storage string, args ...string) *process {
	t.Helper()
	return startAt(t, freeAddr(t), dataDir, storage, args...)
}

// startAt is start at an address that clients know already.
func startAt(t *testing.T, addr, dataDir, storage string, args ...string) *process {
	t.Helper()
	p := &process{t: t, addr: addr, logs: new(lockedBuffer)}
	args = append([]string{"daemon", "--listen", p.addr, "--data-dir", dataDir, "--storage", storage}, args...)
	p.cmd = exec.Command(binary, args...)
	p.cmd.Stderr, p.cmd.Stdout = p.logs, p.logs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("the daemon's last words:\n%s", p.logs.tail(4<<10))
		}
	})
	p.waitReady()
	return p
}

func (p *process) waitReady() {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(p.url("/ready"))
		if err != nil {
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	p.t.Fatalf("the daemon is not ready in time; it says:\n%s", p.logs)
}

func (p *process) url(path string) string { return "http://" + p.addr + path }

// kill ends the daemon as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// stop ends the daemon as an operator does; it must exit 0.
func (p *process) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the daemon did not stop cleanly: %v\n%s", err, p.logs)
	}
}

func (p *process) get(path string, v any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url(path), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("GET %s: %v\n%s", path, err, p.logs)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var b bytes.Buffer
		_, _ = b.ReadFrom(res.Body)
		p.t.Fatalf("GET %s: %s: %s\n%s", path, res.Status, b.String(), p.logs)
	}
	if err := json.NewDecoder(res.Body).Decode(v); err != nil {
		p.t.Fatalf("GET %s: %v", path, err)
	}
}

// ledger reads the ledger and checks the law.
func (p *process) ledger() api.Ledger {
	p.t.Helper()
	var l api.Ledger
	p.get("/api/v1/ledger", &l)
	if err := l.Check(); err != nil {
		p.t.Fatalf("%v: %+v\n%s", err, l, p.logs)
	}
	return l
}

// settled waits until everything sent has been received, and returns the
// ledger then.
func (p *process) settled() api.Ledger {
	p.t.Helper()
	last := p.ledger()
	for quiet := 0; quiet < 5; {
		time.Sleep(50 * time.Millisecond)
		l := p.ledger()
		if l.Received == last.Received {
			quiet++
		} else {
			quiet = 0
		}
		last = l
	}
	return last
}

// lasts returns the last value of every series of a metric, by one tag's value.
func (p *process) lasts(name, tag string) map[string]float64 {
	p.t.Helper()
	var d api.MetricDetail
	p.get("/api/v1/metrics/"+name, &d)
	m := map[string]float64{}
	for _, s := range d.Series {
		if s.Last != nil {
			m[s.Tags[tag]] = *s.Last
		}
	}
	return m
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// lockedBuffer keeps what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// tail returns up to n bytes of the end.
func (b *lockedBuffer) tail(n int) string {
	s := b.String()
	return s[max(0, len(s)-n):]
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eachStore runs a test on both databases, side by side: it returns before they
// have ended.
func eachStore(t *testing.T, test func(t *testing.T, storage string)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, "sqlite:nexus.db") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, pgtest.DSN(t)) })
}
