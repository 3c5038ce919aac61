package query

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestSQL is the table of statements for people.
func TestSQL(t *testing.T) {
	now := time.UnixMilli(at)
	r := func(back, step time.Duration) SQLRange {
		return SQLRange{From: now.Add(-back), To: now, Step: step, Now: now}
	}
	for _, c := range []struct {
		what, expr, database string
		r                    SQLRange
		has                  []string
		not                  string
	}{
		{"recent", `queue.depth`, "sqlite", r(time.Hour, 10*time.Second), []string{"FROM metric_1m", "name = 'queue.depth'", "last"}, "GROUP BY"},
		{"long ago", `queue.depth`, "postgres", r(72*time.Hour, time.Minute), []string{"FROM metric_1h"}, "GROUP BY"},
		{"five minutes", `queue.depth`, "sqlite", r(time.Hour, 5*time.Minute), []string{"FROM metric_1m", "strftime('%Y-%m-%dT%H:%M:%SZ', ts / 300000 * 300, 'unixepoch')", "GROUP BY 1, 2, 3, 4"}, "last"},
		{"days", `queue.depth`, "postgres", r(720*time.Hour, 24*time.Hour), []string{"FROM metric_1h", "to_timestamp(ts / 86400000 * 86400)"}, "strftime"},
		{"tags", `a{env="prod",host!="x"}`, "sqlite", r(time.Hour, time.Minute), []string{"COALESCE(tags ->> 'env', '') = 'prod'", "COALESCE(tags ->> 'host', '') <> 'x'"}, "~"},
		{"expressions", `a{env=~"p.*",host!~"x|y"}`, "postgres", r(time.Hour, time.Minute), []string{"~ '^(?:p.*)$'", "!~ '^(?:x|y)$'"}, "strftime"},
		{"quotes", `{"o'clock", env="'; DROP TABLE series; --"}`, "postgres", r(time.Hour, time.Minute), []string{"name = 'o''clock'", "= '''; DROP TABLE series; --'"}, "= ''; DROP"},
	} {
		got, err := SQL(c.expr, c.database, c.r)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		for _, part := range c.has {
			if !strings.Contains(got, part) {
				t.Errorf("%s lacks %s:\n%s", c.what, part, got)
			}
		}
		if strings.Contains(got, c.not) {
			t.Errorf("%s has %s:\n%s", c.what, c.not, got)
		}
	}
	for expr, database := range map[string]string{"rate(a[5m])": "postgres", "a offset 5m": "postgres", "a + b": "sqlite", `a{env=~"x"}`: "sqlite"} {
		if _, err := SQL(expr, database, r(time.Hour, time.Minute)); !errors.Is(err, ErrNoSQL) {
			t.Errorf("%s on %s: %v", expr, database, err)
		}
	}
	var expr *ExprError
	if _, err := SQL("a{", "sqlite", r(time.Hour, time.Minute)); !errors.As(err, &expr) {
		t.Errorf("%v", err)
	}
}
