package page

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/tui/theme"
	"example.com/nexusctl/tui/widget"
)

// The columns of the series.
const (
	seriesName = iota
	seriesType
	seriesRate
	seriesLast
	seriesTrend
	seriesTags
)

var seriesColumns = []widget.Column{
	seriesName:  {Head: "NAME", Width: 16, Grow: 4, Max: 60, Keep: 9},
	seriesType:  {Head: "TYPE", Width: 7, Keep: 3},
	seriesRate:  {Head: "RATE", Width: 7, Keep: 8, Right: true},
	seriesLast:  {Head: "LAST", Width: 7, Keep: 7, Right: true},
	seriesTrend: {Head: "TREND", Width: 8, Grow: 1, Max: 24, Keep: 6},
	seriesTags:  {Head: "TAGS", Width: 12, Grow: 3, Keep: 5},
}

// sorted is the sort that a column shows; -1 where it shows none.
func sorted(column int) Sort {
	switch column {
	case seriesName:
		return ByName
	case seriesType:
		return ByType
	case seriesRate:
		return ByRate
	case seriesLast:
		return ByLast
	}
	return -1
}

func (v *View) arrow() string {
	if v.Descending() {
		return "▼"
	}
	return "▲"
}

func (v *View) seriesNote() []widget.Span {
	spans := []widget.Span{{Text: "by " + v.Sort.String() + v.arrow(), Style: v.Theme.Sort}}
	if v.Filter != "" {
		found := widget.Exact(uint64(len(v.series))) + " of " + widget.Exact(uint64(len(v.Data.Series)))
		spans = append(spans, widget.Span{Text: "  /" + v.Filter + "/ " + found, Style: v.Theme.Note})
	}
	return spans
}

// seriesList is the table, two cells to the right of the mark.
func (v *View) seriesList(a area) widget.List {
	widths := widget.Columns(seriesColumns, a.w-2)
	l := widget.List{Total: len(v.series), Head: []string{v.seriesHead(a.w, widths)}}
	l.Line = func(i int) string {
		return v.seriesRow(a.w, widths, &v.Data.Series[v.series[i]], i == v.Cursor)
	}
	if l.Total == 0 {
		l.Total, l.Line = 1, func(int) string { return v.caption(a.w, "  "+v.noSeries()) }
	}
	return l
}

func (v *View) noSeries() string {
	if len(v.Data.Series) > 0 {
		return "no series matches /" + v.Filter + "/; esc clears the filter"
	}
	return "no series has samples yet"
}

func (v *View) seriesHead(w int, widths []int) string {
	return widget.Row(w, append([]widget.Span{{Text: "  "}}, widget.Cells(widths, func(i, w int) []widget.Span {
		c := seriesColumns[i]
		text, style := c.Head, v.Theme.Dim
		if sorted(i) == v.Sort {
			text, style = c.Head+v.arrow(), v.Theme.Sort
		}
		return []widget.Span{{Text: c.Align(text, w), Style: style}}
	})...)...)
}

func (v *View) seriesRow(w int, widths []int, s *api.BusySeries, selected bool) string {
	mark := "  "
	if selected {
		mark = "▸ "
	}
	spans := append([]widget.Span{{Text: mark, Style: v.Theme.Key}}, widget.Cells(widths, func(i, w int) []widget.Span {
		text, style := v.seriesCell(s, i, w)
		return []widget.Span{{Text: seriesColumns[i].Align(text, w), Style: style}}
	})...)
	if selected && v.Focus == Series {
		for i := range spans {
			spans[i].Style = v.Theme.Selected
		}
	}
	return widget.Row(w, spans...)
}

func (v *View) seriesCell(s *api.BusySeries, column, w int) (string, theme.Style) {
	switch column {
	case seriesName:
		return s.Name, v.Theme.Text
	case seriesType:
		return s.Type, v.Theme.Dim
	case seriesRate:
		return widget.Rate(s.Rate), v.Theme.Text
	case seriesLast:
		return lastText(s.Last), v.Theme.Text
	case seriesTrend:
		return widget.Spark(s.Spark, w, 0), v.Theme.Trend
	}
	return tagText(s.Tags), v.Theme.Dim
}

func lastText(last *float64) string {
	if last == nil {
		return widget.None
	}
	return widget.Count(*last)
}

// tagText is the tags in the order of their keys.
func tagText(tags map[string]string) string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(tags)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(k + ":" + tags[k])
	}
	return b.String()
}

// detail is a series in full: its name and tags uncut as far as the lines
// reach, its figures, and its trend as a chart.
func (v *View) detail(s *api.BusySeries, w, h int) []string {
	lines := []string{widget.Row(w, widget.Span{Text: strings.Repeat("─", w), Style: v.Theme.Border})}
	for _, line := range widget.Wrap(s.Name, w, max(1, h-3)) {
		lines = append(lines, widget.Row(w, widget.Span{Text: line, Style: v.Theme.Strong}))
	}
	figures := s.Type + "  " + widget.Rate(s.Rate) + "  last " + lastText(s.Last)
	if s.Last != nil {
		figures += " (" + strconv.FormatFloat(*s.Last, 'g', -1, 64) + ")"
	}
	lines = append(lines, widget.Row(w, widget.Span{Text: figures, Style: v.Theme.Text}))
	for _, line := range widget.Wrap(tagText(s.Tags), w, max(0, min(h-len(lines)-1, 4))) {
		lines = append(lines, widget.Row(w, widget.Span{Text: line, Style: v.Theme.Dim}))
	}
	if rows := h - len(lines); rows > 0 {
		for _, line := range widget.Area(s.Spark, w, rows, 0) {
			lines = append(lines, widget.Row(w, widget.Span{Text: line, Style: v.Theme.Trend}))
		}
	}
	return widget.Pad(lines, w, h)
}
