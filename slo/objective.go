package slo

// Objective is a compiled Definition: what share of which events is to be good
// over which time.
type Objective struct {
	Name        string
	Description string
	Target      Target
	Window      Window

	// The indicator is one of these.
	Ratio     *Ratio
	Threshold *Limit
}

// Limit is a compiled Threshold: observations of the metric up to and including
// AtMost are good.
type Limit struct {
	Metric string
	AtMost float64
}
