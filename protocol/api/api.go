// Package api is what server and clients say to each other over HTTP: the
// bodies, as Go types, and the routes. It has no behaviour but the checks that
// belong to a body itself.
package api

import "fmt"

// Routes.
const (
	Health         = "/health"
	Ready          = "/ready"
	Exposition     = "/metrics"
	LedgerPath     = "/api/v1/ledger"
	MetricsPath    = "/api/v1/metrics"
	PromQuery      = "/prometheus/api/v1/query"
	PromQueryRange = "/prometheus/api/v1/query_range"
)

// Ledger is the accounting law in one answer, in units since the store's
// creation.
type Ledger struct {
	Received   uint64            `json:"received"`
	Stored     uint64            `json:"stored"`
	Pending    uint64            `json:"pending"`
	Rejected   map[string]uint64 `json:"rejected"`
	Shed       map[string]uint64 `json:"shed"`
	Dead       uint64            `json:"dead"`
	Lost       uint64            `json:"lost"`
	Duplicates uint64            `json:"duplicates"`
}

// Accounted returns what the terms say was received.
func (l Ledger) Accounted() uint64 {
	return l.Stored + l.Pending + l.Dead + l.Lost + Sum(l.Rejected) + Sum(l.Shed)
}

// Check returns an error that names the difference where the law is broken.
func (l Ledger) Check() error {
	if a := l.Accounted(); a != l.Received {
		return fmt.Errorf("the ledger is broken: received %d, accounted for %d", l.Received, a)
	}
	return nil
}

// Sum adds up the counts of all reasons.
func Sum(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Status is the answer of health and readiness.
type Status struct {
	Status  string   `json:"status"`
	Version string   `json:"version"`
	Reasons []Reason `json:"reasons,omitempty"`
	// Role is "leader" of the daemon that does the store's periodic work, and
	// "follower" of the others.
	Role string `json:"role,omitempty"`
	// Silent are the other daemons of the store that have stored nothing for a
	// minute, by their log's UUID.
	Silent []string `json:"silent,omitempty"`
}

// Reason says why the daemon is not ready: a fixed code, and words.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// IngestResult is the verdict on a body of metrics. Index counts the units of
// the body from 0.
type IngestResult struct {
	Accepted int         `json:"accepted"`
	Rejected []Rejection `json:"rejected"`
}

// Rejection is one refused unit.
type Rejection struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// Metric is one series and its newest value: a counter's total, a gauge's
// value, the mean of a distribution's newest bucket, the members of a set's.
type Metric struct {
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Tags      map[string]string `json:"tags"`
	Last      *float64          `json:"last"`
	UpdatedAt float64           `json:"updated_at"` // Unix seconds
}

// MetricPage is one page of series.
type MetricPage struct {
	Data       []Metric `json:"data"`
	NextCursor string   `json:"next_cursor"`
}

// MetricDetail is everything of one name.
type MetricDetail struct {
	Name        string   `json:"name"`
	Types       []string `json:"types"`
	Description string   `json:"description,omitempty"`
	Unit        string   `json:"unit,omitempty"`
	Series      []Metric `json:"series"`
}

// Description is what people say of a metric: the body of a PUT, without the
// name, and its answer.
type Description struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description"`
	Unit        string `json:"unit"`
}

// Deletion says what a DELETE did, or would do.
type Deletion struct {
	Name   string `json:"name"`
	Series int    `json:"series"` // deleted, or that match
	DryRun bool   `json:"dry_run,omitempty"`
	More   bool   `json:"more,omitempty"` // some are left: ask again
}

// History is one value a step for every series of a name.
type History struct {
	Name   string          `json:"name"`
	Step   float64         `json:"step"` // seconds
	Agg    string          `json:"agg,omitempty"`
	By     []string        `json:"by,omitempty"` // tags by which series are put together
	Series []HistorySeries `json:"series"`
}

// HistorySeries is one series' values: [Unix seconds, value]. Where they are
// estimates, of percentiles and of sets, they are within RelativeError of the exact
// ones, as a share of them.
type HistorySeries struct {
	Type          string            `json:"type"`
	Tags          map[string]string `json:"tags"`
	RelativeError float64           `json:"relative_error,omitempty"`
	Points        [][2]float64      `json:"points"`
}

// Problem is an error as RFC 9457 has it, with the field it is about, the rule
// that was broken and what to do.
type Problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Code     string `json:"code,omitempty"` // for programs, where the status does not tell enough
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	Field    string `json:"field,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Fix      string `json:"fix,omitempty"`
}

// ReloadResult says what a reload of the settings did: which keys took effect,
// and which wait for the next start.
type ReloadResult struct {
	Changed []string `json:"changed"`
	Waiting []string `json:"waiting_for_restart"`
}

// Setting is one setting of a daemon, secrets hidden.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Layer  string `json:"layer"`
	Origin string `json:"origin,omitempty"`
	Live   bool   `json:"live"`
}

// SettleRequest names dead letters by their files; none means all.
type SettleRequest struct {
	Files []string `json:"files,omitempty"`
}

// Settlement is what became of dead letters: how many there were, of how many
// units, and how many units the same flush refused, which are dead anew.
type Settlement struct {
	Letters int    `json:"letters"`
	Units   uint64 `json:"units"`
	Refused uint64 `json:"refused"`
}

// The admin socket, in the data directory, and its routes. Only the daemon's
// own user can open it.
const (
	AdminSocket   = "admin.sock"
	AdminReload   = "/reload"
	AdminSettings = "/settings"
	AdminLogLevel = "/log/level"
	AdminReplay   = "/dead-letters/replay"
	AdminDrop     = "/dead-letters/drop"
)
