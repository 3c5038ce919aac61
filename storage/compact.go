package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// CompactStats says what a compaction did.
type CompactStats struct {
	Blocks, Points, Chunks int
	Bytes                  int64 // of chunks
	Rollups                int   // hourly rows, computed or computed again
	Took                   time.Duration
}

// Compact turns the blocks of arrival hours before `before` into chunks of one
// series and hour, and brings the hourly rows up to date. It works in
// transactions of a shard, for which a flush on SQLite waits; killed anywhere, it
// goes on where it was.
// Blocks that arrive for an hour that was compacted already become a further
// generation of its chunks, and the hour's row is computed anew.
func (s *Store) Compact(ctx context.Context, before int64) (stats CompactStats, err error) {
	s.work.Lock()
	defer s.work.Unlock()
	began := time.Now()
	work, err := s.compactable(ctx, before)
	if err != nil {
		return stats, err
	}
	var room gathered
	for _, w := range work {
		var done CompactStats
		err := s.writeParts(ctx, "compact", func(ctx context.Context, tx *sql.Tx) error {
			done = CompactStats{}
			return s.compact(ctx, tx, w, &room, &done)
		})
		if err != nil {
			return stats, err
		}
		stats.Blocks += done.Blocks
		stats.Points += done.Points
		stats.Chunks += done.Chunks
		stats.Bytes += done.Bytes
		stats.Rollups += done.Rollups
	}
	// Those that were emptied now go once no reader can know of their rows.
	if _, err := s.db.Partitions.DropEmpty(ctx, s.db.Write, "flush_block", before, s.keep); err != nil {
		return stats, s.wrap("drop empty partitions", err)
	}
	late, err := s.rollHours(ctx)
	stats.Rollups += late
	if err == nil && stats.Blocks+late > 0 {
		err = s.tidy(ctx)
	}
	stats.Took = time.Since(began)
	return stats, err
}

// tidy gives back what the work before it has left free. A store that is written
// just now may keep it until the next time.
func (s *Store) tidy(ctx context.Context) error {
	if err := s.files.tidy(ctx); err != nil {
		return err
	}
	if err := s.db.Shrink(ctx); s.db.Classify(err) != dialect.Busy {
		return s.wrap("give room back", err)
	}
	return nil
}

func (s *Store) compactable(ctx context.Context, before int64) (work []shardHour, err error) {
	err = s.read(ctx, "find what to compact", func(ctx context.Context, tx *sql.Tx) error {
		work = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var k shardHour
			err := rows.Scan(&k.hour, &k.shard)
			work = append(work, k)
			return err
		}, "SELECT DISTINCT arrival_hour, shard FROM flush_block WHERE arrival_hour < $1 ORDER BY arrival_hour, shard", before)
	})
	return work, err
}

// chunkRow is a chunk on its way, what it adds to its counter, and its rows by
// the hour and by the minute.
type chunkRow struct {
	Chunk
	kind           block.Kind
	delta          Base
	hours, minutes []block.Point
}

func (s *Store) compact(ctx context.Context, tx *sql.Tx, w shardHour, room *gathered, stats *CompactStats) error {
	rows, err := s.takeBlocks(ctx, tx, w, room, stats)
	if err != nil {
		return fmt.Errorf("shard %d of hour %d: %w", w.shard, w.hour, err)
	}
	switch {
	case stats.Blocks == 0:
		return nil // another daemon was here first
	case len(rows) == 0: // all of it was deleted
		return s.dropBlocks(ctx, tx, w)
	}
	if err := s.number(ctx, tx, rows); err != nil {
		return err
	}
	if err := s.putChunks(ctx, tx, rows); err != nil {
		return err
	}
	if err := s.addBases(ctx, tx, rows); err != nil {
		return err
	}
	n, err := s.rollFirst(ctx, tx, rows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		stats.Bytes += int64(len(r.Data))
	}
	stats.Chunks, stats.Rollups = len(rows), n
	return s.dropBlocks(ctx, tx, w)
}

// takeBlocks reads and locks the blocks of one shard and arrival hour, and
// merges them into one chunk for each series and hour of data.
func (s *Store) takeBlocks(ctx context.Context, tx *sql.Tx, w shardHour, room *gathered, stats *CompactStats) ([]chunkRow, error) {
	var byWriter [][][]byte
	last := ""
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var writer string
		var data []byte
		if err := rows.Scan(&writer, &data); err != nil {
			return err
		}
		if len(byWriter) == 0 || writer != last {
			byWriter, last = append(byWriter, nil), writer
		}
		list := &byWriter[len(byWriter)-1]
		*list = append(*list, data)
		stats.Blocks++
		return nil
	}, "SELECT writer, data FROM flush_block WHERE arrival_hour = $1 AND shard = $2 ORDER BY writer, seq"+s.db.ForUpdate, w.hour, w.shard)
	if err != nil {
		return nil, err
	}
	if err := room.open(w.shard, byWriter); err != nil {
		return nil, err
	}
	gone, err := s.gone(ctx, tx, w.shard)
	if err != nil {
		return nil, err
	}
	var rows []chunkRow
	for {
		list, ok, err := room.next()
		if err != nil || !ok {
			return rows, err
		}
		for _, points := range list {
			stats.Points += len(points)
			if _, deleted := gone[points[0].Series]; !deleted {
				rows = s.chunkRows(points, rows)
			}
		}
	}
}

// mergePoints sorts by series, kind and time, keeping the order of equals, and
// merges those.
func mergePoints(points []block.Point, merge func(a, b block.Point) block.Point) []block.Point {
	if isMerged(points) {
		return points
	}
	return mergeSorted(sortPoints(points), merge)
}

// mergeSorted merges equals, in place.
func mergeSorted(points []block.Point, merge func(a, b block.Point) block.Point) []block.Point {
	out := points[:0]
	for _, p := range points {
		if n := len(out); n > 0 && out[n-1].Series == p.Series && out[n-1].Time == p.Time && out[n-1].Kind == p.Kind {
			if p.Kind != block.Raw { // of raw samples at one time the first counts
				out[n-1] = merge(out[n-1], p)
			}
			continue
		}
		out = append(out, p)
	}
	return out
}

// isMerged reports points that are in order, no two at one place.
func isMerged(points []block.Point) bool {
	for i := 1; i < len(points); i++ {
		a, b := &points[i-1], &points[i]
		if a.Series == b.Series && a.Kind == b.Kind {
			if a.Time >= b.Time {
				return false
			}
		} else if a.Series > b.Series || a.Series == b.Series && a.Kind > b.Kind {
			return false
		}
	}
	return true
}

func byPlace(a, b block.Point) int {
	return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Time, b.Time))
}

// sortPoints deals the points of a shard out by series and kind, and sorts the
// few of these whose times are not in order yet: an hour of a shard is hundreds
// of thousands of points, and sorting them all took half of a compaction.
func sortPoints(points []block.Point) []block.Point {
	if slices.IsSortedFunc(points, byPlace) {
		return points
	}
	first, last := points[0].Series, points[0].Series
	for i := range points {
		first, last = min(first, points[i].Series), max(last, points[i].Series)
	}
	if last-first >= block.ShardSize {
		slices.SortStableFunc(points, byPlace)
		return points
	}
	place := func(p *block.Point) int { return int(p.Series-first)*block.NumKinds + int(p.Kind) }
	ends := make([]int, int(last-first+1)*block.NumKinds+1)
	for i := range points {
		ends[place(&points[i])+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	out, at := make([]block.Point, len(points)), slices.Clone(ends)
	for i := range points {
		k := place(&points[i])
		out[at[k]] = points[i]
		at[k]++
	}
	for i := range len(ends) - 1 {
		if group := out[ends[i]:ends[i+1]]; !slices.IsSortedFunc(group, byPlace) {
			slices.SortStableFunc(group, byPlace)
		}
	}
	return out
}

// chunkRows cuts the points of one series and kind, sorted, into a chunk for
// each hour.
func (s *Store) chunkRows(points []block.Point, rows []chunkRow) []chunkRow {
	for len(points) > 0 {
		first := points[0]
		hour := floorHour(first.Time)
		n := 1
		for n < len(points) && points[n].Time < (hour+1)*hourMillis {
			n++
		}
		r := chunkRow{Chunk: Chunk{Series: first.Series, Start: hour * hourMillis}, kind: first.Kind}
		r.Data = block.AppendChunk(nil, r.Start, first.Kind, points[:n])
		if first.Kind == block.Counter {
			for i := range points[:n] {
				r.delta.Sum += points[i].Sum
				r.delta.Neg += points[i].Neg
			}
		}
		r.hours = block.Fold(finite(points[:n]), hourMillis)
		if s.isPeople(first.Series) {
			r.minutes = block.Fold(finite(points[:n]), minuteMillis)
		}
		rows = append(rows, r)
		points = points[n:]
	}
	return rows
}

// number gives each chunk the next generation of its shard and hour, and marks
// it as valid with this transaction.
func (s *Store) number(ctx context.Context, tx *sql.Tx, rows []chunkRow) error {
	next := map[shardHour]int64{}
	for _, r := range rows {
		next[shardHourOf(r.Series, r.Start)] = 0
	}
	var shards, hours, gens []int64
	for k := range next {
		var have int64
		err := tx.QueryRowContext(ctx, s.db.Bind("SELECT gens FROM compaction WHERE shard = $1 AND hour = $2"+s.db.ForUpdate), k.shard, k.hour).Scan(&have)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
		if have >= maxGens {
			return fmt.Errorf("%w: hour %d of shard %d has had late data too often", ErrRefused, k.hour, k.shard)
		}
		next[k] = have
		shards, hours, gens = append(shards, k.shard), append(hours, k.hour), append(gens, have+1)
	}
	for i := range rows {
		rows[i].Gen = next[shardHourOf(rows[i].Series, rows[i].Start)]
	}
	return s.insert(ctx, tx, "INSERT INTO compaction (shard, hour, gens)", []dialect.Column{
		{Name: "shard", Values: shards}, {Name: "hour", Values: hours}, {Name: "gens", Values: gens},
	}, "ON CONFLICT (shard, hour) DO UPDATE SET gens = excluded.gens")
}

// maxGens bounds the generations of an hour: SQLite's chunk keys have 18 bits
// for them.
const maxGens = 1<<genBits - 1

func (s *Store) putChunks(ctx context.Context, tx *sql.Tx, rows []chunkRow) error {
	byTier := map[tier][]Chunk{}
	for _, r := range rows {
		byTier[fine(r.kind)] = append(byTier[fine(r.kind)], r.Chunk)
	}
	for t, list := range byTier {
		if err := s.insertChunks(ctx, tx, t, list); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) insertChunks(ctx context.Context, tx *sql.Tx, t tier, list []Chunk) error {
	if s.files != nil {
		return s.files.write(ctx, tx, t, list)
	}
	n := len(list)
	ids, starts, gens, data := make([]int64, n), make([]int64, n), make([]int64, n), make([][]byte, n)
	for i, c := range list {
		if err := s.db.Partitions.Ensure(ctx, s.db.Write, t.name, c.Start/t.span, t.span); err != nil {
			return err
		}
		ids[i], starts[i], gens[i], data[i] = c.Series, c.Start, c.Gen, c.Data
	}
	return s.insert(ctx, tx, "INSERT INTO "+t.name+" (series_id, start_ts, gen, data)", []dialect.Column{
		{Name: "series_id", Values: ids}, {Name: "start_ts", Values: starts}, {Name: "gen", Values: gens}, {Name: "data", Values: data},
	}, "")
}

// addBases adds each counter's hour to its day.
func (s *Store) addBases(ctx context.Context, tx *sql.Tx, rows []chunkRow) error {
	type seriesDay struct{ series, day int64 }
	sums := map[seriesDay]Base{}
	for _, r := range rows {
		if r.kind != block.Counter {
			continue
		}
		k := seriesDay{r.Series, r.Start / dayMillis}
		b := sums[k]
		sums[k] = Base{b.Sum + r.delta.Sum, b.Neg + r.delta.Neg}
	}
	if len(sums) == 0 {
		return nil
	}
	var ids, days []int64
	var sum, neg []float64
	for k, b := range sums {
		ids, days, sum, neg = append(ids, k.series), append(days, k.day), append(sum, b.Sum), append(neg, b.Neg)
	}
	return s.insert(ctx, tx, "INSERT INTO counter_day (series_id, day, sum, neg)", []dialect.Column{
		{Name: "series_id", Values: ids}, {Name: "day", Values: days}, {Name: "sum", Values: sum}, {Name: "neg", Values: neg},
	}, "ON CONFLICT (series_id, day) DO UPDATE SET sum = counter_day.sum + excluded.sum, neg = counter_day.neg + excluded.neg")
}

func (s *Store) dropBlocks(ctx context.Context, tx *sql.Tx, w shardHour) error {
	_, err := tx.ExecContext(ctx, s.db.Bind("DELETE FROM flush_block WHERE arrival_hour = $1 AND shard = $2"), w.hour, w.shard)
	return err
}
