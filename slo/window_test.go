package slo_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/nexusctl/slo"
)

// zones change their clocks by an hour, by half an hour, at midnight, and by a
// whole day.
var zones = []string{
	"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Pacific/Apia",
	"America/Sao_Paulo", "Asia/Beirut", "Africa/Casablanca", "Asia/Kathmandu", "Antarctica/Troll", "Pacific/Kiritimati",
}

func utc(t interface{ Fatal(...any) }, s string) time.Time {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UTC()
}

func TestWindowBounds(t *testing.T) {
	for _, c := range []struct{ window, zone, now, start, end string }{
		{"7d", "", "2026-10-08T12:00:00Z", "2026-10-01T12:00:00Z", "2026-10-08T12:00:00Z"},
		{"36h", "Europe/Berlin", "2026-10-26T00:00:00Z", "2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z"},
		{"28d", "Europe/Berlin", "2026-11-01T00:00:00Z", "2026-10-04T00:00:00Z", "2026-11-01T00:00:00Z"},
		{"week", "", "2026-10-08T12:00:00Z", "2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z"},
		{"week", "", "2026-10-05T00:00:00Z", "2026-10-05T00:00:00Z", "2026-10-12T00:00:00Z"},
		{"week", "", "2026-10-04T23:59:59Z", "2026-09-28T00:00:00Z", "2026-10-05T00:00:00Z"},
		{"week", "Europe/Berlin", "2026-10-20T12:00:00Z", "2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"week", "", "1969-12-31T00:00:00Z", "1969-12-29T00:00:00Z", "1970-01-05T00:00:00Z"},
		{"month", "Europe/Berlin", "2026-10-31T23:30:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"},
		{"month", "Europe/Berlin", "2026-10-31T22:30:00Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"},
		{"month", "Pacific/Apia", "2011-12-15T00:00:00Z", "2011-12-01T10:00:00Z", "2011-12-31T10:00:00Z"},
		{"quarter", "America/New_York", "2026-11-15T00:00:00Z", "2026-10-01T04:00:00Z", "2027-01-01T05:00:00Z"},
		{"year", "Europe/Berlin", "2040-12-31T12:00:00Z", "2039-12-31T23:00:00Z", "2040-12-31T23:00:00Z"},
		{"month", "America/New_York", "2041-01-01T04:59:59Z", "2040-12-01T05:00:00Z", "2041-01-01T05:00:00Z"},
		{"year", "", "2028-02-29T00:00:00Z", "2028-01-01T00:00:00Z", "2029-01-01T00:00:00Z"},
	} {
		w, err := slo.ParseWindow(c.window, c.zone)
		if err != nil {
			t.Errorf("%s: %v", c.window, err)
			continue
		}
		start, end := w.Bounds(utc(t, c.now))
		if !start.Equal(utc(t, c.start)) || !end.Equal(utc(t, c.end)) {
			t.Errorf("%s %s at %s: %v to %v, want %s to %s", c.window, c.zone, c.now, start, end, c.start, c.end)
		}
	}
}

// TestClockChanges states what a wall time means that comes twice, or never.
func TestClockChanges(t *testing.T) {
	for _, c := range []struct{ what, anchor, zone, start string }{
		{"skipped, an hour: the offset before holds", "2026-03-29 02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"},
		{"twice: the first", "2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"},
		{"twice, half an hour: the first", "2026-04-05 01:45:00", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"},
		{"skipped midnight: the day's beginning", "2018-11-04 00:00:00", "America/Sao_Paulo", "2018-11-04T03:00:00Z"},
		{"skipped day: the beginning of the next", "2011-12-30 00:00:00", "Pacific/Apia", "2011-12-30T10:00:00Z"},
		{"the day after it", "2011-12-31 00:00:00", "Pacific/Apia", "2011-12-30T10:00:00Z"},
	} {
		w, err := slo.ParseAnchored(c.anchor, 1, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if start, _ := w.At(0); !start.Equal(utc(t, c.start)) {
			t.Errorf("%s: %v, want %s", c.what, start, c.start)
		}
	}
}

func TestParseWindowRefuses(t *testing.T) {
	for _, c := range []struct{ window, zone string }{
		{"", ""}, {"0d", ""}, {"367d", ""}, {"8785h", ""}, {"07d", ""}, {"7", ""}, {"d", ""}, {"-7d", ""}, {"7m", ""},
		{"7 d", ""}, {"1.5d", ""}, {"Month", ""}, {"99999h", ""}, {"month ", ""}, {"٧d", ""},
		{"month", "Local"}, {"month", "Europe/Nowhere"}, {"month", "../../etc/passwd"}, {"7d", "Mars"},
	} {
		if w, err := slo.ParseWindow(c.window, c.zone); err == nil {
			t.Errorf("%q in %q was read as %v", c.window, c.zone, w)
		}
	}
	for _, anchor := range []string{"", "2026-02-30 00:00:00", "2026-01-01", "2026-01-01 00:00:00.5"} {
		if _, err := slo.ParseAnchored(anchor, 1, ""); err == nil {
			t.Errorf("the anchor %q was read", anchor)
		}
	}
	if _, err := slo.ParseAnchored("2026-01-01 00:00:00", 0, ""); err == nil {
		t.Error("0 months were taken")
	}
}

func anyMoment() *rapid.Generator[time.Time] {
	first, last := time.Date(1970, 1, 10, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(first, last).Draw(t, "now"), 0).UTC()
	})
}

func anyCalendar() *rapid.Generator[slo.Window] {
	return rapid.Custom(func(t *rapid.T) slo.Window {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		named := rapid.SampledFrom([]string{"week", "month", "quarter", "year", ""}).Draw(t, "window")
		var w slo.Window
		var err error
		if named != "" {
			w, err = slo.ParseWindow(named, zone)
		} else {
			anchor := anyMoment().Draw(t, "anchor").Format(time.DateTime)
			w, err = slo.ParseAnchored(anchor, rapid.IntRange(1, 24).Draw(t, "months"), zone)
		}
		if err != nil {
			t.Fatal(err)
		}
		return w
	})
}

// TestWindowsTile: every moment lies in its window, and the windows beside it
// begin and end where it does.
func TestWindowsTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, now := anyCalendar().Draw(t, "w"), anyMoment().Draw(t, "now")
		start, end := w.Bounds(now)
		if now.Before(start) || !now.Before(end) {
			t.Fatalf("%v is not in [%v, %v)", now, start, end)
		}
		if _, before := w.Bounds(start.Add(-1)); !before.Equal(start) {
			t.Fatalf("the window before ends at %v, this one begins at %v", before, start)
		}
		if after, _ := w.Bounds(end); !after.Equal(end) {
			t.Fatalf("the next window begins at %v, this one ends at %v", after, end)
		}
	})
}

// TestBoundsShowTheAnchor: a bound's reading on the zone's clocks is the
// anchor's, on its day or the month's last, but where the clocks never showed it.
func TestBoundsShowTheAnchor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		anchor := anyMoment().Draw(t, "anchor")
		w, err := slo.ParseAnchored(anchor.Format(time.DateTime), 1, zone)
		if err != nil {
			t.Fatal(err)
		}
		start, _ := w.At(rapid.IntRange(-300, 300).Draw(t, "k"))
		shown := start.In(w.Zone())
		lastDay := shown.AddDate(0, 0, 1).Month() != shown.Month()
		if shown.Format(time.TimeOnly) == anchor.Format(time.TimeOnly) && (shown.Day() == anchor.Day() || lastDay) {
			return
		}
		// A change of clocks lies right before.
		_, offset := shown.Zone()
		if _, before := shown.Add(-25 * time.Hour).Zone(); before == offset {
			t.Fatalf("from %v: %v", anchor, shown)
		}
	})
}

func FuzzParseWindow(f *testing.F) {
	for _, seed := range []string{"7d", "month", "366d", "9999h", "0d", ""} {
		f.Add(seed, "Europe/Berlin")
	}
	now := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text, zone string) {
		w, err := slo.ParseWindow(text, zone)
		if err != nil {
			return
		}
		start, end := w.Bounds(now)
		if now.Before(start) || now.After(end) || end.Sub(start) > 367*24*time.Hour || w.String() != text {
			t.Fatalf("%q in %q: %v to %v", text, zone, start, end)
		}
	})
}
