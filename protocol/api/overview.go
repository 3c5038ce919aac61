package api

// Routes of the overview and of the objectives.
const (
	OverviewPath = "/api/v1/overview"
	SLOsPath     = "/api/v1/slos"
)

// Overview is the daemon at one glance: what `nexusctl top` shows. Rates and
// percentiles are of the last Golden.WindowS seconds.
type Overview struct {
	At     float64      `json:"at"` // Unix seconds
	Server Server       `json:"server"`
	Golden Golden       `json:"golden"`
	SLOs   []SLO        `json:"slos"`
	Alerts []Alert      `json:"alerts"`
	Series []BusySeries `json:"series"` // busiest first
	Ledger Ledger       `json:"ledger"`
	// Offenders are names beyond a budget of series, the worst first; empty where
	// there is none.
	Offenders []Offender `json:"offenders"`
	Reasons   []Reason   `json:"reasons"` // why the daemon is not ready; empty where it is
}

// Server is which daemon answers.
type Server struct {
	Version string  `json:"version"`
	UptimeS float64 `json:"uptime_s"`
	Store   string  `json:"store"` // "sqlite" or "postgres"
	Lanes   int     `json:"lanes"`
	Series  int     `json:"series"` // known to the process
}

// Golden is the four golden signals, and the last minute of some of them.
type Golden struct {
	WindowS    float64    `json:"window_s"`
	Latency    Latencies  `json:"latency"`
	Traffic    Traffic    `json:"traffic"`
	Errors     Errors     `json:"errors"`
	Saturation Saturation `json:"saturation"`
	History    Recent     `json:"history"`
}

// Latencies are those of HTTP requests and of ingest, from the last byte read
// to logged and folded; nil where nothing was measured in the window.
type Latencies struct {
	HTTP   *Latency `json:"http"`
	Ingest *Latency `json:"ingest"`
}

// Latency is percentiles in milliseconds, over Count observations.
type Latency struct {
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Count uint64  `json:"count"`
}

// Traffic is what comes in, a second.
type Traffic struct {
	Metrics     float64 `json:"metrics"` // units received
	Bytes       float64 `json:"bytes"`
	Requests    float64 `json:"requests"`
	Connections int64   `json:"connections"` // open now
}

// Errors is what goes wrong, a second; Ratio is answers of 500 and above among
// all HTTP requests, 0 to 1.
type Errors struct {
	Rejected float64 `json:"rejected"`
	Shed     float64 `json:"shed"`
	Requests float64 `json:"requests"`
	Ratio    float64 `json:"ratio"`
}

// Saturation is how full the daemon and its machine are. A limit of 0 is not
// known.
type Saturation struct {
	CPU         float64 `json:"cpu"` // of all cores, 0 to 1
	Cores       int     `json:"cores"`
	MemoryBytes uint64  `json:"memory_bytes"` // resident
	MemoryLimit uint64  `json:"memory_limit"`
	Queue       float64 `json:"queue"`   // fullest lane's queue, 0 to 1
	Waiting     int     `json:"waiting"` // generations not in the store yet
	LogBytes    int64   `json:"log_bytes"`
	DiskFree    uint64  `json:"disk_free"` // of the data directory's file system
	DiskTotal   uint64  `json:"disk_total"`
	FDs         int     `json:"fds"`
	FDLimit     int     `json:"fd_limit"`
}

// Recent is the recent past, oldest first, a value every StepS seconds; a
// series shorter than the others is younger.
type Recent struct {
	StepS   float64   `json:"step_s"`
	Metrics []float64 `json:"metrics"` // units a second
	P99     []float64 `json:"p99"`     // HTTP, milliseconds; 0 where nothing was asked
	Errors  []float64 `json:"errors"`  // rejected, shed and failed requests, a second
	CPU     []float64 `json:"cpu"`     // 0 to 1
}

// SLO is one objective and how it stands. Ratios are of events, 0 to 1 but for
// budgets, which can be overdrawn, and burn rates.
type SLO struct {
	Name            string  `json:"name"`
	Description     string  `json:"description,omitempty"`
	Target          string  `json:"target"` // percent, exact, such as "99.9"
	Window          string  `json:"window"` // "30d", "month"
	State           string  `json:"state"`  // "met", "breached", "no_data"
	Good            float64 `json:"good"`   // events in the window
	Total           float64 `json:"total"`
	SLI             string  `json:"sli"` // percent, never rounded across the target; "" without data
	BudgetEvents    float64 `json:"budget_events"`
	BudgetRemaining float64 `json:"budget_remaining"` // 1 untouched, below 0 overdrawn
	Burn            []Burn  `json:"burn"`             // short windows first
	// ExhaustionS is when the budget is gone at the burn rate of the last
	// hour, seconds from now; nil where it is not burning.
	ExhaustionS  *float64 `json:"exhaustion_s"`
	Completeness float64  `json:"completeness"` // share of the window with data, 0 to 1
}

// SLOList is every objective.
type SLOList struct {
	Data []SLO `json:"data"`
}

// Burn is the burn rate over one window; 1 spends the budget in just its time.
type Burn struct {
	Window string  `json:"window"` // "5m", "1h", "6h", "3d"
	Rate   float64 `json:"rate"`
	Total  float64 `json:"total"` // events in it
}

// Alert is a rule that is pending or firing.
type Alert struct {
	Name     string  `json:"name"`
	Severity string  `json:"severity"`
	State    string  `json:"state"`
	Since    float64 `json:"since"` // Unix seconds
	Summary  string  `json:"summary"`
}

// BusySeries is a series that many samples come for.
type BusySeries struct {
	Name  string            `json:"name"`
	Type  string            `json:"type"`
	Tags  map[string]string `json:"tags"`
	Rate  float64           `json:"rate"` // samples a second, over the last whole bucket
	Last  *float64          `json:"last"`
	Spark []float64         `json:"spark"` // a value a bucket, oldest first
}
