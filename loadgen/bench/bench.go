// Package bench measures the stages of the daemon one by one, and the whole of
// it as a process of its own, on the machine it runs on. A figure is of no use
// without the machine, so a report names both.
package bench

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/nexusctl/loadgen"
)

// Report is what a run of the benchmarks says.
type Report struct {
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
	Compare []Ratio  `json:"compare,omitempty"`
}

// Machine is what the figures were measured on. Zero is what is not known.
type Machine struct {
	CPU         string  `json:"cpu"`
	Wide        string  `json:"wide"` // the widest instructions that are used: avx512, avx2 or none
	Cores       int     `json:"cores"`
	GOMAXPROCS  int     `json:"gomaxprocs"`
	OS          string  `json:"os"`
	Arch        string  `json:"arch"`
	Kernel      string  `json:"kernel"`
	Go          string  `json:"go"`
	MemoryBytes uint64  `json:"memory_bytes"`
	SyncMS      float64 `json:"sync_ms"` // of 4 KiB to the disk, the median of several
	SyncsPerS   float64 `json:"syncs_per_second"`
}

// Result is one benchmark. An operation is a line, or a value folded.
type Result struct {
	Name           string  `json:"name"`
	Ops            int64   `json:"ops"`
	NsPerOp        float64 `json:"ns_per_op"`
	PerSecond      float64 `json:"per_second"`
	CPUSPerMillion float64 `json:"cpu_s_per_million"` // of the side that is measured

	AllocsPerOp     *float64 `json:"allocs_per_op,omitempty"`
	AllocBytesPerOp *float64 `json:"alloc_bytes_per_op,omitempty"`
	LineBytes       float64  `json:"line_bytes,omitempty"`
	Series          int      `json:"series,omitempty"`
	BytesPerSeries  float64  `json:"bytes_per_series,omitempty"`

	SenderCPUSPerMillion float64          `json:"sender_cpu_s_per_million,omitempty"`
	LogBytesPerOp        float64          `json:"log_bytes_per_op,omitempty"`
	LogFramesPerOp       float64          `json:"log_frames_per_op,omitempty"`
	LatencyMS            *Latency         `json:"latency_ms,omitempty"`
	BesideLines          float64          `json:"beside_lines_per_second,omitempty"` // that came in meanwhile
	Sink                 *Beside          `json:"sink,omitempty"`
	Verify               *loadgen.Verdict `json:"verify,omitempty"`
}

// Stage is one thing to measure, for about a time.
type Stage struct {
	Name string
	Run  func(ctx context.Context, length time.Duration) (Result, error)
}

// Measure runs every stage count times and returns, of each, the run whose time
// is the median. before is told of every run, and may be nil.
func Measure(ctx context.Context, stages []Stage, length time.Duration, count int, before func(stage string, run int)) ([]Result, error) {
	var results []Result
	for _, s := range stages {
		var runs []Result
		for i := range count {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if before != nil {
				before(s.Name, i+1)
			}
			r, err := s.Run(ctx, length)
			if err != nil {
				return nil, fmt.Errorf("bench %s: %w", s.Name, err)
			}
			r.Name = s.Name
			runs = append(runs, r)
		}
		results = append(results, median(runs))
	}
	return results, nil
}

// median returns the middle run, the faster of two.
func median(runs []Result) Result {
	slices.SortFunc(runs, func(a, b Result) int { return cmp.Compare(a.NsPerOp, b.NsPerOp) })
	return runs[(len(runs)-1)/2]
}

// slice is about how long steps run between two looks at the clock.
const slice = 10 * time.Millisecond

// loop runs step until length is over: step(n) makes n operations.
func loop(ctx context.Context, length time.Duration, step func(n int)) Result {
	n := calibrate(step)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := loadgen.CPUTime(), time.Now()
	ops := int64(0)
	for ops == 0 || (time.Since(start) < length && ctx.Err() == nil) {
		step(n)
		ops += int64(n)
	}
	took, used := time.Since(start), loadgen.CPUTime()-cpu
	runtime.ReadMemStats(&after)
	allocs := float64(after.Mallocs-before.Mallocs) / float64(ops)
	bytes := float64(after.TotalAlloc-before.TotalAlloc) / float64(ops)
	return Result{
		Ops: ops, NsPerOp: float64(took) / float64(ops), PerSecond: float64(ops) / took.Seconds(),
		CPUSPerMillion: used.Seconds() / float64(ops) * 1e6,
		AllocsPerOp:    rounded(allocs), AllocBytesPerOp: rounded(bytes),
	}
}

// rounded drops what the runtime allocates beside us.
func rounded(v float64) *float64 {
	r := float64(int64(v*100+0.5)) / 100
	return &r
}

// calibrate returns how many operations take about a slice. It warms up too.
func calibrate(step func(n int)) int {
	for n := 1024; ; n *= 2 {
		start := time.Now()
		step(n)
		if time.Since(start) >= slice/2 {
			return n
		}
	}
}

// Ratio compares one result with an older one; above 1 is more.
type Ratio struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"cpu_s_per_million"`
	P95       float64 `json:"p95,omitempty"` // of requests
	P99       float64 `json:"p99,omitempty"`
}

// Compare returns the ratios of the results that both have, now to old.
func Compare(old, now []Result) (ratios []Ratio) {
	for _, n := range now {
		i := slices.IndexFunc(old, func(o Result) bool { return o.Name == n.Name })
		if i < 0 || old[i].PerSecond == 0 {
			continue
		}
		r := Ratio{Name: n.Name, PerSecond: n.PerSecond / old[i].PerSecond}
		if old[i].CPUSPerMillion > 0 {
			r.CPU = n.CPUSPerMillion / old[i].CPUSPerMillion
		}
		if o, l := old[i].LatencyMS, n.LatencyMS; o != nil && l != nil && o.P95 > 0 && o.P99 > 0 {
			r.P95, r.P99 = l.P95/o.P95, l.P99/o.P99
		}
		ratios = append(ratios, r)
	}
	return ratios
}

// CPUModel returns the processor's name where the system tells it in a file.
func CPUModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
