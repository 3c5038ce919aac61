package bench

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"example.com/nexusctl/protocol/api"
)

// What the daemon says of itself.
const (
	logMetric    = "nexus_log_appended_bytes_total "
	framesMetric = "nexus_log_frames_total "
	takenMetric  = `nexus_ingest_duration_seconds_bucket{le="`
)

// usage is what a daemon has used so far.
type usage struct {
	cpu    time.Duration
	logged float64 // bytes
	frames float64
	taken  []bucket
}

// bucket counts the chunks that took as many seconds at most from their last byte
// to the tables.
type bucket struct{ le, count float64 }

// used asks the daemon and the system what it has used.
func (d *daemon) used(ctx context.Context) (u usage, err error) {
	cpu, err := processCPU(d.cmd.Process.Pid)
	if err != nil {
		return u, err
	}
	b, err := d.get(ctx, api.Exposition)
	if err != nil {
		return u, err
	}
	u, err = readUsage(b)
	u.cpu = cpu
	return u, err
}

// readUsage reads an exposition.
func readUsage(b []byte) (u usage, err error) {
	u.logged, u.frames = -1, -1
	for line := range bytes.Lines(b) {
		text := strings.TrimSpace(string(line))
		if rest, ok := strings.CutPrefix(text, logMetric); ok {
			u.logged, err = strconv.ParseFloat(rest, 64)
		} else if rest, ok := strings.CutPrefix(text, framesMetric); ok {
			u.frames, err = strconv.ParseFloat(rest, 64)
		} else if rest, ok := strings.CutPrefix(text, takenMetric); ok {
			err = u.bucket(rest)
		}
		if err != nil {
			return u, fmt.Errorf("%s: %q: %w", api.Exposition, text, err)
		}
	}
	if u.logged < 0 || u.frames < 0 || len(u.taken) == 0 {
		return u, fmt.Errorf("%s has not all of %s, %s and %s", api.Exposition, logMetric, framesMetric, takenMetric)
	}
	return u, nil
}

// bucket reads what follows takenMetric: a bound, in seconds, and a count.
func (u *usage) bucket(rest string) error {
	bound, count, _ := strings.Cut(rest, `"} `)
	le, err := strconv.ParseFloat(bound, 64)
	if err != nil {
		return err
	}
	n, err := strconv.ParseFloat(count, 64)
	u.taken = append(u.taken, bucket{le, n})
	return err
}

// Latency is a time in milliseconds. Of lines it is from a chunk's last byte to the
// tables, as exact as the daemon's buckets are: within one it is taken to be even. Of
// requests it is from when one was due to its answer's last byte, and has P95 and Max.
type Latency struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95,omitempty"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max,omitempty"`
}

// latency returns what lies between two readings; nil where nothing does.
func latency(before, after []bucket) *Latency {
	between := make([]bucket, len(after))
	for i, b := range after {
		between[i] = b
		if i < len(before) {
			between[i].count -= before[i].count
		}
	}
	if len(between) == 0 || between[len(between)-1].count == 0 {
		return nil
	}
	return &Latency{P50: 1e3 * quantile(between, 0.5), P99: 1e3 * quantile(between, 0.99)}
}

// quantile interpolates within the bucket. Beyond the last finite bound it
// returns that bound.
func quantile(buckets []bucket, q float64) float64 {
	rank := q * buckets[len(buckets)-1].count
	var low bucket
	for i, b := range buckets {
		if b.count >= rank {
			if i == len(buckets)-1 || b.count == low.count {
				return low.le
			}
			return low.le + (b.le-low.le)*(rank-low.count)/(b.count-low.count)
		}
		low = b
	}
	return low.le
}
