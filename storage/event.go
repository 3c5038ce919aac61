package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"example.com/nexusctl/storage/dialect"
)

// EventID tells an event from every other, and is the order in which events are
// listed: by time, and then by where they stood in the log.
type EventID struct {
	At           int64 // when it happened, Unix milliseconds
	Writer       string
	Seq          uint64 // generation of the writer
	Lane, Number int
}

// Compare orders events by time, oldest first.
func (a EventID) Compare(b EventID) int {
	switch {
	case a.At != b.At:
		return sign(a.At < b.At)
	case a.Writer != b.Writer:
		return sign(a.Writer < b.Writer)
	case a.Seq != b.Seq:
		return sign(a.Seq < b.Seq)
	case a.Lane != b.Lane:
		return sign(a.Lane < b.Lane)
	case a.Number != b.Number:
		return sign(a.Number < b.Number)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Event is one event or service check. Kind, Status and Priority are the names
// that package protocol gives them, "normal" and "low" the priorities.
type Event struct {
	EventID
	Kind, Status, Priority       string
	Title, Text                  string
	Host, Key, Source, Container string
	Tags                         map[string]string
}

// EventQuery asks for events, the newest first. Empty fields ask for nothing.
type EventQuery struct {
	From, To                        int64 // [From, To), Unix milliseconds
	Kind, Status, Host, Key, Source string
	Before                          *EventID // in the listing's order: the last one that was seen

	// Writer's generations behind Behind are left out: the caller has them.
	Writer string
	Behind uint64
}

// Matches reports whether the query asks for the event.
func (q *EventQuery) Matches(e *Event) bool {
	same := func(want, have string) bool { return want == "" || want == have }
	return e.At >= q.From && e.At < q.To && (q.Before == nil || e.Compare(*q.Before) < 0) &&
		same(q.Kind, e.Kind) && same(q.Status, e.Status) && same(q.Host, e.Host) && same(q.Key, e.Key) && same(q.Source, e.Source)
}

// maxEventScan bounds the rows that one call looks at.
const maxEventScan = 10_000

// Events calls take with the events that the query asks for, newest first, until
// take returns false. Where it stops before the end because it has looked at as
// many rows as it may, it returns the last one it has seen.
func (s *Store) Events(ctx context.Context, q EventQuery, take func(*Event) bool) (stopped *EventID, err error) {
	where, args := q.where()
	query := "SELECT " + strings.Join(eventColumns, ", ") + " FROM event WHERE " + where +
		fmt.Sprintf(" ORDER BY at DESC, writer DESC, seq DESC, lane DESC, number DESC LIMIT %d", maxEventScan)
	err = s.read(ctx, "list events", func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, s.db.Bind(query), args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for n := 1; rows.Next(); n++ {
			e, err := scanEvent(rows)
			if err != nil {
				return err
			}
			if !take(&e) {
				return nil
			}
			if n == maxEventScan {
				stopped = &e.EventID
			}
		}
		return rows.Err()
	})
	return stopped, err
}

func (q *EventQuery) where() (clause string, args []any) {
	add := func(format string, values ...any) {
		marks := make([]any, len(values))
		for i, v := range values {
			args = append(args, v)
			marks[i] = fmt.Sprintf("$%d", len(args))
		}
		clause += fmt.Sprintf(format, marks...)
	}
	add("at >= %s AND at < %s", q.From, q.To)
	for _, f := range []struct{ column, value string }{
		{"kind", q.Kind}, {"status", q.Status}, {"host", q.Host}, {"key", q.Key}, {"source", q.Source},
	} {
		if f.value != "" {
			add(" AND "+f.column+" = %s", f.value)
		}
	}
	if b := q.Before; b != nil {
		add(" AND at <= %s AND (at, writer, seq, lane, number) < (%s, %s, %s, %s, %s)", b.At, b.At, b.Writer, int64(b.Seq), b.Lane, b.Number)
	}
	if q.Writer != "" {
		add(" AND NOT (writer = %s AND seq > %s)", q.Writer, int64(q.Behind))
	}
	return clause, args
}

var eventColumns = []string{
	"at", "writer", "seq", "lane", "number", "kind", "status", "priority", "title", "text", "host", "key", "source", "container", "tags",
}

func scanEvent(rows *sql.Rows) (e Event, err error) {
	var tags []byte
	err = rows.Scan(&e.At, &e.Writer, &e.Seq, &e.Lane, &e.Number, &e.Kind, &e.Status, &e.Priority, &e.Title, &e.Text,
		&e.Host, &e.Key, &e.Source, &e.Container, &tags)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(tags, &e.Tags); err != nil {
		return e, fmt.Errorf("tags of an event of %s: %w", e.Writer, err)
	}
	return e, nil
}

// insertEvents adds a flush's events, in statements of a bounded size.
func (s *Store) insertEvents(ctx context.Context, tx *sql.Tx, f Flush) error {
	for from := 0; from < len(f.Events); {
		to, size := from, 0
		for to < len(f.Events) && size < insertBatch {
			size += len(f.Events[to].Title) + len(f.Events[to].Text)
			to++
		}
		cols, err := eventRows(f.Events[from:to])
		if err != nil {
			return err
		}
		if err := s.insert(ctx, tx, "INSERT INTO event ("+strings.Join(eventColumns, ", ")+")", cols, ""); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func eventRows(list []Event) ([]dialect.Column, error) {
	numbers := [4][]int64{}
	texts := [11][]string{}
	for i := range list {
		e := &list[i]
		tags, err := json.Marshal(e.Tags)
		if err != nil {
			return nil, err
		}
		if e.Tags == nil {
			tags = []byte("{}")
		}
		for j, v := range [4]int64{e.At, int64(e.Seq), int64(e.Lane), int64(e.Number)} {
			numbers[j] = append(numbers[j], v)
		}
		for j, v := range [11]string{e.Writer, e.Kind, e.Status, e.Priority, e.Title, e.Text, e.Host, e.Key, e.Source, e.Container, string(tags)} {
			texts[j] = append(texts[j], v)
		}
	}
	cols := make([]dialect.Column, len(eventColumns))
	number, text := 0, 0
	for i, name := range eventColumns {
		cols[i] = dialect.Column{Name: name, JSON: name == "tags"}
		switch name {
		case "at", "seq", "lane", "number":
			cols[i].Values = numbers[number]
			number++
		default:
			cols[i].Values = texts[text]
			text++
		}
	}
	return cols, nil
}

// DropEvents deletes up to limit events from before a time, Unix milliseconds,
// and returns how many: what remains is for the next call, so that no
// transaction is long.
func (s *Store) DropEvents(ctx context.Context, before int64, limit int) (dropped int64, err error) {
	err = s.write(ctx, "drop events", func(ctx context.Context, tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, s.db.Bind(
			"DELETE FROM event WHERE (at, writer, seq, lane, number) IN (SELECT at, writer, seq, lane, number FROM event WHERE at < $1 ORDER BY at LIMIT $2)"),
			before, limit)
		if err != nil {
			return err
		}
		dropped, err = res.RowsAffected()
		return err
	})
	return dropped, err
}
