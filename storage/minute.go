package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// DayStats says what RollDays did.
type DayStats struct {
	Days   int // of a shard
	Chunks int
	Bytes  int64
	Took   time.Duration
}

// RollDays makes the chunks by the minute of days before `before`, counted from
// 1970, and makes those anew that got late data since. A day is made whole:
// whoever asks before its late data can be in makes it twice.
func (s *Store) RollDays(ctx context.Context, before int64) (stats DayStats, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	began := time.Now()
	type shardDay struct{ shard, day int64 }
	var work []shardDay
	err = s.read(ctx, "find days to roll up", func(ctx context.Context, tx *sql.Tx) error {
		work = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var k shardDay
			err := rows.Scan(&k.shard, &k.day)
			work = append(work, k)
			return err
		}, "SELECT DISTINCT shard, hour / 24 FROM compaction WHERE minuted < gens AND hour < $1 ORDER BY 2, 1", before*24)
	})
	for _, w := range work {
		if err != nil {
			break
		}
		var chunks []Chunk
		err = s.writeParts(ctx, "roll up a day", func(ctx context.Context, tx *sql.Tx) (err error) {
			if chunks, err = s.rollDay(ctx, tx, w.shard, w.day); err != nil {
				return fmt.Errorf("shard %d of day %d: %w", w.shard, w.day, err)
			}
			return nil
		})
		stats.Days++
		stats.Chunks += len(chunks)
		for _, c := range chunks {
			stats.Bytes += int64(len(c.Data))
		}
	}
	if err == nil && stats.Days > 0 {
		err = s.tidy(ctx)
	}
	stats.Took = time.Since(began)
	return stats, err
}

// rollDay makes one shard's day by the minute, as a generation that takes the
// place of the one before.
func (s *Store) rollDay(ctx context.Context, tx *sql.Tx, shard, day int64) ([]Chunk, error) {
	held, gens, err := s.lockHours(ctx, tx, "minuted", shard, day*24, day*24+24)
	if err != nil || len(gens) == 0 {
		return nil, err
	}
	f, err := s.floors(ctx, tx, s.db.ForShare)
	if err != nil {
		return nil, err
	}
	start := day * dayMillis
	var chunks []Chunk
	if start >= f.of(tierMinutes) {
		if chunks, err = s.dayChunks(ctx, tx, shard, start, held, gens, f); err != nil {
			return nil, err
		}
	}
	if len(chunks) > 0 {
		if err := s.replaceDay(ctx, tx, shard, start, chunks); err != nil {
			return nil, err
		}
		if err := s.keepDay(ctx, tx, shard, start); err != nil {
			return nil, err
		}
	}
	_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE compaction SET minuted = gens WHERE shard = $1 AND hour >= $2 AND hour < $3"), shard, day*24, day*24+24)
	return chunks, err
}

func (s *Store) dayChunks(ctx context.Context, tx *sql.Tx, shard, start int64, held, gens map[int64]int64, f floors) ([]Chunk, error) {
	var chunks []Chunk
	add := func(points []block.Point) {
		c := Chunk{Series: points[0].Series, Start: start}
		c.Data = block.AppendChunk(nil, start, points[0].Kind, points)
		chunks = append(chunks, c)
	}
	old, err := s.oldDay(ctx, tx, shard, start, f)
	if err != nil {
		return nil, err
	}
	err = s.shardPoints(ctx, tx, shard, held, gens, f, func(points []block.Point, late bool) {
		id := points[0].Series
		points = block.Fold(points, minuteMillis)
		if before := old[id]; late && before != nil {
			// What stands by the minute, and what came after its chunks had gone.
			points = block.Fold(mergePoints(append(before, points...), block.MergeWriters), minuteMillis)
		}
		delete(old, id)
		add(points)
	})
	if err != nil {
		return nil, err
	}
	for _, points := range old {
		add(points)
	}
	return chunks, nil
}

// oldDay returns the points by the minute that cannot be computed again, for
// their chunks have been given up by age.
func (s *Store) oldDay(ctx context.Context, tx *sql.Tx, shard, start int64, f floors) (map[int64][]block.Point, error) {
	old := map[int64][]block.Point{}
	if start >= max(f.of(tierPoints), f.of(tierSketches)) {
		return old, nil
	}
	days, err := s.minuteDays(ctx, tx, []int64{shard}, Span{From: start, To: start})
	if err != nil || len(days) == 0 {
		return old, err
	}
	list, err := s.shardChunks(ctx, tx, tierMinutes, shard, days)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		kind, _, err := block.ChunkInfo(c.Data)
		if err == nil && start >= f.of(fine(kind)) {
			continue
		}
		points, err := block.DecodeChunk(c.Data, c.Start, nil)
		if err != nil {
			return nil, fmt.Errorf("day of series %d: %w", c.Series, err)
		}
		for i := range points {
			points[i].Series = c.Series
		}
		old[c.Series] = points
	}
	return old, nil
}

// replaceDay writes a further generation and deletes the ones before. On
// SQLite the last one stays until the next time: its chunks are in a file of
// their own, where a reader can still be after the new one is marked.
func (s *Store) replaceDay(ctx context.Context, tx *sql.Tx, shard, start int64, chunks []Chunk) error {
	var gen int64
	err := tx.QueryRowContext(ctx, s.db.Bind("SELECT gens FROM minute_day WHERE shard = $1 AND day = $2"+s.db.ForUpdate), shard, start/dayMillis).Scan(&gen)
	if err != nil && err != sql.ErrNoRows {
		return err
	}
	if gen >= maxGens {
		return fmt.Errorf("%w: it has had late data too often", ErrRefused)
	}
	for i := range chunks {
		chunks[i].Gen = gen
	}
	if err := s.insertChunks(ctx, tx, tierMinutes, chunks); err != nil {
		return err
	}
	if err := s.forgetDays(ctx, tx, shard, start, gen); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, s.db.Bind("INSERT INTO minute_day (shard, day, gens) VALUES ($1, $2, $3) ON CONFLICT (shard, day) DO UPDATE SET gens = excluded.gens"),
		shard, start/dayMillis, gen+1)
	return err
}

func (s *Store) forgetDays(ctx context.Context, tx *sql.Tx, shard, start, gen int64) error {
	if s.files != nil {
		return s.files.forget(ctx, tierMinutes, shard, start, gen-1)
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM chunk_1m WHERE series_id >= $1 AND series_id < $2 AND start_ts = $3 AND gen < $4",
		shard*block.ShardSize, (shard+1)*block.ShardSize, start, gen)
	return err
}

// minuteDays returns the generation that is valid of each day that there is by
// the minute.
func (s *Store) minuteDays(ctx context.Context, tx *sql.Tx, shards []int64, span Span) (generations, error) {
	want := generations{}
	return want, dialect.InTx(s.db.Dialect, tx).Ask(ctx, false, s.minuteDaysQuery(shards, span, want))
}

func (s *Store) minuteDaysQuery(shards []int64, span Span, want generations) dialect.Query {
	first, last := block.Floor(span.From, dayMillis)/dayMillis, block.Floor(span.To, dayMillis)/dayMillis
	return dialect.Query{
		SQL:  "SELECT shard, day, gens FROM minute_day WHERE shard " + s.db.InInts(1) + " AND day >= $2 AND day <= $3",
		Args: []any{s.db.IntsArg(shards), first, last},
		Take: func(row dialect.Row) error {
			var shard, day, gens int64
			err := row.Scan(&shard, &day, &gens)
			want[shardStart{shard, day * dayMillis}] = genRange{gens - 1, gens}
			return err
		},
		Columns: 3,
	}
}

// isPeople reports a series that has rows by the minute.
func (s *Store) isPeople(id int64) bool {
	ids := s.people.Load()
	if ids == nil {
		return false
	}
	_, found := slices.BinarySearch(*ids, id)
	return found
}
