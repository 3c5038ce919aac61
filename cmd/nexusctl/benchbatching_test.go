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

// TestBenchBatching: daemons run with the settings, and batches of one make a
// frame of each line, where the default shares them.
func TestBenchBatching(t *testing.T) {
	t.Parallel()
	self, err := exec.LookPath("nexusctl")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	var stages []bench.Stage
	for _, s := range bench.Batching(bench.Child{Executable: self, Dir: dir}) {
		if s.Name == "batching/steady-200k/adaptive" || s.Name == "batching/steady-200k/fixed-1" {
			stages = append(stages, s)
		}
	}
	results, err := bench.Measure(ctx, stages, 200*time.Millisecond, 1, nil)
	if err != nil || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	adaptive, one := results[0], results[1]
	if one.LogFramesPerOp < 1 || adaptive.LogFramesPerOp <= 0 || adaptive.LogFramesPerOp > 0.5 {
		t.Errorf("%v frames a line in batches of one, %v by default", one.LogFramesPerOp, adaptive.LogFramesPerOp)
	}
	for _, r := range results {
		if r.LatencyMS == nil || r.LatencyMS.P50 <= 0 || r.LatencyMS.P99 < r.LatencyMS.P50 || r.Verify == nil || !r.Verify.OK {
			t.Errorf("%+v", r)
		}
	}
	var out strings.Builder
	if err := batchingTable(bench.Report{Results: results}).print(&out, "table"); err != nil || !strings.Contains(out.String(), "FRAMES/LINE") || !strings.Contains(out.String(), "steady-200k/fixed-1") {
		t.Errorf("%v: %s", err, out.String())
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
