package gateway

import "sync"

// maxMetadata bounds the metrics of which something is known; what is said of
// further ones is not kept.
const maxMetadata = 50_000

// maxHelp bounds a description, in bytes.
const maxHelp = 1 << 10

// Metadata is what senders said of their metrics, by the name that PromQL
// shows. It lives as long as the process: senders say it again all the time.
type Metadata struct {
	mu    sync.RWMutex
	known map[string]About
}

// About is what a sender said of one metric.
type About struct {
	Type string // as Prometheus has it: "counter", "gauge", "histogram" …
	Help string
	Unit string
}

// NewMetadata returns a Metadata that knows nothing.
func NewMetadata() *Metadata { return &Metadata{known: map[string]About{}} }

// Set keeps what was said last.
func (m *Metadata) Set(name string, a About) {
	if name == "" || a == (About{}) || m.Of(name) == a {
		return
	}
	a.Help = a.Help[:min(len(a.Help), maxHelp)]
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.known[name]; known || len(m.known) < maxMetadata {
		m.known[name] = a
	}
}

// Of returns what is known of a metric.
func (m *Metadata) Of(name string) About {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[name]
}

// Each calls f for every metric of which something is known.
func (m *Metadata) Each(f func(name string, a About)) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for name, a := range m.known {
		f(name, a)
	}
}
