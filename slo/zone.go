package slo

import (
	"errors"
	"fmt"
	"time"

	// A report has to come out the same on a machine without zone files.
	_ "time/tzdata"
)

// maxZoneText bounds the name of a zone; the longest of the database has 32.
const maxZoneText = 64

// ParseZone finds a time zone by its name in the IANA database. Empty is UTC;
// the machine's own zone is refused, since a report must not depend on where it
// is made.
func ParseZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" || len(name) > maxZoneText {
		return nil, fmt.Errorf("%q: %w", clip(name), errZone)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", clip(name), errZone)
	}
	return zone, nil
}

var errZone = errors.New(`not a time zone such as "UTC" or "Europe/Berlin"`)

// reach is further than any zone has been from UTC, and so short that clocks
// change once in its double at most.
const reach = 16 * time.Hour

// instant is the moment at which clocks of the zone show the wall time, given
// as a time in UTC with the same reading. A reading that comes twice is meant
// the first time; one that is skipped is counted with the offset before the
// gap, so that a skipped midnight is the moment at which the day begins.
//
// time.Date leaves both cases open, and Time.ZoneBounds is wrong at the end of
// leap years beyond a zone's table, so that this tries the offsets themselves.
func instant(wall time.Time, zone *time.Location) time.Time {
	before, after := offset(wall.Add(-reach), zone), offset(wall.Add(reach), zone)
	for _, o := range []time.Duration{before, after} {
		if at := wall.Add(-o); offset(at, zone) == o {
			return at
		}
	}
	return wall.Add(-before)
}

// offset is how far the zone's clocks are ahead of UTC at the moment.
func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// wallOf is the reading of the zone's clocks at the moment, as a time in UTC.
func wallOf(t time.Time, zone *time.Location) time.Time {
	return t.UTC().Add(offset(t, zone))
}

// midnight is the day of a wall time, as a wall time.
func midnight(wall time.Time) time.Time {
	return time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC)
}

// addMonths keeps the day of the month, or takes the month's last where it has
// no such day; time.AddDate would run on into the next month.
func addMonths(wall time.Time, n int) time.Time {
	first := time.Date(wall.Year(), wall.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	clock := wall.Sub(midnight(wall))
	return first.AddDate(0, 0, min(wall.Day(), last)-1).Add(clock)
}
