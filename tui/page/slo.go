package page

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/widget"
)

// Burn rates worth a look and worth a page: 1 spends the budget in its time,
// 14.4 spends a thirtieth of a month's in an hour.
const (
	burnWarn = 1
	burnBad  = 14.4
)

var burnWindows = [...]string{"5m", "1h", "6h", "3d"}

// The columns of the objectives.
const (
	sloName = iota
	sloState
	sloSLI
	sloTarget
	sloBar
	sloBudget
	sloBurn5m
	sloBurn1h
	sloBurn6h
	sloBurn3d
	sloLeft
	sloWindow
	sloEvents
	sloData
	sloAbout
)

// sloColumns are all; the last four want a wide terminal.
var sloColumns = []widget.Column{
	sloName:   {Head: "OBJECTIVE", Width: 12, Grow: 2, Max: 32, Keep: 20},
	sloState:  {Head: "STATE", Width: 10, Keep: 19},
	sloSLI:    {Head: "SLI", Keep: 18, Right: true},
	sloTarget: {Head: "TARGET", Keep: 16, Right: true},
	sloBar:    {Head: "", Width: 6, Grow: 1, Max: 20, Keep: 8},
	sloBudget: {Head: "BUDGET ", Width: 7, Keep: 17, Right: true},
	sloBurn5m: {Head: "5m ", Width: 5, Keep: 12, Right: true},
	sloBurn1h: {Head: "1h ", Width: 5, Keep: 14, Right: true},
	sloBurn6h: {Head: "6h ", Width: 5, Keep: 13, Right: true},
	sloBurn3d: {Head: "3d ", Width: 5, Keep: 11, Right: true},
	sloLeft:   {Head: "GONE IN", Width: 7, Keep: 15, Right: true},
	sloWindow: {Head: "WINDOW", Width: 7, Keep: 7, Right: true},
	sloEvents: {Head: "EVENTS", Width: 8, Keep: 6, Right: true},
	sloData:   {Head: "DATA", Width: 6, Keep: 5, Right: true},
	sloAbout:  {Head: "ABOUT", Width: 12, Grow: 4, Keep: 4},
}

// worstFirst orders the objectives by what needs a look: breached, then by the
// budget left, then those without data.
func worstFirst(slos []api.SLO) []int {
	rows := make([]int, len(slos))
	for i := range rows {
		rows[i] = i
	}
	rank := map[string]int{"breached": 0, "met": 1}
	at := func(state string) int {
		if r, ok := rank[state]; ok {
			return r
		}
		return 2
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		return cmp.Or(cmp.Compare(at(slos[a].State), at(slos[b].State)),
			cmp.Compare(slos[a].BudgetRemaining, slos[b].BudgetRemaining))
	})
	return rows
}

func (v *View) sloNote() []widget.Span {
	counts := map[string]int{}
	for _, s := range v.Data.SLOs {
		counts[s.State]++
	}
	style := v.Theme.Good
	if counts["breached"] > 0 {
		style = v.Theme.Bad
	}
	text := fmt.Sprintf("%d met, %d breached", counts["met"], counts["breached"])
	if n := len(v.Data.SLOs) - counts["met"] - counts["breached"]; n > 0 {
		text += fmt.Sprintf(", %d without data", n)
	}
	return []widget.Span{{Text: text, Style: style}}
}

func (v *View) sloList(a area) widget.List {
	if len(v.objectives) == 0 {
		return widget.List{Total: 1, Line: func(int) string { return v.caption(a.w, "no objectives are defined") }}
	}
	columns := v.sloWidths(a.w)
	widths := widget.Columns(columns, a.w)
	l := widget.List{Total: len(v.objectives), Line: func(i int) string {
		return v.sloRow(a.w, widths, &v.Data.SLOs[v.objectives[i]])
	}}
	if a.boxed || a.h > 1 {
		l.Head = []string{widget.Row(a.w, widget.Cells(widths, func(i, w int) []widget.Span {
			return []widget.Span{{Text: sloColumns[i].Align(sloColumns[i].Head, w), Style: v.Theme.Dim}}
		})...)}
	}
	return l
}

// sloWidths gives the exact figures the room they need, for they must not be
// cut, and the names more of it on wide terminals.
func (v *View) sloWidths(w int) []widget.Column {
	const sample, most = 200, 12
	columns := slices.Clone(sloColumns)
	for _, i := range []int{sloSLI, sloTarget} {
		need := len(columns[i].Head)
		for _, at := range v.objectives[:min(len(v.objectives), sample)] {
			text, _ := sloCell(&v.Data.SLOs[at], i)
			need = max(need, min(widget.Width(text), most))
		}
		columns[i].Width = need
	}
	if w >= 104 {
		columns[sloName].Width, columns[sloBar].Width = 20, 10
	}
	return columns
}

func (v *View) sloRow(w int, widths []int, s *api.SLO) string {
	return widget.Row(w, widget.Cells(widths, func(i, w int) []widget.Span {
		if i == sloBar {
			return v.budgetBar(s, w)
		}
		text, l := sloCell(s, i)
		style := v.style(l)
		if i == sloState && s.State == "met" {
			style = v.Theme.Good
		}
		return []widget.Span{{Text: sloColumns[i].Align(text, w), Style: style}}
	})...)
}

func sloCell(s *api.SLO, column int) (string, level) {
	switch column {
	case sloName:
		return s.Name, calm
	case sloState:
		return sloStateText(s.State)
	case sloSLI:
		if s.SLI == "" {
			return widget.None, calm
		}
		return s.SLI + "%", calm
	case sloTarget:
		return s.Target + "%", calm
	case sloBudget:
		return budgetText(s)
	case sloBurn5m, sloBurn1h, sloBurn6h, sloBurn3d:
		return burnText(s.Burn, burnWindows[column-sloBurn5m])
	case sloLeft:
		return leftText(s)
	}
	return sloDetail(s, column), calm
}

// sloDetail is the columns of wide terminals.
func sloDetail(s *api.SLO, column int) string {
	switch column {
	case sloWindow:
		return s.Window
	case sloEvents:
		return widget.Count(s.Total)
	case sloData:
		return widget.Percent(s.Completeness)
	}
	return s.Description
}

func sloStateText(state string) (string, level) {
	switch state {
	case "met":
		return signGood + " met", calm
	case "breached":
		return signBad + " breached", bad
	case "no_data":
		return signUnknown + " no data", warn
	}
	return signUnknown + " " + state, warn
}

func budgetLevel(s *api.SLO) level {
	switch {
	case s.State != "met" && s.State != "breached":
		return calm
	case s.BudgetRemaining <= 0:
		return bad
	case s.BudgetRemaining < 0.25:
		return warn
	}
	return calm
}

func budgetText(s *api.SLO) (string, level) {
	if s.State == "no_data" {
		return widget.None + calm.sign(), calm
	}
	l := budgetLevel(s)
	return widget.Percent(s.BudgetRemaining) + l.sign(), l
}

func (v *View) budgetBar(s *api.SLO, w int) []widget.Span {
	used, rest := widget.Gauge(s.BudgetRemaining, w)
	if s.State == "no_data" {
		used, rest = "", widget.Fit("", w)
	}
	style := v.style(budgetLevel(s))
	if budgetLevel(s) == calm {
		style = v.Theme.Good
	}
	return []widget.Span{{Text: used, Style: style}, {Text: rest, Style: v.Theme.Dim}}
}

// burnText has a cell for the sign always, so that the digits stand in line.
func burnText(burns []api.Burn, window string) (string, level) {
	for _, b := range burns {
		if b.Window != window {
			continue
		}
		l := over(b.Rate, burnWarn, burnBad)
		text := widget.Count(b.Rate)
		if b.Rate >= 999.5 {
			text = ">999" // fits the column, and says enough
		}
		return text + l.sign(), l
	}
	return widget.None + calm.sign(), calm
}

// leftText is when the budget is gone; it may be gone already.
func leftText(s *api.SLO) (string, level) {
	switch {
	case s.BudgetRemaining <= 0 && s.State == "breached":
		return "gone", bad
	case s.ExhaustionS == nil || math.IsNaN(*s.ExhaustionS):
		return widget.None, calm
	}
	l := calm
	if *s.ExhaustionS < 3*86400 {
		l = warn
	}
	if *s.ExhaustionS < 6*3600 {
		l = bad
	}
	return widget.Age(*s.ExhaustionS), l
}
