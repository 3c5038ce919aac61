package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"

	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// rollHours brings the hourly rows of every shard and hour up to date that has
// generations which they do not hold.
func (s *Store) rollHours(ctx context.Context) (rows int, err error) {
	var work []shardHour
	err = s.read(ctx, "find hours to roll up", func(ctx context.Context, tx *sql.Tx) error {
		work = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var k shardHour
			err := rows.Scan(&k.shard, &k.hour)
			work = append(work, k)
			return err
		}, "SELECT shard, hour FROM compaction WHERE rolled < gens ORDER BY hour, shard")
	})
	for _, w := range work {
		if err != nil {
			break
		}
		done := 0
		err = s.writeParts(ctx, "roll up", func(ctx context.Context, tx *sql.Tx) (err error) {
			if done, err = s.rollHour(ctx, tx, w); err != nil {
				return fmt.Errorf("shard %d of hour %d: %w", w.shard, w.hour, err)
			}
			return nil
		})
		rows += done
	}
	return rows, err
}

// rollFirst writes the rows of hours whose first generation is being stored: they
// are folded from points that are at hand, and rollHours need not read them back.
// Each series of such an hour is whole in this transaction. Hours of which a tier
// has given something up are left to rollHours.
func (s *Store) rollFirst(ctx context.Context, tx *sql.Tx, rows []chunkRow) (int, error) {
	f, err := s.floors(ctx, tx, s.db.ForShare)
	if err != nil {
		return 0, err
	}
	oldest := max(f.of(tierHours), f.of(tierPoints), f.of(tierSketches), f.of(tierSQLMinutes))
	var hours, minutes []block.Point
	done := map[shardHour]struct{}{}
	for _, r := range rows {
		if r.Gen == 0 && r.Start >= oldest {
			hours, minutes = append(hours, r.hours...), append(minutes, r.minutes...)
			done[shardHourOf(r.Series, r.Start)] = struct{}{}
		}
	}
	if err := s.putRollups(ctx, tx, tierHours, hours); err != nil {
		return 0, err
	}
	if err := s.putRollups(ctx, tx, tierSQLMinutes, minutes); err != nil {
		return 0, err
	}
	for k := range done {
		if _, err := tx.ExecContext(ctx, s.db.Bind("UPDATE compaction SET rolled = 1 WHERE shard = $1 AND hour = $2 AND rolled = 0"), k.shard, k.hour); err != nil {
			return 0, err
		}
	}
	return len(hours), nil
}

// rollHour computes the rows of one shard and hour from all chunks of it. Where
// these have been given up by age, late data are added to the row there is.
func (s *Store) rollHour(ctx context.Context, tx *sql.Tx, w shardHour) (int, error) {
	held, gens, err := s.lockHours(ctx, tx, "rolled", w.shard, w.hour, w.hour+1)
	if err != nil || len(gens) == 0 {
		return 0, err
	}
	f, err := s.floors(ctx, tx, s.db.ForShare)
	if err != nil {
		return 0, err
	}
	start := w.hour * hourMillis
	keep := start >= f.of(tierHours) // else nobody can ask for it any more
	people := keep && start >= max(f.of(tierSQLMinutes), f.of(tierPoints), f.of(tierSketches))
	var rows, minutes []block.Point
	late := map[int64]bool{}
	err = s.shardPoints(ctx, tx, w.shard, held, gens, f, func(points []block.Point, isLate bool) {
		if keep {
			rows = append(rows, block.Fold(finite(points), hourMillis)...)
		}
		if people && s.isPeople(points[0].Series) {
			minutes = append(minutes, block.Fold(finite(points), minuteMillis)...)
		}
		late[points[0].Series] = late[points[0].Series] || isLate
	})
	if err != nil {
		return 0, err
	}
	if rows, err = s.addToRollups(ctx, tx, rows, late, start); err != nil {
		return 0, err
	}
	if err := s.putRollups(ctx, tx, tierHours, rows); err != nil {
		return 0, err
	}
	if err := s.putRollups(ctx, tx, tierSQLMinutes, minutes); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE compaction SET rolled = gens WHERE shard = $1 AND hour = $2"), w.shard, w.hour)
	return len(rows), err
}

// lockHours locks the hours of a shard in [from, to) and returns those that
// have generations which a tier does not hold: how many it holds, and how many
// there are of every hour.
func (s *Store) lockHours(ctx context.Context, tx *sql.Tx, column string, shard, from, to int64) (held, gens map[int64]int64, err error) {
	held, gens = map[int64]int64{}, map[int64]int64{}
	behind := false
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var hour, have, all int64
		err := rows.Scan(&hour, &have, &all)
		held[hour], gens[hour] = have, all
		behind = behind || have < all
		return err
	}, "SELECT hour, "+column+", gens FROM compaction WHERE shard = $1 AND hour >= $2 AND hour < $3"+s.db.ForUpdate, shard, from, to)
	if !behind {
		return nil, nil, err // another daemon was here first
	}
	return held, gens, err
}

// shardPoints reads the chunks of a shard's hours and gives the points of one
// series after the other, merged, in room that the next one takes: a shard's day
// is a gigabyte of points. Of hours whose chunks are being kept it takes all
// generations, of older ones those that the tier does not hold: late says that
// the latter is true of one.
func (s *Store) shardPoints(ctx context.Context, tx *sql.Tx, shard int64, held, gens map[int64]int64, f floors, take func(points []block.Point, late bool)) error {
	want := generations{}
	for hour, n := range gens {
		want[shardStart{shard, hour * hourMillis}] = genRange{0, n}
	}
	var list []Chunk
	for _, t := range sketchTiers {
		more, err := s.shardChunks(ctx, tx, t, shard, want)
		if err != nil {
			return err
		}
		list = append(list, more...)
	}
	slices.SortFunc(list, func(a, b Chunk) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.Start, b.Start), cmp.Compare(a.Gen, b.Gen))
	})
	var room []block.Point
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Series == list[0].Series {
			n++
		}
		points, late, err := seriesPoints(list[:n], held, f, room[:0])
		if err != nil {
			return err
		}
		if room = points; len(points) > 0 {
			take(mergePoints(points, block.MergeWriters), late)
		}
		list = list[n:]
	}
	return nil
}

// seriesPoints appends the points of one series' chunks to room.
func seriesPoints(list []Chunk, held map[int64]int64, f floors, room []block.Point) (points []block.Point, late bool, err error) {
	points = room
	for _, c := range list {
		kind, _, err := block.ChunkInfo(c.Data)
		if err != nil {
			return nil, false, fmt.Errorf("chunk of series %d at %d: %w", c.Series, c.Start, err)
		}
		if c.Start < f.of(fine(kind)) {
			late = true
			if c.Gen < held[floorHour(c.Start)] {
				continue
			}
		}
		if points, err = block.DecodeChunk(c.Data, c.Start, points); err != nil {
			return nil, false, fmt.Errorf("chunk of series %d at %d: %w", c.Series, c.Start, err)
		}
	}
	for i := range points {
		points[i].Series = list[0].Series
	}
	return points, late, nil
}

// shardChunks reads what is wanted of a whole shard.
func (s *Store) shardChunks(ctx context.Context, tx *sql.Tx, t tier, shard int64, want generations) ([]Chunk, error) {
	if s.files != nil {
		return s.files.readShard(ctx, t, shard, want)
	}
	first, last := want.bounds()
	var list []Chunk
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var c Chunk
		if err := rows.Scan(&c.Series, &c.Start, &c.Gen, &c.Data); err != nil {
			return err
		}
		if want.has(c) {
			list = append(list, c)
		}
		return nil
	}, "SELECT series_id, start_ts, gen, data FROM "+t.name+" WHERE series_id >= $1 AND series_id < $2 AND start_ts >= $3 AND start_ts <= $4",
		shard*block.ShardSize, (shard+1)*block.ShardSize, first, last)
	return list, err
}

func foldEach(series [][]block.Point, width int64) (out []block.Point) {
	for _, points := range series {
		out = append(out, block.Fold(finite(points), width)...)
	}
	return out
}

// finite leaves out the raw samples that are no numbers: native histograms, and
// stale markers. A row can hold none.
func finite(points []block.Point) []block.Point {
	if points[0].Kind != block.Raw || !slices.ContainsFunc(points, isNoNumber) {
		return points
	}
	return slices.DeleteFunc(slices.Clone(points), isNoNumber)
}

func isNoNumber(p block.Point) bool { return math.IsNaN(p.Last) || len(p.Sketch) > 0 }

// addToRollups merges rows with those that stand already, for the series that
// came late.
func (s *Store) addToRollups(ctx context.Context, tx *sql.Tx, rows []block.Point, late map[int64]bool, start int64) ([]block.Point, error) {
	var ids []int64
	for _, p := range rows {
		if late[p.Series] {
			ids = append(ids, p.Series)
		}
	}
	if len(ids) == 0 {
		return rows, nil
	}
	old := map[int64]block.Point{}
	at := dialect.InTx(s.db.Dialect, tx)
	err := at.Ask(ctx, false, s.hoursQuery(ids, []int64{start}, Span{From: start, To: start}, func(p block.Point) { old[p.Series] = p }))
	for i, p := range rows {
		if o, ok := old[p.Series]; ok {
			rows[i] = block.Fold([]block.Point{o, p}, hourMillis)[0]
		}
	}
	return rows, err
}

const rollupColumns = "series_id, ts, n, sum, cnt, min, max, last, last_at, neg, sketch, kind"

// rollupRows are rows on their way, column by column.
type rollupRows struct {
	ids, ts, kinds                      []int64
	n, lastAt                           []*int64
	sum, count, low, high, last, negate []*float64
	sketches                            [][]byte
}

func (r *rollupRows) add(p block.Point, width int64) {
	r.ids, r.ts, r.kinds = append(r.ids, p.Series), append(r.ts, block.Floor(p.Time, width)), append(r.kinds, int64(p.Kind))
	count := float64(p.N)
	var n, lastAt *int64
	var sum, low, high, last, negate *float64
	var sketch []byte
	switch p.Kind {
	case block.Counter:
		sum = &p.Sum
		if p.Neg != 0 {
			negate = &p.Neg
		}
	case block.Gauge:
		sum, low, high, last, lastAt = &p.Sum, &p.Min, &p.Max, &p.Last, &p.LastAt
	case block.Histogram:
		sum, low, high, sketch = &p.Sum, &p.Min, &p.Max, p.Sketch
		if count != p.Count {
			whole := int64(p.N)
			n, count = &whole, p.Count
		}
	case block.Set:
		sketch = p.Sketch
		if set, err := histogram.DecodeSet(p.Sketch); err == nil {
			members, _ := set.Estimate()
			estimate := float64(members)
			last = &estimate
		}
	case block.Raw:
		last, lastAt = &p.Last, &p.Time
	}
	r.n, r.lastAt, r.sketches = append(r.n, n), append(r.lastAt, lastAt), append(r.sketches, sketch)
	r.sum, r.count = append(r.sum, number(sum)), append(r.count, &count)
	r.low, r.high, r.last, r.negate = append(r.low, number(low)), append(r.high, number(high)), append(r.last, number(last)), append(r.negate, negate)
}

// number is NULL for what is none: SQLite has no NaN.
func number(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) {
		return nil
	}
	return v
}

func (s *Store) putRollups(ctx context.Context, tx *sql.Tx, t tier, points []block.Point) error {
	if len(points) == 0 {
		return nil
	}
	if t == tierHours {
		if err := s.breakDays(ctx, tx, points); err != nil {
			return err
		}
	}
	var r rollupRows
	for _, p := range points {
		if err := s.db.Partitions.Ensure(ctx, s.db.Write, t.name, p.Time/t.span, t.span); err != nil {
			return err
		}
		r.add(p, t.width)
	}
	return s.insert(ctx, tx, "INSERT INTO "+t.name+" ("+rollupColumns+")", []dialect.Column{
		{Name: "series_id", Values: r.ids}, {Name: "ts", Values: r.ts}, {Name: "n", Values: r.n},
		{Name: "sum", Values: r.sum}, {Name: "cnt", Values: r.count}, {Name: "min", Values: r.low}, {Name: "max", Values: r.high},
		{Name: "last", Values: r.last}, {Name: "last_at", Values: r.lastAt}, {Name: "neg", Values: r.negate},
		{Name: "sketch", Values: r.sketches}, {Name: "kind", Values: r.kinds},
	}, `ON CONFLICT (series_id, ts) DO UPDATE SET n = excluded.n, sum = excluded.sum, cnt = excluded.cnt, min = excluded.min, max = excluded.max,
last = excluded.last, last_at = excluded.last_at, neg = excluded.neg, sketch = excluded.sketch, kind = excluded.kind`)
}

// takeRollup makes a point of a row of rollupColumns.
func takeRollup(row dialect.Row, take func(block.Point)) error {
	var p block.Point
	var kind int64
	var n, lastAt sql.NullInt64
	var sum, count, low, high, last, neg sql.NullFloat64
	if err := row.Scan(&p.Series, &p.Time, &n, &sum, &count, &low, &high, &last, &lastAt, &neg, &p.Sketch, &kind); err != nil {
		return err
	}
	p.Kind = block.Kind(kind)
	p.Sum, p.Neg, p.Min, p.Max, p.Last, p.LastAt = sum.Float64, neg.Float64, low.Float64, high.Float64, last.Float64, lastAt.Int64
	p.N = uint64(count.Float64)
	if n.Valid {
		p.N = uint64(n.Int64)
	}
	switch p.Kind {
	case block.Histogram:
		p.Count = count.Float64
	case block.Set:
		p.Last = 0
	case block.Raw:
		p.Time, p.LastAt, p.N = p.LastAt, 0, 0
	}
	take(p)
	return nil
}

// rollupQuery asks for the rows by the hour of series whose buckets begin in the span.
// On SQLite it reads those at once that are held by the day, as plain values are.
func (s *Store) rollupQuery(ctx context.Context, at dialect.Snapshot, p *part, take func(block.Point)) (q dialect.Query, err error) {
	ids, span := p.ids, p.span
	if s.files == nil {
		return s.hoursQuery(ids, nil, span, take), nil
	}
	span.From = block.Floor(span.From+hourMillis-1, hourMillis)
	var first, last sql.NullInt64 // whoever asks for two thousand years gets what there is
	err = at.Ask(ctx, false, dialect.Query{
		SQL:  "SELECT (SELECT MIN(ts) FROM rollup_1h), (SELECT MAX(ts) FROM rollup_1h)",
		Take: func(row dialect.Row) error { return row.Scan(&first, &last) },
	})
	if err != nil || !first.Valid {
		return dialect.Query{}, err
	}
	var days map[int64]int
	if p.plain {
		days, err = s.readDays(ctx, at, ids, Span{From: max(span.From, first.Int64), To: min(span.To, last.Int64+hourMillis-1)}, take)
	}
	var starts []int64
	for ts := max(span.From, first.Int64); ts <= min(span.To, last.Int64); ts += hourMillis {
		if _, whole := days[block.Floor(ts, dayMillis)]; !whole {
			starts = append(starts, ts)
		}
	}
	return s.hoursQuery(ids, starts, span, take), err
}

// hoursQuery asks Postgres for the rows of a span, and SQLite, whose rows stand by
// time, for those of each start by its key.
func (s *Store) hoursQuery(ids, starts []int64, span Span, take func(block.Point)) dialect.Query {
	q := dialect.Query{Take: func(row dialect.Row) error { return takeRollup(row, take) }}
	if s.files == nil {
		q.SQL = "SELECT " + rollupColumns + " FROM rollup_1h WHERE series_id " + s.db.InInts(1) + " AND ts >= $2 AND ts <= $3"
		q.Args = []any{s.db.IntsArg(ids), span.From, span.To}
		return q
	}
	q.SQL = "SELECT " + rollupColumns + " FROM json_each($1) AS t CROSS JOIN json_each($2) AS i CROSS JOIN rollup_1h WHERE ts = t.value AND series_id = i.value"
	q.Args = []any{s.db.IntsArg(starts), s.db.IntsArg(ids)}
	return q
}
