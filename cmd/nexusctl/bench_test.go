package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"example.com/nexusctl/loadgen/bench"
)

func runBenchApp(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	app := &cli.App{Name: "nexusctl", Writer: &out, ErrWriter: &errs, ExitErrHandler: func(*cli.Context, error) {}, Commands: []*cli.Command{benchCommand()}}
	err := app.RunContext(t.Context(), append([]string{"nexusctl", "bench"}, args...))
	if err == nil {
		return out.String(), exitOK
	}
	return err.Error(), exitCode(err)
}

// TestBench: results are saved, read back and compared.
func TestBench(t *testing.T) {
	t.Parallel()
	saved := filepath.Join(t.TempDir(), "old.json")
	quick := []string{"parse", "--duration", "5ms", "--count", "1", "--dir", t.TempDir()}
	out, code := runBenchApp(t, append(quick, "--save", saved, "-o", "json")...)
	var r bench.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK || !measured(r, "parse/text", "parse/json-any", "parse/known-text", "parse/known-json") || r.Machine.Go == "" || r.Machine.SyncsPerS <= 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	if out, code = runBenchApp(t, append(quick, "--only", "known-(text|json)$")...); code != exitOK || !strings.Contains(out, "known-json") || strings.Contains(out, "tags") || strings.Contains(out, "json-any") {
		t.Errorf("exit code %d: %s", code, out)
	}
	out, code = runBenchApp(t, append(quick, "--compare", saved)...)
	if code != exitOK || !strings.Contains(out, "parse/json-any") || !strings.Contains(out, "RATE TO OLD") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for _, bad := range [][]string{{"parse", "--compare", "missing.json"}, {"parse", "--count", "0"}, {"parse", "-o", "xml"}, {"parse", "--only", "("}, {"parse", "--only", "ingest"}} {
		if out, code := runBenchApp(t, bad...); code != exitUsage {
			t.Errorf("%v: exit code %d: %s", bad, code, out)
		}
	}
}

// measured says that a report has rows of these names.
func measured(r bench.Report, names ...string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(r.Results, func(one bench.Result) bool { return one.Name == name && one.Ops > 0 }) {
			return false
		}
	}
	return true
}

// TestBenchIngest: a daemon is started, fed, verified, measured and stopped.
func TestBenchIngest(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("nexusctl")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	stages := bench.Ingest(bench.Child{Executable: self, Dir: dir}, false)[:1]
	results, err := bench.Measure(ctx, stages, 200*time.Millisecond, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if r.Ops == 0 || r.CPUSPerMillion <= 0 || r.LogBytesPerOp <= 0 || r.Verify == nil || !r.Verify.OK || r.Verify.Expected != r.Ops {
		t.Errorf("%+v", r)
	}
	if r.Sink == nil || r.Sink.PerSecond <= 0 || r.Sink.Rate <= 0 || r.Sink.Rate > 2 {
		t.Errorf("beside a sink: %+v", r.Sink)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
