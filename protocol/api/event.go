package api

// EventsPath lists events and service checks.
const EventsPath = "/api/v1/events"

// Event is one event or service check. Kind is "event" or "check"; Status is info,
// success, warning or error of the one, ok, warning, critical or unknown of the
// other; Priority is normal or low. A check's Title is its name.
type Event struct {
	At        float64           `json:"at"` // Unix seconds
	Kind      string            `json:"kind"`
	Status    string            `json:"status"`
	Priority  string            `json:"priority"`
	Title     string            `json:"title"`
	Text      string            `json:"text"`
	Host      string            `json:"host,omitempty"`
	Key       string            `json:"key,omitempty"`
	Source    string            `json:"source,omitempty"`
	Container string            `json:"container,omitempty"`
	Tags      map[string]string `json:"tags"`
}

// EventPage is one page of events, the newest first. It may be short, and empty,
// and have a next one all the same.
type EventPage struct {
	Data       []Event `json:"data"`
	NextCursor string  `json:"next_cursor"`
}
