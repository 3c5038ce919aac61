package storage

import (
	"context"
	"database/sql"
	"math"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

const (
	minuteMillis = 60 * 1000
	// spanMinutes and spanHours are how much one partition, or one file, of the
	// longer tiers holds: retention goes by as much at once.
	spanMinutes = 10 * dayMillis
	spanHours   = 30 * dayMillis
)

// tier is one resolution of the store's memory: what a chunk or row covers, and
// what goes as a whole when it is old. On Postgres name is the partitioned
// table; on SQLite chunks stand in files of a kind, and rows in the table.
type tier struct {
	name  string
	kind  string // of SQLite's files; empty: rows of a table
	width int64  // of a bucket, milliseconds; 0: as it was written
	unit  int64  // that one chunk covers
	span  int64  // of a partition or file
}

// The tiers, from the finest to the coarsest. Ten-second histograms and sets
// are apart, for they are kept for a shorter time.
var (
	tierPoints     = tier{"chunk_10s", "chunks", 0, hourMillis, dayMillis}
	tierSketches   = tier{"sketch_10s", "sketches", 0, hourMillis, dayMillis}
	tierMinutes    = tier{"chunk_1m", "minutes", minuteMillis, dayMillis, spanMinutes}
	tierHours      = tier{"rollup_1h", "", hourMillis, hourMillis, spanHours}
	tierSQLMinutes = tier{"rollup_1m", "", minuteMillis, minuteMillis, dayMillis}
)

// tiers lists every tier.
var tiers = []tier{tierPoints, tierSketches, tierMinutes, tierHours, tierSQLMinutes}

// fine returns where a kind's ten-second chunks stand.
func fine(k block.Kind) tier {
	if k == block.Histogram || k == block.Set {
		return tierSketches
	}
	return tierPoints
}

// floors tells from when on each tier has data, Unix milliseconds by the
// tier's name. What is older has been given up.
type floors map[string]int64

func (f floors) of(t tier) int64 { return f[t.name] }

// before returns the last moment that a tier has given up. Where it has given
// up nothing, that lies before everything.
func (f floors) before(t tier) int64 {
	if floor := f[t.name]; floor > 0 {
		return floor - 1
	}
	return math.MinInt64
}

func (s *Store) floors(ctx context.Context, tx *sql.Tx, lock string) (floors, error) {
	f := floors{}
	return f, dialect.InTx(s.db.Dialect, tx).Ask(ctx, false, floorsQuery(f, lock))
}

func floorsQuery(f floors, lock string) dialect.Query {
	return dialect.Query{SQL: "SELECT name, floor FROM tier" + lock, Columns: 2, Take: func(row dialect.Row) error {
		var name string
		var floor int64
		err := row.Scan(&name, &floor)
		f[name] = floor
		return err
	}}
}

// Span is a stretch of time whose buckets have one width: those that begin in
// [From, To], Unix milliseconds. Width 0 is that with which they were written.
type Span struct{ From, To, Width int64 }

// plan cuts [from, to] into spans, the oldest first: the coarsest tier that
// fits the step where it does, and the finest that is left where time has
// taken the others. A last bucket that would reach beyond to is read finer,
// where that is still to be had.
func plan(from, to, step int64, fine tier, f floors) []Span {
	spans := cut(from, to, step, fine, f)
	for _, finer := range []int64{minuteMillis, 0} {
		if len(spans) == 0 {
			break
		}
		last := &spans[len(spans)-1]
		if last.Width <= finer || (to+1)%last.Width == 0 {
			continue
		}
		begin := max(block.Floor(to, last.Width), last.From)
		end := cut(begin, to, finer, fine, f)
		if end[0].Width == last.Width {
			continue
		}
		if last.To = begin - 1; last.To < last.From {
			spans = spans[:len(spans)-1]
		}
		spans = append(spans, end...)
	}
	return spans
}

func cut(from, to, step int64, fine tier, f floors) (spans []Span) {
	for _, p := range []Span{
		{math.MinInt64, f.before(tierMinutes), hourMillis},
		{f.before(tierMinutes) + 1, f.before(fine), max(minuteMillis, coarsest(step))},
		{f.before(fine) + 1, math.MaxInt64, coarsest(step)},
	} {
		if p.From, p.To = max(p.From, from), min(p.To, to); p.From > p.To {
			continue
		}
		if n := len(spans); n > 0 && spans[n-1].Width == p.Width {
			spans[n-1].To = p.To
			continue
		}
		spans = append(spans, p)
	}
	return spans
}

// coarsest returns the width of the coarsest tier of which a step is a whole
// number of buckets, 0 where it is the finest.
func coarsest(step int64) int64 {
	for _, width := range []int64{hourMillis, minuteMillis} {
		if step >= width && step%width == 0 {
			return width
		}
	}
	return 0
}

// Width returns the width of the bucket that begins at t, 0 where it is that
// with which it was written.
func Width(spans []Span, t int64) int64 {
	for _, s := range spans {
		if t >= s.From && t <= s.To {
			return s.Width
		}
	}
	return 0
}
