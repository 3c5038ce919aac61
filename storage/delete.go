package storage

import (
	"context"
	"database/sql"
	"slices"

	"example.com/nexusctl/storage/dialect"
)

// deleteBatch bounds the series of one transaction: whoever names series waits
// for no more.
const deleteBatch = 1000

// DeleteSeries deletes series by their ids and returns which were there. From
// then on nobody finds them or their points, and a series that comes again gets
// another id; Purge removes the points. at is when, Unix milliseconds. A name of
// which no series is left loses its description.
//
// It works in transactions of a bounded size: where it fails, those returned are
// deleted all the same.
func (s *Store) DeleteSeries(ctx context.Context, ids []int64, at int64) (deleted []int64, err error) {
	for part := range slices.Chunk(ids, deleteBatch) {
		var c change
		err := s.write(ctx, "delete series", func(ctx context.Context, tx *sql.Tx) (err error) {
			c, err = s.deleteSeries(ctx, tx, part, at)
			return err
		})
		if err != nil {
			return deleted, err
		}
		if len(c.gone) > 0 {
			s.index.note(c)
		}
		deleted = append(deleted, c.gone...)
	}
	return deleted, nil
}

func (s *Store) deleteSeries(ctx context.Context, tx *sql.Tx, ids []int64, at int64) (c change, err error) {
	if err := tx.QueryRowContext(ctx, "SELECT changes FROM series_next"+s.db.ForUpdate).Scan(&c.after); err != nil {
		return c, err
	}
	names := map[string]struct{}{}
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var name string
		err := rows.Scan(&id, &name)
		c.gone = append(c.gone, id)
		names[name] = struct{}{}
		return err
	}, "DELETE FROM series WHERE id "+s.db.InInts(1)+" RETURNING id, name", s.db.IntsArg(ids))
	if err != nil || len(c.gone) == 0 {
		return c, err
	}
	if c.seq, err = s.countChange(ctx, tx, c.after); err != nil {
		return c, err
	}
	n := len(c.gone)
	seqs, ats := make([]int64, n), make([]int64, n)
	for i := range c.gone {
		seqs[i], ats[i] = c.seq, at
	}
	err = s.insert(ctx, tx, "INSERT INTO series_gone (id, seq, at)", []dialect.Column{
		{Name: "id", Values: c.gone}, {Name: "seq", Values: seqs}, {Name: "at", Values: ats},
	}, "")
	if err != nil {
		return c, err
	}
	for name := range names {
		_, err := tx.ExecContext(ctx, s.db.Bind("DELETE FROM metric WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM series WHERE series.name = metric.name)"), name)
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// Gone is a series that was deleted.
type Gone struct {
	ID int64
	At int64 // when, Unix milliseconds
}

// Goings are the deletions up to one count of the changes to the series.
type Goings struct {
	Changes int64
	List    []Gone
	// Complete says that List holds every deletion since the count that was asked
	// for, and that the store was not set back since. Deletions are remembered for
	// keepGone.
	Complete bool
}

// GoneSince returns what was deleted since a count of changes; a negative count
// asks for the count alone.
func (s *Store) GoneSince(ctx context.Context, since int64) (g Goings, err error) {
	err = s.read(ctx, "read what was deleted", func(ctx context.Context, tx *sql.Tx) error {
		var forgotten int64
		g = Goings{}
		if err := tx.QueryRowContext(ctx, "SELECT changes, forgotten FROM series_next").Scan(&g.Changes, &forgotten); err != nil {
			return err
		}
		g.Complete = since < 0 || forgotten <= since
		if since < 0 || g.Changes == since {
			return nil
		}
		known, err := s.knowsChange(ctx, tx, since)
		if err != nil {
			return err
		}
		g.Complete = g.Complete && known
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var one Gone
			err := rows.Scan(&one.ID, &one.At)
			g.List = append(g.List, one)
			return err
		}, "SELECT id, at FROM series_gone WHERE seq > $1 ORDER BY seq", since)
	})
	return g, err
}
