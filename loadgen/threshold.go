package loadgen

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Thresholds are what a run must keep. A zero field asks nothing.
type Thresholds struct {
	P95, P99  time.Duration // of the latency, at the most
	MinRate   MinRate
	MaxMissed *int64
}

// MinRate is the least rate: in sends a second, or as a share of the target.
type MinRate struct{ Rate, Share float64 }

// ParseMinRate reads "900k" as a rate and "0.99" or "99%" as a share: a number
// of 1 or less, without a unit, is a share.
func ParseMinRate(s string) (MinRate, error) {
	if percent, ok := strings.CutSuffix(s, "%"); ok {
		v, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(v > 0 && v <= 100) {
			return MinRate{}, fmt.Errorf("%q is no share from 0 to 100%%", s)
		}
		return MinRate{Share: v / 100}, nil
	}
	if v, err := strconv.ParseFloat(s, 64); err == nil && v > 0 && v <= 1 {
		return MinRate{Share: v}, nil
	}
	r, err := ParseRate(s)
	return MinRate{Rate: r}, err
}

// Failures says of each threshold that the result does not keep which it is and
// by how much.
func (t Thresholds) Failures(r Result) (failures []string) {
	latency := func(name string, found float64, limit time.Duration) {
		if limit > 0 && found > float64(limit)/float64(time.Millisecond) {
			failures = append(failures, fmt.Sprintf("--max-%s: %.3f ms, the limit is %s", name, found, limit))
		}
	}
	latency("p95", r.LatencyMS.P95, t.P95)
	latency("p99", r.LatencyMS.P99, t.P99)
	least := max(t.MinRate.Rate, t.MinRate.Share*r.TargetRate)
	if least > 0 && r.Rate < least {
		failures = append(failures, fmt.Sprintf("--min-rate: %.0f a second, the least is %.0f", r.Rate, least))
	}
	if t.MaxMissed != nil && r.Missed > *t.MaxMissed {
		failures = append(failures, fmt.Sprintf("--max-missed: %d sends were missed, the limit is %d", r.Missed, *t.MaxMissed))
	}
	return failures
}
