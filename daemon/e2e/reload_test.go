package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/nexusctl/loadgen"
	"example.com/nexusctl/protocol/client"
)

// TestReloadUnderLoad reloads good and bad settings 200 times while 200,000
// lines a second come in: nothing is lost, nothing leaks, and a bad file
// changes nothing.
func TestReloadUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	settings := filepath.Join(dir, "nexus.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := func(i int) string {
		return fmt.Sprintf("[ingest]\nmax_series = %d\nmax_line = \"%dKiB\"\n[log]\nlevel = \"info,api=debug\"\n[aggregate]\nidle = \"%dm\"\n", 100_000+i, 8+i%50, 1+i%50)
	}
	write(good(0))
	data := filepath.Join(dir, "data")
	p := start(t, data, "sqlite:nexus.db", "--config", settings)
	admin := client.NewAdmin(data)
	before := p.process()

	load := exec.Command(binary, "loadgen", "--server", p.addr, "--rate", "200k", "--duration", "12s", "--verify", "-o", "json")
	out, err := load.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 200; i++ {
		if i%2 == 1 {
			write(good(i))
			if _, err := admin.Reload(t.Context()); err != nil {
				t.Fatalf("reload %d: %v", i, err)
			}
		} else {
			write("[ingest]\nmax_series = 0\nmaxline = 3\n[wal]\nsync = \"sometimes\"\n")
			_, err := admin.Reload(t.Context())
			var problem *client.ProblemError
			if !errors.As(err, &problem) {
				t.Fatalf("reload %d of a bad file: %v", i, err)
			}
			for _, fault := range []string{"ingest.max_series is 0", "unknown key ingest.maxline", "wal.sync is"} {
				if !strings.Contains(problem.Detail, fault) {
					t.Errorf("reload %d does not name %q: %s", i, fault, problem.Detail)
				}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	var r loadgen.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := load.Wait(); err != nil || r.Verify == nil || !r.Verify.OK || r.Errors > 0 {
		t.Fatalf("the load: %v: %s\n%s", err, text, p.logs)
	}
	t.Logf("200 reloads beside %d values at %.0f a second: lost %d, duplicated %d", r.Sent, r.Rate, r.Verify.Lost, r.Verify.Duplicated)
	if got := p.setting(admin, t, "ingest.max_series"); got != "100199" {
		t.Errorf("after the last good reload max_series is %s", got)
	}
	time.Sleep(500 * time.Millisecond)
	after := p.process()
	if after.goroutines > before.goroutines+5 || after.fds > before.fds+5 {
		t.Errorf("something leaks: %+v before, %+v after", before, after)
	}
	metrics := p.text("/metrics")
	for _, line := range []string{`nexus_config_reloads_total{result="failure"} `, `nexus_config_reloads_total{result="success"} `} {
		if n := metricValue(metrics, line); n < 100 {
			t.Errorf("%s%.0f, want 100 or more", line, n)
		}
	}
	p.stop()
}

// TestReloadBySignalAndFile changes the file and waits; sends SIGHUP; and asks
// what cannot change live for its name.
func TestReloadBySignalAndFile(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(dir, "nexus.toml")
	write := func(text string) {
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[ingest]\nmax_series = 1000\n")
	data := filepath.Join(dir, "data")
	p := start(t, data, "sqlite:nexus.db", "--config", settings)
	admin := client.NewAdmin(data)
	write("[ingest]\nmax_series = 2000\n")
	p.until("the file's change", func() bool { return p.setting(admin, t, "ingest.max_series") == "2000" })

	write("[ingest]\nmax_series = 3000\n[wal]\nsync = \"always\"\n")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.until("SIGHUP", func() bool { return p.setting(admin, t, "ingest.max_series") == "3000" })
	if got := p.setting(admin, t, "wal.sync"); got != "interval" {
		t.Errorf("wal.sync is said to be %s, and waits for a restart", got)
	}
	p.until("the log's line", func() bool { return strings.Contains(p.logs.String(), `"waiting_for_restart":["wal.sync"]`) })
	if err := admin.SetLogLevel(t.Context(), "storage=loud"); err == nil {
		t.Error("a level that is none is taken")
	}
	p.stop()
}

func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	p.t.Fatalf("%s is not seen in time; the daemon says:\n%s", what, p.logs)
}

func (p *process) setting(admin *client.Admin, t *testing.T, key string) string {
	t.Helper()
	list, err := admin.Settings(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, p.logs)
	}
	for _, s := range list {
		if s.Key == key {
			return s.Value
		}
	}
	t.Fatalf("no setting %s", key)
	return ""
}

// usage is what a leak would let grow.
type usage struct{ goroutines, fds int }

func (p *process) process() usage {
	metrics := p.text("/metrics")
	return usage{int(metricValue(metrics, "go_goroutines ")), int(metricValue(metrics, "process_open_fds "))}
}

// metricValue finds a line of the exposition by how it begins.
func metricValue(text, start string) float64 {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(start) + `(\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return -1
	}
	return v
}

func (p *process) text(path string) string {
	p.t.Helper()
	res, err := http.Get(p.url(path))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}
