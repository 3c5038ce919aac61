package slo

import (
	"errors"
	"fmt"
	"time"
)

// Period is a stretch of time that is reported on, with the days of its zone.
type Period struct {
	Label      string
	Start, End time.Time // [Start, End), in UTC
	Zone       *time.Location
	month      time.Time // wall time of a month's first; zero for other periods
}

// Month is a calendar month of the zone.
func Month(year int, month time.Month, zone *time.Location) Period {
	return monthOf(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC), zone)
}

// ParseMonth reads a calendar month, "2026-10".
func ParseMonth(s string, zone *time.Location) (Period, error) {
	first, err := time.Parse("2006-01", s)
	if err != nil || first.Year() < 1970 {
		return Period{}, fmt.Errorf(`%q: not a month such as "2026-10"`, clip(s))
	}
	return monthOf(first, zone), nil
}

func monthOf(first time.Time, zone *time.Location) Period {
	return Period{
		Label: first.Format("2006-01"),
		Start: instant(first, zone), End: instant(addMonths(first, 1), zone),
		Zone: zone, month: first,
	}
}

// maxPeriod bounds a period to a leap year, in a zone whose clocks changed.
const maxPeriod = 366*day + day

// Between is any other period. It has no months before it.
func Between(start, end time.Time, zone *time.Location) (Period, error) {
	if !start.Before(end) {
		return Period{}, errors.New("the period ends before it begins")
	}
	if end.Sub(start) > maxPeriod {
		return Period{}, errors.New("the period is longer than a year")
	}
	label := start.In(zone).Format(time.DateOnly) + " to " + end.In(zone).Format(time.DateOnly)
	return Period{Label: label, Start: start.UTC(), End: end.UTC(), Zone: zone}, nil
}

// Length is the time from the start to the end, as it passes.
func (p Period) Length() time.Duration { return p.End.Sub(p.Start) }

// Before is the n months before a month, oldest first; none for other periods.
func (p Period) Before(n int) []Period {
	if p.month.IsZero() {
		return nil
	}
	months := make([]Period, 0, n)
	for back := n; back > 0; back-- {
		months = append(months, monthOf(addMonths(p.month, -back), p.Zone))
	}
	return months
}

// localDay is a day of the zone as far as it lies in a period.
type localDay struct {
	date       string
	start, end time.Time
}

// days cuts [start, end) at the midnights of the zone. A day that the zone
// skipped has no length and is left out.
func days(start, end time.Time, zone *time.Location) []localDay {
	var found []localDay
	for date := midnight(wallOf(start, zone)); start.Before(end); {
		next := date.AddDate(0, 0, 1)
		until := instant(next, zone)
		if until.After(end) {
			until = end
		}
		if start.Before(until) {
			found = append(found, localDay{date.Format(time.DateOnly), start, until})
			start = until
		}
		date = next
	}
	return found
}
