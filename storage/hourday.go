package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// On SQLite the rows of one hour stand together, for an hour is written at once, and
// so a month of one series is in 720 places. When a day is made by the minute, its
// rows by the hour of plain values are written a second time, as one chunk a series:
// 30 places for a month. The rows stay, for people and for days that are not whole.
//
// A day of a shard is whole while it is marked, and whoever writes a row of it takes
// the mark away in the same transaction. Chunks without a mark are never read.
// Backups leave both out: a store that is restored has them from its next days on.

// hourDays is the table of chunks as a tier is named: purge and retention treat its
// rows as those of a tier.
var hourDays = tier{name: "rollup_1h_day", width: dayMillis, unit: dayMillis, span: spanHours}

// keepDay writes a day of a shard once more, by series. Where a row is behind its
// chunks, or a series was of two kinds on that day, the rows have to do.
func (s *Store) keepDay(ctx context.Context, tx *sql.Tx, shard, start int64) error {
	if s.files == nil {
		return nil
	}
	var behind int
	err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM compaction WHERE shard = ? AND hour >= ? AND hour < ? AND rolled < gens",
		shard, start/hourMillis, start/hourMillis+24).Scan(&behind)
	if err != nil || behind > 0 {
		return err
	}
	bySeries, err := s.dayRows(ctx, tx, shard, start)
	if err != nil {
		return err
	}
	first, last := shard*block.ShardSize, (shard+1)*block.ShardSize
	if _, err := tx.ExecContext(ctx, "DELETE FROM rollup_1h_day WHERE ts = ? AND series_id >= ? AND series_id < ?", start, first, last); err != nil {
		return err
	}
	var starts, ids []int64
	var data [][]byte
	for i, points := range bySeries {
		if len(points) == 0 {
			continue
		}
		if slices.ContainsFunc(points, func(p block.Point) bool { return p.Kind != points[0].Kind }) {
			return nil
		}
		starts, ids = append(starts, start), append(ids, first+int64(i))
		data = append(data, block.AppendChunk(nil, start, points[0].Kind, points))
	}
	if len(ids) == 0 {
		return nil
	}
	err = s.insert(ctx, tx, "INSERT INTO rollup_1h_day (ts, series_id, data)", []dialect.Column{
		{Name: "ts", Values: starts}, {Name: "series_id", Values: ids}, {Name: "data", Values: data},
	}, "")
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO rollup_1h_whole (ts, shard) VALUES (?, ?) ON CONFLICT DO NOTHING", start, shard)
	return err
}

// dayRows reads the rows by the hour of a shard's day, of counters and gauges: those
// of each series by time.
func (s *Store) dayRows(ctx context.Context, tx *sql.Tx, shard, start int64) ([][]block.Point, error) {
	bySeries := make([][]block.Point, block.ShardSize)
	first := shard * block.ShardSize
	take := func(p block.Point) { bySeries[p.Series-first] = append(bySeries[p.Series-first], p) }
	err := s.each(ctx, tx, func(rows *sql.Rows) error { return takeRollup(rows, take) },
		"SELECT "+rollupColumns+" FROM json_each($1) AS t CROSS JOIN rollup_1h WHERE ts = t.value AND series_id >= $2 AND series_id < $3 AND kind IN ($4, $5)",
		s.db.IntsArg(hoursOf(start)), first, first+block.ShardSize, int64(block.Counter), int64(block.Gauge))
	return bySeries, err
}

func hoursOf(start int64) (hours []int64) {
	for at := start; at < start+dayMillis; at += hourMillis {
		hours = append(hours, at)
	}
	return hours
}

// breakDays takes the marks of the days away that rows are written of.
func (s *Store) breakDays(ctx context.Context, tx *sql.Tx, points []block.Point) error {
	if s.files == nil {
		return nil
	}
	type shardDay struct{ shard, start int64 }
	broken := map[shardDay]struct{}{}
	for i := range points {
		broken[shardDay{points[i].Series / block.ShardSize, block.Floor(points[i].Time, dayMillis)}] = struct{}{}
	}
	for k := range broken {
		if _, err := tx.ExecContext(ctx, "DELETE FROM rollup_1h_whole WHERE ts = ? AND shard = ?", k.start, k.shard); err != nil {
			return err
		}
	}
	return nil
}

// readDays takes the points by the hour of the days in a span that are whole for
// every shard that is asked for, and tells which days these are.
func (s *Store) readDays(ctx context.Context, at dialect.Snapshot, ids []int64, span Span, take func(block.Point)) (days map[int64]int, err error) {
	shards := shardsOf(ids)
	days = map[int64]int{}
	err = at.Ask(ctx, false, dialect.Query{
		SQL:  "SELECT ts FROM rollup_1h_whole WHERE ts >= $1 AND ts <= $2 AND shard " + s.db.InInts(3),
		Args: []any{block.Floor(span.From, dayMillis), span.To, s.db.IntsArg(shards)},
		Take: func(row dialect.Row) error {
			var start int64
			err := row.Scan(&start)
			days[start]++
			return err
		},
	})
	var starts []int64
	for start, n := range days {
		if n < len(shards) {
			delete(days, start)
			continue
		}
		starts = append(starts, start)
	}
	if err != nil || len(starts) == 0 {
		return days, err
	}
	slices.Sort(starts)
	var room []block.Point
	return days, at.Ask(ctx, false, dialect.Query{
		SQL:  "SELECT ts, series_id, data FROM json_each($1) AS t CROSS JOIN json_each($2) AS i CROSS JOIN rollup_1h_day WHERE ts = t.value AND series_id = i.value",
		Args: []any{s.db.IntsArg(starts), s.db.IntsArg(ids)},
		Take: func(row dialect.Row) error {
			var c Chunk
			var err error
			if err = row.Scan(&c.Start, &c.Series, &c.Data); err != nil {
				return err
			}
			if room, err = block.DecodeChunk(c.Data, c.Start, room[:0]); err != nil {
				return fmt.Errorf("hours of series %d on the day of %d: %w", c.Series, c.Start, err)
			}
			for _, p := range room {
				if p.Series = c.Series; p.Time >= span.From && p.Time <= span.To {
					take(p)
				}
			}
			return nil
		},
	})
}
