package maint

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/storage"
)

// keeper notes what it is asked to do, and fails where it is told to.
type keeper struct {
	from    []int64
	before  []int64
	retains int
	fail    error
}

func (k *keeper) RollMinutes(_ context.Context, from int64, _ storage.Chosen) (int, error) {
	k.from = append(k.from, from)
	return 1, k.fail
}

func (k *keeper) RollDays(_ context.Context, before int64) (storage.DayStats, error) {
	k.before = append(k.before, before)
	return storage.DayStats{Days: 1}, k.fail
}

func (k *keeper) Retain(context.Context, time.Time, storage.Retention) (storage.RetainStats, error) {
	k.retains++
	return storage.RetainStats{Dropped: 2}, k.fail
}

var usual = Policy{Past: 24 * time.Hour, Retention: storage.Retention{Points: 7 * 24 * time.Hour, Sketches: 48 * time.Hour}}

// TestDaysBefore is the table of which days may be made by the minute.
func TestDaysBefore(t *testing.T) {
	at := func(day int64, d time.Duration) time.Time { return time.UnixMilli(day * dayMillis).Add(d) }
	week := usual
	week.Past = 7 * 24 * time.Hour
	for _, c := range []struct {
		what string
		p    Policy
		now  time.Time
		want int64
	}{
		{"late data may still come", usual, at(100, 26*time.Hour-time.Millisecond), 99},
		{"late data are in", usual, at(100, 26*time.Hour), 100},
		{"they may come for a week, but the histograms go", week, at(100, 12*time.Hour), 98},
	} {
		if got := c.p.DaysBefore(c.now); got != c.want {
			t.Errorf("%s: before day %d, want %d", c.what, got, c.want)
		}
	}
}

// TestKeepTiers: what fails is said, tried again from where it was, and keeps
// nothing else from being done; retention is applied once an hour.
func TestKeepTiers(t *testing.T) {
	var out bytes.Buffer
	r, k := &recorder{}, &keeper{fail: errors.New("away")}
	now := time.UnixMilli(1000 * hour)
	m := New(r, r, backlog{}, slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now }).WithTiers(k, func() Policy { return usual })
	m.keepTiers(t.Context())
	if got := strings.Count(out.String(), "will be tried again"); got != 3 || k.retains != 1 || len(k.before) != 1 {
		t.Errorf("%d failures were said, %+v: %s", got, k, out.String())
	}
	k.fail = nil
	now = now.Add(time.Minute)
	m.keepTiers(t.Context())
	now = now.Add(time.Minute)
	m.keepTiers(t.Context())
	want := []int64{999 * hour, 999*hour + 60_000, 1000*hour + 60_000 - again}
	for i := range want {
		if k.from[i] != want[i] {
			t.Errorf("rows by the minute were computed from %d on, want %d", k.from[i], want[i])
		}
	}
	if k.retains != 2 {
		t.Errorf("retention was applied %d times", k.retains)
	}
	now = now.Add(time.Hour)
	m.keepTiers(t.Context())
	if k.retains != 3 || !strings.Contains(out.String(), "partitions_or_files=2") {
		t.Errorf("an hour later, %d times: %s", k.retains, out.String())
	}
}
