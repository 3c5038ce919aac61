package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/loadgen/bench"
)

// TestBenchAPI: a daemon is started, asked idle and beside a load that is verified,
// profiled and stopped.
func TestBenchAPI(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("nexusctl")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	results, err := bench.API(ctx, bench.Child{Executable: self, Dir: dir}, bench.APIOptions{Length: 200 * time.Millisecond, Rate: 50, Lines: 1000})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"floor", "point", "window", "list", "promql", "point-cold", "window-cold"}
	for i, name := range names {
		for k, state := range []string{"idle", "beside"} {
			r := results[len(names)*k+i]
			l := r.LatencyMS
			if r.Name != "api/"+name+"/"+state || r.Ops != 10 || l == nil || l.P50 <= 0 || l.P95 < l.P50 || l.P99 < l.P95 || l.Max < l.P99 || (r.BesideLines > 0) != (k == 1) {
				t.Errorf("%+v, %+v", r, l)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	table := strings.Join(apiTable(bench.Report{Results: results}).head, " ")
	if !strings.Contains(table, "P99 OVER IDLE MS") {
		t.Error(table)
	}
}

func TestBenchAPIUsage(t *testing.T) {
	for _, bad := range [][]string{{"api", "--duration", "0s"}, {"api", "--rate", "x"}, {"api", "--rate", "1M"}, {"api", "--lines", "0"}, {"api", "--series", "999"}, {"api", "--compare", "missing.json"}, {"api", "-o", "xml"}} {
		if out, code := runBenchApp(t, bad...); code != exitUsage {
			t.Errorf("%v: exit code %d: %s", bad, code, out)
		}
	}
}
