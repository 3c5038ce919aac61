package loadgen

import "time"

// Result is a run in figures. Counts are values, as the ledger counts them.
type Result struct {
	Sent       int64   `json:"sent"`
	Acked      int64   `json:"acked"`
	Bytes      int64   `json:"bytes"`
	DurationS  float64 `json:"duration_s"`
	Rate       float64 `json:"rate"`
	TargetRate float64 `json:"target_rate"`
	// Missed counts sends that were due within the run and not made.
	Missed    int64     `json:"missed"`
	Errors    int64     `json:"errors"`
	LatencyMS LatencyMS `json:"latency_ms"`
	Verify    *Verdict  `json:"verify,omitempty"`
}

// LatencyMS is the time from when a batch was due to when the system had taken
// it, milliseconds.
type LatencyMS struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Verdict compares what was sent with what the daemon's ledger says.
type Verdict struct {
	OK         bool  `json:"ok"`
	Expected   int64 `json:"expected"`
	Stored     int64 `json:"stored"` // stored or pending: in the daemon's keeping
	Lost       int64 `json:"lost"`
	Duplicated int64 `json:"duplicated"`
}

// Progress is how far a run has come.
type Progress struct {
	Elapsed, Total time.Duration
	Sent           int64
}
