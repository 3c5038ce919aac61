package slo

import (
	"math/big"
	"time"
)

// The types of this file are what leaves the program as JSON. Counts and event
// budgets are exact. Ratios, rates and minutes are the nearest float64 of exact
// values, and null where there is none; whoever needs them exactly has the
// counts. Verdicts are never taken from them.

// EventCounts are counts as they are shown.
type EventCounts struct {
	Good        Amount  `json:"good"`
	Bad         Amount  `json:"bad"`
	Total       Amount  `json:"total"`
	Excess      Amount  `json:"excess,omitzero"` // good events beyond the total
	DataQuality Quality `json:"data_quality,omitempty"`
}

func countsOf(e Events) EventCounts {
	return EventCounts{AmountOf(e.Kept()), AmountOf(e.Bad()), AmountOf(e.All()), AmountOf(e.Excess()), e.Quality()}
}

// Compliance is the verdict on a stretch of time.
type Compliance struct {
	State      State       `json:"state"`
	SLI        *float64    `json:"sli"`         // a ratio
	SLIPrinted string      `json:"sli_printed"` // percent, never rounded over the target
	Events     EventCounts `json:"events"`
}

func complianceOf(t Target, e Events) Compliance {
	sli := e.SLI()
	return Compliance{t.Judge(e), float(sli), Printed(sli, t), countsOf(e)}
}

// BudgetView is a budget as it is shown.
type BudgetView struct {
	Basis             Basis         `json:"basis"`
	Events            EventBudgets  `json:"events"`
	Minutes           MinuteBudgets `json:"minutes"`
	ConsumedFraction  *float64      `json:"consumed_fraction"`
	RemainingFraction *float64      `json:"remaining_fraction"`
}

// EventBudgets are the exact numbers of a budget in events.
type EventBudgets struct {
	Total     Amount `json:"total"`
	Consumed  Amount `json:"consumed"`
	Remaining Amount `json:"remaining"`
}

// MinuteBudgets are the numbers of a budget in minutes.
type MinuteBudgets struct {
	Total     float64 `json:"total"`
	Consumed  float64 `json:"consumed"`
	Remaining float64 `json:"remaining"`
}

func budgetOf(b Budgets) BudgetView {
	events, minutes := b.Events, func(seconds *big.Rat) float64 { return *float(Span{seconds}.Minutes()) }
	return BudgetView{
		Basis:             b.Basis,
		Events:            EventBudgets{AmountOf(events.Total), AmountOf(events.Consumed), AmountOf(events.Remaining())},
		Minutes:           MinuteBudgets{minutes(b.Time.Total), minutes(b.Time.Consumed), minutes(b.Time.Remaining())},
		ConsumedFraction:  float(events.ConsumedFraction()),
		RemainingFraction: float(events.RemainingFraction()),
	}
}

func projectedOf(b *Budgets) *BudgetView {
	if b == nil {
		return nil
	}
	view := budgetOf(*b)
	return &view
}

// Summary is a Status as it is shown.
type Summary struct {
	Name         string      `json:"name"`
	Description  string      `json:"description,omitempty"`
	Target       Target      `json:"target"`
	Window       string      `json:"window"`
	TimeZone     string      `json:"time_zone"`
	At           time.Time   `json:"at"`
	Start        time.Time   `json:"start"`
	End          time.Time   `json:"end"`
	Compliance   Compliance  `json:"compliance"`
	Completeness *float64    `json:"completeness"`
	Budget       BudgetView  `json:"budget"`
	Projected    *BudgetView `json:"projected,omitempty"`
	Burns        []BurnView  `json:"burns"`
}

// BurnView is a Burn as it is shown.
type BurnView struct {
	Window            string      `json:"window"`
	Rate              *float64    `json:"rate"`
	Events            EventCounts `json:"events"`
	ExhaustionSeconds *float64    `json:"exhaustion_seconds"` // null where the budget is never empty
}

// Summary is the status for people and for JSON.
func (s Status) Summary() Summary {
	o := s.Objective
	view := Summary{
		Name: o.Name, Description: o.Description, Target: o.Target,
		Window: o.Window.String(), TimeZone: o.Window.Zone().String(),
		At: s.At, Start: s.Start, End: s.End,
		Compliance: complianceOf(o.Target, s.Events), Completeness: float(s.Completeness),
		Budget: budgetOf(s.Budget), Projected: projectedOf(s.Projected),
		Burns: []BurnView{},
	}
	for _, b := range s.Burns {
		burn := BurnView{Window: b.Label, Rate: float(b.Rate), Events: countsOf(b.Events)}
		if b.Exhaustion != nil {
			burn.ExhaustionSeconds = float(b.Exhaustion.Seconds())
		}
		view.Burns = append(view.Burns, burn)
	}
	return view
}
