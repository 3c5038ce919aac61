package slo

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Window is the time over which an objective is judged: a rolling one, which
// ends now, or one of the calendar, which tile the time of a zone.
//
// Each bound of the calendar is computed from the anchor, never from the bound
// before, in the wall time of the zone: windows from 31 January end on 28
// February and then on 31 March, and a month with a change of clocks is an hour
// longer or shorter.
type Window struct {
	written      string
	length       time.Duration // of a rolling window, else 0
	anchor       time.Time     // wall time, as if in UTC
	months, days int           // one step of the calendar
	zone         *time.Location
}

// maxRolling bounds a rolling window to a leap year.
const maxRolling = 366 * day

// ParseWindow reads a rolling window, a number with the unit d or h such as
// "28d", or one of the calendar: "week", which begins on Monday, "month",
// "quarter" or "year". A rolling day is 24 hours. An empty zone is UTC.
func ParseWindow(s, zone string) (Window, error) {
	location, err := ParseZone(zone)
	if err != nil {
		return Window{}, err
	}
	w := Window{written: s, zone: location, anchor: newYear1970}
	switch s {
	case "week":
		w.anchor, w.days = monday1970, 7
	case "month":
		w.months = 1
	case "quarter":
		w.months = 3
	case "year":
		w.months = 12
	default:
		w.length, err = parseRolling(s)
	}
	if err != nil {
		return Window{}, fmt.Errorf("%q: %w", clip(s), err)
	}
	return w, nil
}

var (
	newYear1970 = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	monday1970  = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC)

	errWindow = errors.New(`not "week", "month", "quarter", "year", or a number with d or h up to 366d`)
)

func parseRolling(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > 5 || s[0] == '0' || !digits(s[:len(s)-1]) {
		return 0, errWindow
	}
	unit := map[byte]time.Duration{'d': day, 'h': time.Hour}[s[len(s)-1]]
	n, err := strconv.Atoi(s[:len(s)-1])
	length := time.Duration(n) * unit
	if err != nil || length == 0 || length > maxRolling {
		return 0, errWindow
	}
	return length, nil
}

// maxMonths bounds the step of an anchored window to a century.
const maxMonths = 1200

// ParseAnchored reads windows of n months that begin at a wall time of the
// zone, "2026-01-31 00:00:00".
func ParseAnchored(anchor string, months int, zone string) (Window, error) {
	location, err := ParseZone(zone)
	if err != nil {
		return Window{}, err
	}
	wall, err := time.Parse(time.DateTime, anchor)
	if err != nil || wall.Nanosecond() != 0 {
		return Window{}, fmt.Errorf(`%q: not a local time such as "2026-01-31 00:00:00"`, clip(anchor))
	}
	if months < 1 || months > maxMonths {
		return Window{}, fmt.Errorf("%d months: not 1 to %d", months, maxMonths)
	}
	written := fmt.Sprintf("%d months from %s", months, anchor)
	return Window{written: written, anchor: wall, months: months, zone: location}, nil
}

// String is the window as it was written.
func (w Window) String() string { return w.written }

// Zone is the time zone of the window's calendar, and of reports.
func (w Window) Zone() *time.Location {
	if w.zone == nil {
		return time.UTC
	}
	return w.zone
}

// Rolling says that the window ends now, not at a date.
func (w Window) Rolling() bool { return w.length > 0 }

// Bounds is the window [start, end) that now lies in. A rolling window ends at
// now. Both are in UTC.
func (w Window) Bounds(now time.Time) (start, end time.Time) {
	if w.Rolling() {
		return now.Add(-w.length).UTC(), now.UTC()
	}
	return w.At(w.index(now))
}

// At is the k-th window of the calendar, counted from the anchor: [bound k,
// bound k+1). A rolling window has no k-th one, and is empty.
func (w Window) At(k int) (start, end time.Time) { return w.bound(k), w.bound(k + 1) }

func (w Window) bound(k int) time.Time {
	wall := addMonths(w.anchor, k*w.months).AddDate(0, 0, k*w.days)
	return instant(wall, w.Zone())
}

// index finds the window of a moment. The first guess, by the reading of the
// clocks, is off by one where the anchor is not at a month's beginning.
func (w Window) index(now time.Time) int {
	k := w.guess(wallOf(now, w.Zone()))
	for w.bound(k).After(now) {
		k--
	}
	for !w.bound(k + 1).After(now) {
		k++
	}
	return k
}

func (w Window) guess(wall time.Time) int {
	if w.days > 0 {
		return int((wall.Unix() - w.anchor.Unix()) / int64(day/time.Second) / int64(w.days))
	}
	months := (wall.Year()-w.anchor.Year())*12 + int(wall.Month()-w.anchor.Month())
	return months / w.months
}
