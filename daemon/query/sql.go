package query

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"example.com/nexusctl/storage/dialect"
)

// ErrNoSQL reports an expression for which there is no statement.
var ErrNoSQL = errors.New("there is no SQL for it")

// SQLRange is what a statement is to show: values of [From, To), one a Step.
type SQLRange struct {
	From, To time.Time
	Step     time.Duration
	Now      time.Time
}

// sqlMinutes is how long rows by the minute are kept.
const sqlMinutes = 48 * time.Hour

// SQL writes the statement by which a person gets a metric, named as it was
// sent, with conditions on tags, out of the store's views: by the minute where
// the step and the time allow it, else by the hour.
func SQL(expr, database string, r SQLRange) (string, error) {
	e, err := newParser().ParseExpr(expr)
	if err != nil {
		return "", &ExprError{Err: err}
	}
	v, ok := e.(*parser.VectorSelector)
	if !ok || v.OriginalOffset != 0 || v.Timestamp != nil {
		return "", fmt.Errorf("%w: write a metric's name as it was sent, with conditions on its tags, such as {\"http.requests\", env=\"prod\"}", ErrNoSQL)
	}
	where, err := conditions(v.LabelMatchers, database)
	if err != nil {
		return "", err
	}
	view, width := "metric_1h", time.Hour
	if r.Step < time.Hour && r.From.After(r.Now.Add(-sqlMinutes)) {
		view, width = "metric_1m", time.Minute
	}
	where = append(where, fmt.Sprintf("ts >= %d", r.From.UnixMilli()), fmt.Sprintf("ts < %d", r.To.UnixMilli()))
	tail := "\nFROM " + view + "\nWHERE " + strings.Join(where, "\n  AND ")
	if r.Step <= width {
		return "SELECT time, name, type, tags, sum, cnt, mean, min, max, last" + tail + "\nORDER BY name, tags, ts;\n", nil
	}
	return "SELECT " + bucket(database, r.Step) + " AS bucket, name, type, tags,\n" +
		"       SUM(sum) AS sum, SUM(cnt) AS cnt, SUM(sum) / NULLIF(SUM(cnt), 0) AS mean, MIN(min) AS min, MAX(max) AS max" +
		tail + "\nGROUP BY 1, 2, 3, 4\nORDER BY name, tags, bucket;\n", nil
}

// bucket renders the start of the step that a row is in.
func bucket(database string, step time.Duration) string {
	seconds := int64(step / time.Second)
	start := fmt.Sprintf("ts / %d * %d", seconds*1000, seconds)
	if database == dialect.Postgres {
		return "to_timestamp(" + start + ")"
	}
	return "strftime('%Y-%m-%dT%H:%M:%SZ', " + start + ", 'unixepoch')"
}

func conditions(ms []*labels.Matcher, database string) (list []string, err error) {
	for _, m := range ms {
		column := "name"
		if m.Name != nameLabel {
			column = "COALESCE(tags ->> " + literal(m.Name) + ", '')"
		}
		switch {
		case m.Type == labels.MatchEqual:
			list = append(list, column+" = "+literal(m.Value))
		case m.Type == labels.MatchNotEqual:
			list = append(list, column+" <> "+literal(m.Value))
		case database != dialect.Postgres:
			return nil, fmt.Errorf("%w: SQLite knows no regular expressions", ErrNoSQL)
		case m.Type == labels.MatchRegexp:
			list = append(list, column+" ~ "+literal("^(?:"+m.Value+")$"))
		default:
			list = append(list, column+" !~ "+literal("^(?:"+m.Value+")$"))
		}
	}
	return list, nil
}

// literal quotes a text for both databases.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
