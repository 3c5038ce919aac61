// Package telemetry exposes the daemon's own figures in Prometheus's format.
// Stages count for themselves; nothing here is on any hot path.
package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/nexusctl/daemon/ledger"
)

// Measure is one figure that a stage keeps: a name, a help text, a reading.
type Measure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() float64
}

// Label tells one figure of a family from the others.
type Label struct{ Name, Value string }

// Counter names a figure that only grows.
func Counter(name, help string, read func() float64, labels ...Label) Measure {
	return Measure{desc(name, help, labels), prometheus.CounterValue, read}
}

// Gauge names a figure that goes up and down.
func Gauge(name, help string, read func() float64, labels ...Label) Measure {
	return Measure{desc(name, help, labels), prometheus.GaugeValue, read}
}

func desc(name, help string, labels []Label) *prometheus.Desc {
	fixed := prometheus.Labels{}
	for _, l := range labels {
		fixed[l.Name] = l.Value
	}
	return prometheus.NewDesc(name, help, nil, fixed)
}

// Stages collects measures.
type Stages struct{ measures []Measure }

// NewStages returns a collector of the measures.
func NewStages(m []Measure) *Stages { return &Stages{measures: m} }

// Describe sends every measure's description.
func (s *Stages) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range s.measures {
		ch <- m.desc
	}
}

// Collect reads every measure.
func (s *Stages) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s.measures {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.read())
	}
}

// Terms is one answer of the ledger.
type Terms ledger.Statement

// Ledger collects the terms of the accounting law, of one moment together.
type Ledger struct{ read func() (Terms, error) }

// NewLedger returns a collector of what read answers.
func NewLedger(read func() (Terms, error)) *Ledger { return &Ledger{read: read} }

var (
	received = prometheus.NewDesc("nexus_metrics_received_total", "Units received since the store's creation.", nil, nil)
	stored   = prometheus.NewDesc("nexus_metrics_stored_total", "Units in the store.", nil, nil)
	pending  = prometheus.NewDesc("nexus_metrics_pending", "Units logged and not yet in the store.", nil, nil)
	rejected = prometheus.NewDesc("nexus_parse_errors_total", "Units rejected, by reason.", []string{"reason"}, nil)
	shed     = prometheus.NewDesc("nexus_metrics_shed_total", "Units received and not kept, by reason.", []string{"reason"}, nil)
	dead     = prometheus.NewDesc("nexus_metrics_dead", "Units that wait in dead letters.", nil, nil)
	lost     = prometheus.NewDesc("nexus_metrics_lost_total", "Units that repair had to cut from the log.", nil, nil)
	repeated = prometheus.NewDesc("nexus_metrics_duplicates_total", "Repeated units, outside those received.", nil, nil)
	breach   = prometheus.NewDesc("nexus_ledger_difference", "Received less accounted for: anything but 0 is a fault.", nil, nil)
)

// Describe sends every term's description.
func (l *Ledger) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{received, stored, pending, rejected, shed, dead, lost, repeated, breach} {
		ch <- d
	}
}

// Collect reads the ledger once and sends its terms.
func (l *Ledger) Collect(ch chan<- prometheus.Metric) {
	t, err := l.read()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(received, err)
		return
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	counter(received, t.Received)
	counter(stored, t.Stored)
	gauge(pending, float64(t.Pending))
	for reason, n := range t.Rejected {
		counter(rejected, n, reason)
	}
	for reason, n := range t.Shed {
		counter(shed, n, reason)
	}
	gauge(dead, float64(t.Dead))
	counter(lost, t.Lost)
	counter(repeated, t.Duplicates)
	gauge(breach, float64(int64(t.Received-ledger.Statement(t).Accounted())))
}
