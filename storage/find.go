package storage

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strconv"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/postings"
)

// Series is one stored series.
type Series struct {
	ID                int64
	Key               series.Key
	Description, Unit string
}

// Name is one metric name and type.
type Name struct {
	Name string
	Type protocol.Type
}

// Names returns every name and type in the store.
func (s *Store) Names(ctx context.Context) (list []Name, err error) {
	err = s.read(ctx, "list names", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var name, typ string
			if err := rows.Scan(&name, &typ); err != nil {
				return err
			}
			t, ok := protocol.StoredType(typ)
			if !ok {
				return fmt.Errorf("series of unknown type %q", typ)
			}
			list = append(list, Name{name, t})
			return nil
		}, "SELECT DISTINCT name, type FROM series")
	})
	return list, err
}

// FindSeries returns up to limit series that match, by rising id from behind
// after. The index in memory says which; while there is none, rows are compared
// one by one.
func (s *Store) FindSeries(ctx context.Context, ms []series.Matcher, after int64, limit int) ([]Series, error) {
	for range findTries {
		ids, changes, ok, err := s.findIndexed(ctx, ms, after, limit)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		list, err := s.seriesByID(ctx, ids)
		if err != nil {
			return nil, err
		}
		whole, err := s.checkFound(ctx, ids, list, changes)
		if whole || err != nil {
			return list, err
		}
	}
	s.index.stats.Scans.Add(1)
	return s.scanSeries(ctx, ms, after, limit)
}

// FindIDs returns the ids of up to limit series that match, rising, from behind
// after; indexed is false where there is no index to tell, and nothing was looked
// for.
func (s *Store) FindIDs(ctx context.Context, ms []series.Matcher, after int64, limit int) (ids []int64, indexed bool, err error) {
	ids, _, indexed, err = s.findIndexed(ctx, ms, after, limit)
	return ids, indexed, err
}

// SeriesIDs returns the ids of every series that matches, rising.
func (s *Store) SeriesIDs(ctx context.Context, ms []series.Matcher) ([]int64, error) {
	ids, indexed, err := s.FindIDs(ctx, ms, 0, math.MaxInt)
	if err != nil || indexed {
		return ids, err
	}
	for after := int64(0); ; {
		list, err := s.scanSeries(ctx, ms, after, findPage)
		if err != nil {
			return nil, err
		}
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		if len(list) < findPage {
			return ids, nil
		}
		after = list[len(list)-1].ID
	}
}

// findTries bounds how often the index is asked again because series went
// between its answer and the rows.
const findTries = 3

// scanSeries is FindSeries without the index. A name, or the beginning of one,
// is looked up by the database; tags are compared row by row.
func (s *Store) scanSeries(ctx context.Context, ms []series.Matcher, after int64, limit int) (list []Series, err error) {
	where, args := nameClause(ms)
	query := "SELECT series.id, series.key, COALESCE(metric.description, ''), COALESCE(metric.unit, '') FROM series LEFT JOIN metric ON metric.name = series.name WHERE series.id > $1" +
		where + " ORDER BY series.id LIMIT $2"
	err = s.read(ctx, "find series", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		for at := after; ; {
			last, n, err := s.findPage(ctx, tx, query, append([]any{at, findPage}, args...), func(one Series) bool {
				if series.MatchAll(ms, one.Key) {
					list = append(list, one)
				}
				return len(list) < limit
			})
			if err != nil || n < findPage || len(list) >= limit {
				return err
			}
			at = last
		}
	})
	return list, err
}

// findPage is how many rows one statement looks at.
const findPage = 5000

func (s *Store) findPage(ctx context.Context, tx *sql.Tx, query string, args []any, take func(Series) bool) (last int64, n int, err error) {
	rows, err := tx.QueryContext(ctx, s.db.Bind(query), args...)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var one Series
		var key []byte
		if err := rows.Scan(&one.ID, &key, &one.Description, &one.Unit); err != nil {
			return 0, 0, err
		}
		if one.Key, err = series.Parse(key); err != nil {
			return 0, 0, fmt.Errorf("series %d: %w", one.ID, err)
		}
		last = one.ID
		n++
		if !take(one) {
			break
		}
	}
	return last, n, rows.Err()
}

// maxRune sorts behind every other character.
const maxRune = "\U0010FFFF"

// parameter is how a statement names its n-th parameter.
func parameter(n int) string { return "$" + strconv.Itoa(n) }

// nameClause narrows the rows by what the matchers say of the name.
func nameClause(ms []series.Matcher) (clause string, args []any) {
	add := func(format string, v any) {
		args = append(args, v)
		clause += fmt.Sprintf(format, parameter(2+len(args)))
	}
	for _, m := range ms {
		switch {
		case m.Tag == series.NameTag && m.Op == series.Equal:
			add(" AND series.name = %s", m.Value)
		case m.Tag == series.TypeTag && m.Op == series.Equal:
			add(" AND series.type = %s", m.Value)
		case m.Tag == series.NameTag && m.Op == series.Regexp:
			if p := postings.Prefix(m.Value); p != "" {
				add(" AND series.name >= %s", p)
				add(" AND series.name < %s", p+maxRune)
			}
		}
	}
	return clause, args
}
