package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"example.com/nexusctl/storage/block"
)

// Retention says how long each tier is kept. None may be shorter than the one
// before, but for Sketches, which may be shorter than Points.
type Retention struct {
	Points   time.Duration // ten-second points of counters and gauges
	Sketches time.Duration // those of histograms and sets
	Minutes  time.Duration // everything by the minute
	Hours    time.Duration // everything by the hour
	SQL      time.Duration // rows by the minute, for people
}

// ErrRetention reports a retention that would leave a hole in time.
var ErrRetention = errors.New("a coarser resolution is kept for a shorter time than a finer one")

func (r Retention) check() error {
	if r.Minutes < max(r.Points, r.Sketches) || r.Hours < r.Minutes {
		return fmt.Errorf("%w: %v, histograms %v, by the minute %v, by the hour %v", ErrRetention, r.Points, r.Sketches, r.Minutes, r.Hours)
	}
	return nil
}

func (r Retention) of(t tier) time.Duration {
	switch t {
	case tierPoints:
		return r.Points
	case tierSketches:
		return r.Sketches
	case tierMinutes:
		return r.Minutes
	case tierHours:
		return r.Hours
	}
	return r.SQL
}

// RetainStats says what Retain gave up.
type RetainStats struct {
	Dropped int   // partitions or files
	Deleted int64 // rows, where they have no partitions
}

// Retain gives up what is older than it is to be kept at now, by whole days,
// tens of days or thirty, as partitions or files have it. A tier is first left
// by its readers and dropped the next time, so that whoever is still reading
// it reads to its end. Chunks that a coarser tier does not hold yet are kept.
// No writer waits for it: a partition that is in use is left for the next time.
func (s *Store) Retain(ctx context.Context, now time.Time, r Retention) (stats RetainStats, err error) {
	if err := r.check(); err != nil {
		return stats, err
	}
	s.work.Lock()
	defer s.work.Unlock()
	var f floors
	err = s.read(ctx, "read the tiers", func(ctx context.Context, tx *sql.Tx) (err error) {
		f, err = s.floors(ctx, tx, "")
		return err
	})
	if err != nil {
		return stats, err
	}
	for _, t := range tiers {
		if err := s.drop(ctx, t, f.of(t), &stats); err != nil {
			return stats, fmt.Errorf("drop %s: %w", t.name, err)
		}
	}
	raised := false
	for _, t := range tiers {
		if raised, err = s.raise(ctx, t, block.Floor(now.UnixMilli()-r.of(t).Milliseconds(), dayMillis)); err != nil {
			return stats, err
		}
		if raised && t == tierHours {
			if err := s.foldBases(ctx, f.of(t)); err != nil {
				return stats, err
			}
		}
	}
	return stats, nil
}

// raise moves a tier's floor up to what is wanted, and no farther than the
// coarser tiers have taken over.
func (s *Store) raise(ctx context.Context, t tier, floor int64) (raised bool, err error) {
	err = s.write(ctx, "raise the floor of "+t.name, func(ctx context.Context, tx *sql.Tx) error {
		var have int64
		if err := tx.QueryRowContext(ctx, s.db.Bind("SELECT floor FROM tier WHERE name = $1"+s.db.ForUpdate), t.name).Scan(&have); err != nil {
			return err
		}
		limit, err := s.takenOver(ctx, tx, t)
		if err != nil {
			return err
		}
		floor := min(floor, limit)
		if raised = floor > have; !raised {
			return nil
		}
		_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE tier SET floor = $2 WHERE name = $1"), t.name, floor)
		return err
	})
	return raised, err
}

// takenOver returns up to when a tier's data are needed no more: ten-second
// points before the first day of which a coarser tier lacks something, and
// coarser ones where the finer ones have gone. Otherwise a stretch of time would
// be in no tier.
func (s *Store) takenOver(ctx context.Context, tx *sql.Tx, t tier) (int64, error) {
	switch t {
	case tierPoints, tierSketches:
		var hour sql.NullInt64
		err := tx.QueryRowContext(ctx, "SELECT MIN(hour) FROM compaction WHERE rolled < gens OR minuted < gens").Scan(&hour)
		if !hour.Valid {
			return math.MaxInt64, err
		}
		return block.Floor(hour.Int64*hourMillis, dayMillis), err
	case tierMinutes, tierHours:
		f, err := s.floors(ctx, tx, "")
		if t == tierHours {
			return f.of(tierMinutes), err
		}
		return min(f.of(tierPoints), f.of(tierSketches)), err
	}
	return math.MaxInt64, nil
}

// drop gives up what a tier has below its floor.
func (s *Store) drop(ctx context.Context, t tier, floor int64, stats *RetainStats) error {
	if floor == 0 {
		return nil
	}
	if s.files == nil {
		n, err := s.db.Partitions.Drop(ctx, s.db.Write, t.name, floor/t.span, func(ctx context.Context, tx *sql.Tx, n int64, drop func() error) error {
			return s.dropSpan(ctx, tx, t, n, drop)
		})
		stats.Dropped += n
		return s.wrap("drop partitions", err)
	}
	if t.kind == "" {
		n, err := s.deleteRows(ctx, t, floor)
		stats.Deleted += n
		if err == nil && t == tierHours {
			err = s.deleteDays(ctx, floor)
		}
		return err
	}
	n, err := s.dropFiles(ctx, t, floor)
	stats.Dropped += n
	return err
}

// errBehind reports a day whose chunks a coarser tier still needs.
var errBehind = errors.New("not rolled up yet")

// dropSpan drops one partition, or one file, by drop, together with what the
// store knows of its hours. The order matters: hours that the store forgot
// while their chunks stood would count their generations from 0 again, among
// chunks that have these.
func (s *Store) dropSpan(ctx context.Context, tx *sql.Tx, t tier, n int64, drop func() error) error {
	first, last := n*t.span/hourMillis, (n+1)*t.span/hourMillis
	switch t {
	case tierPoints, tierSketches:
		var behind int
		err := tx.QueryRowContext(ctx, s.db.Bind("SELECT COUNT(*) FROM compaction WHERE hour >= $1 AND hour < $2 AND (rolled < gens OR minuted < gens)"), first, last).Scan(&behind)
		if err != nil {
			return err
		}
		if behind > 0 {
			return errBehind
		}
		if err := drop(); err != nil {
			return err
		}
		return s.forgetHours(ctx, tx, n)
	case tierMinutes:
		if err := drop(); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, s.db.Bind("DELETE FROM minute_day WHERE day >= $1 AND day < $2"), first/24, last/24)
		return err
	}
	return drop()
}

// forgetHours deletes what the store knows of a day's chunks, once neither
// points nor sketches are left.
func (s *Store) forgetHours(ctx context.Context, tx *sql.Tx, day int64) error {
	left := "to_regclass('chunk_10s_' || $3) IS NOT NULL OR to_regclass('sketch_10s_' || $3) IS NOT NULL"
	if s.files != nil {
		left = "EXISTS (SELECT 1 FROM chunk_file WHERE kind IN ('chunks', 'sketches') AND day = $3)"
	}
	_, err := tx.ExecContext(ctx, s.db.Bind("DELETE FROM compaction WHERE hour >= $1 AND hour < $2 AND NOT ("+left+")"), day*24, day*24+24, fmt.Sprint(day))
	return err
}

// dropFiles removes the files of a tier that end at or below the floor.
func (s *Store) dropFiles(ctx context.Context, t tier, floor int64) (dropped int, err error) {
	var days []int64
	err = s.read(ctx, "list files", func(ctx context.Context, tx *sql.Tx) error {
		days = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var day int64
			err := rows.Scan(&day)
			days = append(days, day)
			return err
		}, "SELECT day FROM chunk_file WHERE kind = $1 AND day <= $2 ORDER BY day", t.kind, (floor-t.span)/dayMillis)
	})
	for _, day := range days {
		if err != nil {
			break
		}
		err = s.write(ctx, "drop a file", func(ctx context.Context, tx *sql.Tx) error {
			return s.dropSpan(ctx, tx, t, day*dayMillis/t.span, func() error {
				if err := s.files.remove(fileKey{t.kind, day}); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, "DELETE FROM chunk_file WHERE kind = ? AND day = ?", t.kind, day)
				return err
			})
		})
		if errors.Is(err, errBehind) {
			err = nil
			continue
		}
		if err == nil {
			dropped++
		}
	}
	return dropped, err
}

// deleteRows deletes SQLite's rows below the floor, one bucket of time in one
// transaction: rows stand by time, so that is a run of neighbours, and a flush
// that wants the database waits for no more than that.
func (s *Store) deleteRows(ctx context.Context, t tier, floor int64) (deleted int64, err error) {
	for {
		var n int64
		err := s.write(ctx, "delete rows", func(ctx context.Context, tx *sql.Tx) error {
			res, err := tx.ExecContext(ctx, s.db.Bind("DELETE FROM "+t.name+" WHERE ts = (SELECT MIN(ts) FROM "+t.name+") AND ts < $1"), floor)
			if err != nil {
				return err
			}
			n, err = res.RowsAffected()
			return err
		})
		deleted += n
		if err != nil || n == 0 {
			return deleted, err
		}
	}
}

// deleteDays deletes what SQLite holds by the day below the floor.
func (s *Store) deleteDays(ctx context.Context, floor int64) error {
	err := s.write(ctx, "delete days", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM rollup_1h_whole WHERE ts < ?", floor)
		return err
	})
	if err == nil {
		_, err = s.deleteRows(ctx, hourDays, floor)
	}
	return err
}

// foldBases makes the days of counters that nobody can ask for one day: their
// sum is what counts.
func (s *Store) foldBases(ctx context.Context, floor int64) error {
	day := floor/dayMillis - 1
	if day <= 0 {
		return nil
	}
	return s.write(ctx, "fold bases", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.db.Bind(`INSERT INTO counter_day (series_id, day, sum, neg)
SELECT series_id, $1, SUM(sum), SUM(neg) FROM counter_day WHERE day < $1 GROUP BY series_id
ON CONFLICT (series_id, day) DO UPDATE SET sum = counter_day.sum + excluded.sum, neg = counter_day.neg + excluded.neg`), day)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.db.Bind("DELETE FROM counter_day WHERE day < $1"), day)
		return err
	})
}
