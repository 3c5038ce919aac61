package storage

import (
	"context"
	"database/sql"
	"math/rand/v2"

	"example.com/nexusctl/storage/postings"
)

// change is what one transaction did to the series: seq is its number, after
// that of the change before it.
type change struct {
	after, seq int64
	made       []postings.Entry
	gone       []int64
}

const (
	// changeStep bounds by how much the number of a change exceeds the one before.
	// The step is drawn, for a store that is set back to an earlier state and
	// changed again is not to come to numbers that it had: who remembers one of
	// those would take the new history for the old one.
	changeStep = 1 << 31
	// keptChanges is how many changes the store remembers, about: who is behind
	// by more reads everything again.
	keptChanges = 10_000
)

// countChange numbers a change to the series that follows the one of number
// after. The caller holds the row of series_next.
func (s *Store) countChange(ctx context.Context, tx *sql.Tx, after int64) (seq int64, err error) {
	seq = after + 1 + rand.Int64N(changeStep) //nolint:gosec // no secret: it is to differ from another draw
	for _, c := range []struct {
		query string
		arg   int64
	}{
		{"UPDATE series_next SET changes = $1", seq},
		{"INSERT INTO series_change (seq) VALUES ($1)", seq},
		{"DELETE FROM series_change WHERE seq < $1", seq - keptChanges*(changeStep/2)},
	} {
		if _, err := tx.ExecContext(ctx, s.db.Bind(c.query), c.arg); err != nil {
			return 0, err
		}
	}
	return seq, nil
}

// knowsChange says whether a change is of the store's history, as far back as
// it is remembered.
func (s *Store) knowsChange(ctx context.Context, tx *sql.Tx, seq int64) (known bool, err error) {
	err = tx.QueryRowContext(ctx, s.db.Bind("SELECT EXISTS (SELECT 1 FROM series_change WHERE seq = $1)"), seq).Scan(&known)
	return known, err
}
