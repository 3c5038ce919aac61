package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/nexusctl/storage/block"
)

const (
	// purgeBatch bounds the deleted series that are purged together.
	purgeBatch = 10_000
	// purgeRows bounds the rows that one transaction deletes.
	purgeRows = 5000
	// keepGone is how long a deletion is remembered: other daemons learn of it
	// with their next flush, and what they had sent before it has to be compacted.
	keepGone = 48 * time.Hour
)

// PurgeStats says what Purge did.
type PurgeStats struct {
	Series int   // whose points were looked for
	Rows   int64 // chunks, rows and days of counters that were deleted
}

// Purge removes the points of deleted series from every tier, in transactions of
// a bounded size, beside whoever writes. Each series is purged at once, and once
// more keepGone later, with what daemons flushed that had not heard of it; then
// its deletion is forgotten. Points in blocks go with the blocks' compaction. It
// works on a bounded number of series; killed anywhere, it starts them again.
func (s *Store) Purge(ctx context.Context, now time.Time) (stats PurgeStats, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	for _, last := range []bool{false, true} {
		ids, err := s.purgeable(ctx, now, last)
		if err != nil {
			return stats, err
		}
		if len(ids) == 0 {
			continue
		}
		n, err := s.purge(ctx, runsOf(ids))
		stats.Rows += n
		if err != nil {
			return stats, err
		}
		stats.Series += len(ids)
		if err := s.purged(ctx, ids, last); err != nil {
			return stats, err
		}
	}
	return stats, s.files.tidy(ctx)
}

// purgeable returns deleted series that were never purged, or (last) whose
// deletion is old enough to be forgotten.
func (s *Store) purgeable(ctx context.Context, now time.Time, last bool) (ids []int64, err error) {
	where, args := "NOT purged", []any{purgeBatch}
	if last {
		where, args = "purged AND at < $2", append(args, now.Add(-keepGone).UnixMilli())
	}
	err = s.read(ctx, "find what to purge", func(ctx context.Context, tx *sql.Tx) error {
		ids = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			err := rows.Scan(&id)
			ids = append(ids, id)
			return err
		}, "SELECT id FROM series_gone WHERE "+where+" ORDER BY id LIMIT $1", args...)
	})
	return ids, err
}

// purged records that series were purged, or forgets them.
func (s *Store) purged(ctx context.Context, ids []int64, last bool) error {
	return s.write(ctx, "record what was purged", func(ctx context.Context, tx *sql.Tx) error {
		if !last {
			_, err := tx.ExecContext(ctx, s.db.Bind("UPDATE series_gone SET purged = (1 = 1) WHERE id "+s.db.InInts(1)), s.db.IntsArg(ids))
			return err
		}
		var seq int64
		err := tx.QueryRowContext(ctx, s.db.Bind("SELECT COALESCE(MAX(seq), 0) FROM series_gone WHERE id "+s.db.InInts(1)), s.db.IntsArg(ids)).Scan(&seq)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.db.Bind("UPDATE series_next SET forgotten = $1 WHERE forgotten < $1"), seq); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.db.Bind("DELETE FROM series_gone WHERE id "+s.db.InInts(1)), s.db.IntsArg(ids))
		return err
	})
}

// idRun is neighbouring ids, both ends in it. Ids of one name stand together, so
// deleted ones are few runs, and a run is one condition.
type idRun struct{ first, last int64 }

// runsOf joins rising ids.
func runsOf(ids []int64) (runs []idRun) {
	for _, id := range ids {
		if n := len(runs); n > 0 && runs[n-1].last == id-1 {
			runs[n-1].last = id
			continue
		}
		runs = append(runs, idRun{id, id})
	}
	return runs
}

func (s *Store) purge(ctx context.Context, runs []idRun) (rows int64, err error) {
	tables := []string{"counter_day"}
	for _, t := range tiers {
		var n int64
		switch {
		case s.files == nil:
			tables = append(tables, t.name)
			continue
		case t.kind == "":
			if n, err = s.purgeTimes(ctx, t, runs); err == nil && t == tierHours {
				_, err = s.purgeTimes(ctx, hourDays, runs) // the same, a second time
			}
		default:
			n, err = s.purgeFiles(ctx, t, runs)
		}
		rows += n
		if err != nil {
			return rows, fmt.Errorf("purge %s: %w", t.name, err)
		}
	}
	for _, table := range tables {
		n, err := s.purgeTable(ctx, table, runs)
		rows += n
		if err != nil {
			return rows, fmt.Errorf("purge %s: %w", table, err)
		}
	}
	return rows, nil
}

// secondKey is the column that follows series_id in the key of each table.
var secondKey = map[string]string{
	"counter_day": "day", tierPoints.name: "start_ts", tierSketches.name: "start_ts", tierMinutes.name: "start_ts", tierHours.name: "ts", tierSQLMinutes.name: "ts",
}

// purgeTable deletes the rows of runs from a table whose key begins with the
// series.
func (s *Store) purgeTable(ctx context.Context, table string, runs []idRun) (rows int64, err error) {
	for len(runs) > 0 {
		var deleted int64
		ended := 0
		err := s.write(ctx, "purge series", func(ctx context.Context, tx *sql.Tx) (err error) {
			deleted, ended, err = s.purgeRuns(ctx, tx, table, runs[:min(len(runs), maxPurgeRuns)])
			return err
		})
		rows += deleted
		if err != nil {
			return rows, err
		}
		runs = runs[ended:]
	}
	return rows, nil
}

// maxPurgeRuns bounds the statements of one transaction.
const maxPurgeRuns = 500

// purgeRuns deletes about purgeRows rows, and returns how many runs have none
// left.
func (s *Store) purgeRuns(ctx context.Context, tx *sql.Tx, table string, runs []idRun) (rows int64, ended int, err error) {
	key := "series_id, " + secondKey[table]
	query := s.db.Bind("DELETE FROM " + table + " WHERE (" + key + ") IN (SELECT " + key + " FROM " + table +
		" WHERE series_id >= $1 AND series_id <= $2 LIMIT $3) AND series_id >= $1 AND series_id <= $2")
	for _, r := range runs {
		res, err := tx.ExecContext(ctx, query, r.first, r.last, purgeRows)
		if err != nil {
			return rows, ended, err
		}
		n, err := res.RowsAffected()
		rows += n
		if err != nil || n >= purgeRows { // there may be more of it
			return rows, ended, err
		}
		if ended++; rows >= purgeRows {
			break
		}
	}
	return rows, ended, nil
}

// purgeTimes deletes rows of SQLite's tables, which stand by time: one bucket
// after the other, a few in one transaction.
func (s *Store) purgeTimes(ctx context.Context, t tier, runs []idRun) (rows int64, err error) {
	times, err := s.bucketsOf(ctx, t)
	if err != nil {
		return 0, err
	}
	perTx := max(1, purgeRows/len(runs))
	for part := range slices.Chunk(times, perTx) {
		var done int64
		err := s.write(ctx, "purge series", func(ctx context.Context, tx *sql.Tx) error {
			done = 0
			stmt, err := tx.PrepareContext(ctx, "DELETE FROM "+t.name+" WHERE ts = ? AND series_id >= ? AND series_id <= ?")
			if err != nil {
				return err
			}
			defer stmt.Close()
			for _, ts := range part {
				for _, r := range runs {
					res, err := stmt.ExecContext(ctx, ts, r.first, r.last)
					if err != nil {
						return err
					}
					n, err := res.RowsAffected()
					if err != nil {
						return err
					}
					done += n
				}
			}
			return nil
		})
		rows += done
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// bucketsOf returns the times that a table has rows of. Each is looked up behind
// the one before: the rows in between are not read.
func (s *Store) bucketsOf(ctx context.Context, t tier) (times []int64, err error) {
	err = s.read(ctx, "list buckets", func(ctx context.Context, tx *sql.Tx) error {
		times = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var ts int64
			err := rows.Scan(&ts)
			times = append(times, ts)
			return err
		}, "WITH RECURSIVE b(ts) AS (SELECT MIN(ts) FROM "+t.name+" UNION ALL SELECT (SELECT MIN(r.ts) FROM "+t.name+" r WHERE r.ts > b.ts) FROM b WHERE b.ts IS NOT NULL) SELECT ts FROM b WHERE ts IS NOT NULL")
	})
	return times, err
}

// purgeFiles deletes chunks from the files of a tier. Whoever compacts waits for
// s.work, so no generation is added meanwhile.
func (s *Store) purgeFiles(ctx context.Context, t tier, runs []idRun) (rows int64, err error) {
	var days []int64
	err = s.read(ctx, "list files", func(ctx context.Context, tx *sql.Tx) error {
		days = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var day int64
			err := rows.Scan(&day)
			days = append(days, day)
			return err
		}, "SELECT day FROM chunk_file WHERE kind = ? ORDER BY day", t.kind)
	})
	for _, day := range days {
		if err != nil {
			return rows, err
		}
		var d *chunkFile
		if d, err = s.files.get(ctx, fileKey{t.kind, day}, false); err == nil && d != nil {
			var n int64
			n, err = d.purge(ctx, runs)
			rows += n
		}
	}
	return rows, err
}

// purge deletes the chunks of runs, generation by generation.
func (d *chunkFile) purge(ctx context.Context, runs []idRun) (rows int64, err error) {
	for at := int64(0); ; {
		var key int64
		err := d.read.QueryRowContext(ctx, "SELECT key FROM chunk WHERE key >= ? ORDER BY key LIMIT 1", at).Scan(&key)
		if errors.Is(err, sql.ErrNoRows) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		place := key >> seriesBits << seriesBits // and generation
		for part := range slices.Chunk(runs, purgeRows) {
			n, err := d.purgePlace(ctx, place, part)
			rows += n
			if err != nil {
				return rows, err
			}
		}
		at = place + 1<<seriesBits
	}
}

func (d *chunkFile) purgePlace(ctx context.Context, place int64, runs []idRun) (rows int64, err error) {
	err = d.change(ctx, "DELETE FROM chunk WHERE key >= ? AND key <= ?", func(stmt *sql.Stmt) error {
		for _, r := range runs {
			res, err := stmt.ExecContext(ctx, place|r.first, place|r.last)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			rows += n
		}
		return nil
	})
	return rows, err
}

// gone returns a shard's deleted series: what is compacted after their deletion is
// not to come back as chunks.
func (s *Store) gone(ctx context.Context, tx *sql.Tx, shard int64) (gone map[int64]struct{}, err error) {
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		if gone == nil {
			gone = map[int64]struct{}{}
		}
		gone[id] = struct{}{}
		return nil
	}, "SELECT id FROM series_gone WHERE id >= $1 AND id < $2", shard*block.ShardSize, (shard+1)*block.ShardSize)
	return gone, err
}
