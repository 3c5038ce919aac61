package slo

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Report is an objective over a period, as it is stored, sent and rendered. It
// holds nothing but what the source's counts imply: of a period that is over, the
// same data give the same bytes whenever it is made.
type Report struct {
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	Target       Target          `json:"target"`
	Window       string          `json:"window"` // of the objective; the report judges the period
	Period       PeriodView      `json:"period"`
	Compliance   Compliance      `json:"compliance"`
	Budget       BudgetView      `json:"budget"`
	Projected    *BudgetView     `json:"projected,omitempty"` // while the period is not over
	Days         []DayView       `json:"days"`
	WorstDay     string          `json:"worst_day,omitempty"` // the one that consumed most
	Completeness CompletenessLog `json:"completeness"`
	History      []PastMonth     `json:"history"` // oldest first
}

// PeriodView is the time of a report.
type PeriodView struct {
	Label    string    `json:"label"`
	TimeZone string    `json:"time_zone"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	AsOf     time.Time `json:"as_of"` // up to where it was judged
	Complete bool      `json:"complete"`
	Hours    float64   `json:"hours"`
}

// DayView is a local day of a report.
type DayView struct {
	Date         string      `json:"date"`
	Hours        float64     `json:"hours"` // 23 or 25 where clocks change, less where the period cuts the day
	Events       EventCounts `json:"events"`
	State        State       `json:"state"`
	SLI          *float64    `json:"sli"`
	SLIPrinted   string      `json:"sli_printed"`
	BurnRate     *float64    `json:"burn_rate"`
	Consumed     *float64    `json:"consumed_fraction"`   // of the report's budget, on this day
	Cumulative   *float64    `json:"cumulative_fraction"` // of the report's budget, up to this day's end
	Completeness float64     `json:"completeness"`
}

// CompletenessLog tells for how much of the time there are data.
type CompletenessLog struct {
	Fraction       float64   `json:"fraction"`
	MissingSeconds float64   `json:"missing_seconds"`
	Days           []DataGap `json:"days"` // those below 1
}

// DataGap is a day that was not recorded whole.
type DataGap struct {
	Date           string  `json:"date"`
	Fraction       float64 `json:"fraction"`
	MissingSeconds float64 `json:"missing_seconds"`
}

// PastMonth is a month before that of the report.
type PastMonth struct {
	Label            string      `json:"label"`
	Start            time.Time   `json:"start"`
	End              time.Time   `json:"end"`
	State            State       `json:"state"`
	SLI              *float64    `json:"sli"`
	SLIPrinted       string      `json:"sli_printed"`
	Events           EventCounts `json:"events"`
	ConsumedFraction *float64    `json:"consumed_fraction"`
	Completeness     float64     `json:"completeness"`
}

// MaxHistory is how many months before its own a report tells of.
const MaxHistory = 6

// ErrNotBegun reports a period that lies ahead.
var ErrNotBegun = errors.New("the period has not begun")

// Build makes the report of a period, with as many months of history as asked
// for, MaxHistory at most. A period that is not over is judged up to now. The
// source is asked once.
func Build(ctx context.Context, src Source, o Objective, p Period, history int, now time.Time) (Report, error) {
	now = now.UTC()
	if !p.Start.Before(now) {
		return Report{}, fmt.Errorf("report of %s: %s: %w", o.Name, p.Label, ErrNotBegun)
	}
	b := builder{objective: o, period: p, until: p.End}
	if now.Before(p.End) {
		b.until = now
	}
	b.days = days(p.Start, b.until, p.Zone)
	b.past = p.Before(max(0, min(history, MaxHistory)))
	var err error
	if b.timeline, err = counts(ctx, src, o, b.bounds()); err != nil {
		return Report{}, fmt.Errorf("report of %s: %w", p.Label, err)
	}
	b.whole = b.timeline.between(p.Start, b.until)
	return b.report(), nil
}

// builder holds what the parts of a report are made from.
type builder struct {
	objective Objective
	period    Period
	until     time.Time
	days      []localDay
	past      []Period
	timeline  timeline
	whole     Slot
	budget    Budgets
}

func (b *builder) bounds() []time.Time {
	moments := []time.Time{b.period.Start, b.until}
	for _, m := range b.past {
		moments = append(moments, m.Start, m.End)
	}
	for _, d := range b.days {
		moments = append(moments, d.start, d.end)
	}
	return risingBounds(moments)
}

func (b *builder) report() Report {
	o, e := b.objective, b.whole.Events
	elapsed := b.until.Sub(b.period.Start)
	complete := b.until.Equal(b.period.End)
	basis := WholePeriod
	var projected *Budgets
	if !complete {
		basis = ToDate
		p := ProjectedBudgets(o.Target, e, elapsed, b.period.Length())
		projected = &p
	}
	b.budget = BudgetsOf(o.Target, e, basis, elapsed)
	r := Report{
		Name: o.Name, Description: o.Description, Target: o.Target, Window: o.Window.String(),
		Period: PeriodView{
			Label: b.period.Label, TimeZone: b.period.Zone.String(),
			Start: b.period.Start, End: b.period.End, AsOf: b.until, Complete: complete,
			Hours: hours(b.period.Length()),
		},
		Compliance: complianceOf(o.Target, e),
		Budget:     budgetOf(b.budget), Projected: projectedOf(projected),
		History: b.history(),
	}
	r.Days, r.WorstDay, r.Completeness = b.daily(elapsed)
	return r
}

func (b *builder) daily(elapsed time.Duration) (views []DayView, worst string, log CompletenessLog) {
	var sum Slot
	most := new(big.Rat)
	views, log.Days = []DayView{}, []DataGap{}
	for _, d := range b.days {
		slot, length := b.timeline.between(d.start, d.end), d.end.Sub(d.start)
		sum = sum.Add(slot)
		view := b.day(d, slot, sum.Events)
		views = append(views, view)
		if bad := slot.Events.Bad(); bad.Cmp(most) > 0 {
			most, worst = bad, d.date
		}
		if missing := length - slot.Covered; missing > 0 {
			log.Days = append(log.Days, DataGap{d.date, view.Completeness, missing.Seconds()})
		}
	}
	log.Fraction = *float(completeness(sum.Covered, elapsed))
	log.MissingSeconds = (elapsed - sum.Covered).Seconds()
	return views, worst, log
}

func (b *builder) day(d localDay, slot Slot, sum Events) DayView {
	t, e, length := b.objective.Target, slot.Events, d.end.Sub(d.start)
	c := complianceOf(t, e)
	allowed := b.budget.Events.Total
	return DayView{
		Date: d.date, Hours: hours(length), Events: c.Events,
		State: c.State, SLI: c.SLI, SLIPrinted: c.SLIPrinted,
		BurnRate:     float(BurnRate(t, e.ErrorRatio())),
		Consumed:     float(Budget{allowed, e.Bad()}.ConsumedFraction()),
		Cumulative:   float(Budget{allowed, sum.Bad()}.ConsumedFraction()),
		Completeness: *float(completeness(slot.Covered, length)),
	}
}

func (b *builder) history() []PastMonth {
	months := []PastMonth{}
	for _, m := range b.past {
		slot := b.timeline.between(m.Start, m.End)
		c := complianceOf(b.objective.Target, slot.Events)
		budget := BudgetsOf(b.objective.Target, slot.Events, WholePeriod, m.Length())
		months = append(months, PastMonth{
			Label: m.Label, Start: m.Start, End: m.End,
			State: c.State, SLI: c.SLI, SLIPrinted: c.SLIPrinted, Events: c.Events,
			ConsumedFraction: float(budget.Events.ConsumedFraction()),
			Completeness:     *float(completeness(slot.Covered, m.Length())),
		})
	}
	return months
}

func hours(d time.Duration) float64 { return *float(SpanOf(d).Hours()) }
