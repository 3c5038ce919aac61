package loadgen

import "time"

// Result is a run in figures. Counts are values, as the ledger counts them: a
// line has one.
type Result struct {
	Sent       int64   `json:"sent"`
	Acked      int64   `json:"acked"` // of an acked run: what the daemon has acknowledged
	Bytes      int64   `json:"bytes"`
	DurationS  float64 `json:"duration_s"`
	Rate       float64 `json:"rate"`
	TargetRate float64 `json:"target_rate"` // on average; 0 where there is none
	// Missed counts sends that were due within the run and not made.
	Missed    int64     `json:"missed"`
	Errors    int64     `json:"errors"` // connections that failed
	LatencyMS LatencyMS `json:"latency_ms"`
	Verify    *Verdict  `json:"verify,omitempty"`

	// WriteMS is the time the writes themselves took: what a generator that
	// waits for its server would call latency.
	WriteMS LatencyMS `json:"write_ms"`
	// DrainMS is the time from the last write until the daemon had read all.
	DrainMS              float64  `json:"drain_ms"`
	Connections          int      `json:"connections"`
	SenderCPUS           float64  `json:"sender_cpu_s"`
	SenderCPUSPerMillion float64  `json:"sender_cpu_s_per_million"`
	Interrupted          bool     `json:"interrupted,omitempty"`
	Error                string   `json:"error,omitempty"`  // the first of Errors
	Failed               []string `json:"failed,omitempty"` // thresholds
}

// LatencyMS is the time from when a line was due to when the system had taken
// it, milliseconds. Sends that were missed count with the time they had waited.
type LatencyMS struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Verdict compares what was sent with what the daemon's ledger says.
type Verdict struct {
	OK         bool   `json:"ok"`
	Expected   int64  `json:"expected"`
	Stored     int64  `json:"stored"`             // stored or pending: in the daemon's keeping
	Lost       int64  `json:"lost"`               // not in its keeping, for whatever reason
	Duplicated int64  `json:"duplicated"`         // in its keeping and not sent by us
	Rejected   int64  `json:"rejected,omitempty"` // of those lost
	Shed       int64  `json:"shed,omitempty"`     // of those lost
	Fault      string `json:"fault,omitempty"`    // the ledger contradicts itself
}

// Progress is how far a run has come.
type Progress struct {
	Elapsed, Total time.Duration
	Sent, Due      int64
	Rate           float64 // since the progress before, a second
	TargetRate     float64 // now; 0 where there is none
}
