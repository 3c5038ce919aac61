package slo_test

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"example.com/nexusctl/slo"
)

// memory is a source over a list of events. It fails on demand.
type memory struct {
	events  []event
	outages []outage // while the platform did not record
	fail    error
	calls   int
}

type event struct {
	at     time.Time
	good   bool
	weight *big.Rat
}

type outage struct{ from, to time.Time }

func (m *memory) Counts(_ context.Context, _ slo.Objective, bounds []time.Time) ([]slo.Slot, error) {
	m.calls++
	if m.fail != nil {
		return nil, m.fail
	}
	slots := make([]slo.Slot, len(bounds)-1)
	for i := range slots {
		from, to := bounds[i], bounds[i+1]
		if !from.Before(to) {
			return nil, fmt.Errorf("bounds %v and %v do not rise", from, to)
		}
		slots[i] = slo.Slot{Events: m.count(from, to), Covered: to.Sub(from) - m.down(from, to)}
	}
	return slots, nil
}

func (m *memory) count(from, to time.Time) slo.Events {
	e := slo.Count(0, 0)
	for _, v := range m.events {
		if v.at.Before(from) || !v.at.Before(to) {
			continue
		}
		e.Total.Add(e.Total, v.weight)
		if v.good {
			e.Good.Add(e.Good, v.weight)
		}
	}
	return e
}

func (m *memory) down(from, to time.Time) time.Duration {
	var sum time.Duration
	for _, o := range m.outages {
		start, end := o.from, o.to
		if start.Before(from) {
			start = from
		}
		if end.After(to) {
			end = to
		}
		sum += max(0, end.Sub(start))
	}
	return sum
}

// add puts n events at a moment, some of them bad.
func (m *memory) add(at time.Time, n, bad int64) {
	m.events = append(m.events, event{at, true, big.NewRat(n-bad, 1)}, event{at, false, big.NewRat(bad, 1)})
}

func objective(t interface{ Fatal(...any) }, aim, window, zone string) slo.Objective {
	o, err := slo.Definition{
		Name: "api-availability", Description: "Requests answered without a server error",
		Target: aim, Window: window, TimeZone: zone,
		Ratio: &slo.Ratio{Good: slo.Selectors{"good"}, Total: slo.Selectors{"total"}},
	}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return o
}
