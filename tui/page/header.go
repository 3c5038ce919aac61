package page

import (
	"fmt"
	"math"
	"strings"
	"time"

	"example.com/nexusctl/tui/theme"
	"example.com/nexusctl/tui/widget"
)

// Signs that stand beside a colour, for those who do not see it.
const (
	signGood    = "✓"
	signWarn    = "▲"
	signBad     = "✗"
	signUnknown = "○"
)

// level is how bad a figure is.
type level int

const (
	calm level = iota
	warn
	bad
)

// over grades a figure by what is worth a look and what is worth getting up.
func over(v, warnAt, badAt float64) level {
	switch {
	case v >= badAt:
		return bad
	case v >= warnAt:
		return warn
	}
	return calm
}

func (v *View) style(l level) theme.Style {
	return [...]theme.Style{v.Theme.Text, v.Theme.Warn, v.Theme.Bad}[l]
}

func (l level) sign() string { return [...]string{" ", signWarn, signBad}[l] }

func one(keep int, text string, s theme.Style) widget.Segment {
	return widget.Segment{Keep: keep, Spans: []widget.Span{{Text: text, Style: s}}}
}

// Stale reports whether what is shown is not what the daemon says now: the
// last request failed, or has not been answered for too long.
func (v *View) Stale() bool {
	return v.Err != "" || !v.Paused && v.age() > max(3*v.Interval, 5*time.Second)
}

func (v *View) age() time.Duration { return max(v.Now.Sub(v.Got), 0) }

// top is the header and the banners.
func (v *View) top(w, h int) []string {
	lines := []string{v.header(w)}
	if v.Stale() {
		lines = append(lines, v.staleBanner(w))
	}
	if len(v.Data.Reasons) > 0 {
		lines = append(lines, v.reasonBanner(w))
	}
	if len(v.Data.Alerts) > 0 && len(lines) < 3 {
		lines = append(lines, v.alertBanner(w))
	}
	if len(v.Data.Offenders) > 0 && len(lines) < 3 {
		lines = append(lines, v.offenderBanner(w))
	}
	return lines
}

// offenderBanner names who has more series than a budget grants.
func (v *View) offenderBanner(w int) string {
	o := v.Data.Offenders[0]
	text := fmt.Sprintf(" %s TOO MANY SERIES %s beyond %s", signWarn, o.Name, o.Limit)
	if o.TagKey != "" {
		text += ", tag " + o.TagKey
	}
	if len(o.Sources) > 0 {
		text += ", from " + strings.TrimSpace(o.Sources[0].Address+" on "+o.Sources[0].Listener)
	}
	text += fmt.Sprintf(": %s turned into an overflow series", widget.Count(float64(o.Distinct)))
	if n := len(v.Data.Offenders); n > 1 {
		text += fmt.Sprintf(" (and %d names more)", n-1)
	}
	return widget.Row(w, widget.Span{Text: text, Style: v.Theme.Warn})
}

func (v *View) header(w int) string {
	t, s := v.Theme, v.Data.Server
	state := one(9, "● connected", t.Good)
	if v.Stale() {
		state = one(9, "○ stale", t.Bad)
	}
	left := []widget.Segment{
		one(10, " nexusctl", t.Brand), state, one(5, v.Server, t.Text), one(3, s.Version, t.Dim),
		one(4, "up "+widget.Age(s.UptimeS), t.Text),
		one(2, fmt.Sprintf("%s, %s", s.Store, plural(s.Lanes, "lane")), t.Text),
		one(2, plural(s.Series, "series"), t.Text),
	}
	right := []widget.Segment{one(6, v.clock()+" ", t.Dim)}
	switch {
	case v.Paused:
		right = append([]widget.Segment{one(8, "PAUSED "+widget.Age(v.age().Seconds()), t.Warn)}, right...)
	case v.Interval > 0:
		right = append([]widget.Segment{one(8, "every "+v.Interval.String(), t.Dim)}, right...)
	}
	return widget.Ends(w, 2, left, right)
}

// clock is when the data is of, in the time zone of the one who looks.
func (v *View) clock() string {
	return unixTime(v.Data.At).In(v.Now.Location()).Format(time.TimeOnly)
}

func unixTime(s float64) time.Time {
	if math.IsNaN(s) || math.Abs(s) > 1e11 {
		return time.Unix(0, 0)
	}
	return time.UnixMilli(int64(s * 1000))
}

func plural(n int, noun string) string {
	text := widget.Count(float64(n)) + " " + noun
	if n != 1 && noun != "series" {
		text += "s"
	}
	return text
}

// staleBanner says how old the data is and why; when it is asked for again
// stays in sight however long the reason is.
func (v *View) staleBanner(w int) string {
	text := fmt.Sprintf(" %s STALE, %s old: ", signBad, widget.Age(v.age().Seconds()))
	if v.Err == "" {
		return v.alarm(w, text+"no answer yet")
	}
	retry := ""
	if wait := v.Retry.Sub(v.Now); wait > 0 {
		retry = "  retry in " + widget.Age(math.Ceil(wait.Seconds())) + " "
	}
	return v.alarm(w, widget.Fit(text+v.Err, w-widget.Width(retry))+retry)
}

func (v *View) reasonBanner(w int) string {
	r := v.Data.Reasons[0]
	return v.alarm(w, fmt.Sprintf(" %s NOT READY %s: %s%s", signBad, r.Code, r.Detail, more(len(v.Data.Reasons))))
}

func (v *View) alertBanner(w int) string {
	a := v.Data.Alerts[0]
	text := fmt.Sprintf(" %s ALERT %s %s, %s for %s: %s%s", signWarn, a.Name, a.Severity, a.State,
		widget.Age(v.Data.At-a.Since), a.Summary, more(len(v.Data.Alerts)))
	return widget.Row(w, widget.Span{Text: text, Style: v.Theme.Warn})
}

func more(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" (and %d more: 5)", n-1)
}

func (v *View) alarm(w int, text string) string {
	return widget.Row(w, widget.Span{Text: widget.Fit(text, w), Style: v.Theme.Alarm})
}
