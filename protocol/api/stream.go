package api

// StreamPath tells what changes, as server-sent events.
const StreamPath = "/api/v1/stream"

// StreamSample is the data of an event `sample`: values as of a second. Whole says
// that it has every series that is watched, else it has those that changed.
type StreamSample struct {
	At     int64    `json:"at"` // Unix seconds
	Whole  bool     `json:"whole,omitempty"`
	Series []Metric `json:"series"`
}

// StreamHealth is the data of an event `health`.
type StreamHealth struct {
	Status  string   `json:"status"` // ready, not_ready
	Reasons []Reason `json:"reasons"`
}

// StreamGap is the data of an event `gap`: the seconds behind From, up to To, are not
// told. Reason is window, slow, late or unknown_id.
type StreamGap struct {
	From   int64  `json:"from"` // Unix seconds
	To     int64  `json:"to"`
	Reason string `json:"reason"`
}

// StreamEnd is the data of the last event, `end`. Reason is stopping or
// too_many_series.
type StreamEnd struct {
	Reason string `json:"reason"`
}
