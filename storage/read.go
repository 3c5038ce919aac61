package storage

import (
	"context"
	"database/sql"
	"math"
	"slices"

	"example.com/nexusctl/storage/block"
)

const (
	hourMillis = 60 * 60 * 1000
	dayMillis  = 24 * hourMillis
)

// BlockKey names a stored block.
type BlockKey struct {
	Hour   int64
	Writer string
	Seq    uint64
	Shard  int64
}

// StoredBlock is a block that is not compacted yet.
type StoredBlock struct {
	BlockKey
	Data []byte
}

// Chunk is one series' hour, or its day by the minute, as package block encodes
// it. Start is Unix milliseconds; a later Gen of an hour holds what arrived
// later. Of a Selection's chunk only the points in Span are meant: the others
// are in chunks or rows of another tier.
type Chunk struct {
	Series int64
	Start  int64
	Gen    int64
	Data   []byte
	Span   Span
}

// Base is a counter's sum, and that of its negative increments.
type Base struct{ Sum, Neg float64 }

// ReadRequest asks for the points of series whose buckets begin in [From, To],
// Unix milliseconds. A Step of whole minutes, or whole hours, milliseconds, says
// that points by the minute, or by the hour, will do; 0 asks for the finest.
type ReadRequest struct {
	IDs        []int64 // of series of plain values: counters, gauges
	Sketches   []int64 // of series of histograms and sets
	From, To   int64
	Step       int64
	BaseBefore int64 // start of a day: Bases are of the days before it
	// Held returns a block's bytes where the caller has them.
	Held func(BlockKey) []byte
}

// Selection is the answer, of one snapshot. Blocks come by writer and
// sequence; they hold other series and times too. Points that fall into one
// bucket of their span are parts of it.
type Selection struct {
	Chunks  []Chunk
	Rollups []block.Point // by the hour
	Blocks  []StoredBlock
	Bases   map[int64]Base
	// Spans and SketchSpans say how wide the buckets of the two kinds of series
	// are, the oldest first.
	Spans, SketchSpans []Span
}

// Read returns the chunks, the hourly rows, the blocks not compacted yet, and
// the counters' bases from before BaseBefore, which hold only what is
// compacted. Every stored point is in exactly one of them.
func (s *Store) Read(ctx context.Context, r ReadRequest) (sel Selection, err error) {
	if len(r.IDs)+len(r.Sketches) == 0 {
		return Selection{Bases: map[int64]Base{}}, nil
	}
	slices.Sort(r.IDs)
	slices.Sort(r.Sketches)
	err = s.read(ctx, "read points", func(ctx context.Context, tx *sql.Tx) error {
		sel = Selection{Bases: map[int64]Base{}}
		return s.selectPoints(ctx, tx, r, &sel)
	})
	return sel, err
}

func (s *Store) selectPoints(ctx context.Context, tx *sql.Tx, r ReadRequest, sel *Selection) error {
	f, err := s.floors(ctx, tx, "")
	if err != nil {
		return err
	}
	all := slices.Concat(r.IDs, r.Sketches)
	slices.Sort(all)
	if sel.Blocks, err = s.blocks(ctx, tx, shardsOf(all), r.Held); err != nil {
		return err
	}
	if len(r.IDs) > 0 {
		sel.Spans = plan(r.From, r.To, r.Step, tierPoints, f)
		if err := s.readSpans(ctx, tx, r.IDs, sel.Spans, []tier{tierPoints}, sel); err != nil {
			return err
		}
	}
	if len(r.Sketches) > 0 {
		sel.SketchSpans = plan(r.From, r.To, r.Step, tierSketches, f)
		if err := s.readSpans(ctx, tx, r.Sketches, sel.SketchSpans, sketchTiers, sel); err != nil {
			return err
		}
	}
	return s.bases(ctx, tx, r, sel.Bases)
}

// sketchTiers are where ten-second sketches stand: a store that was made before
// they had a tier of their own has some among the points.
var sketchTiers = []tier{tierSketches, tierPoints}

func (s *Store) readSpans(ctx context.Context, tx *sql.Tx, ids []int64, spans []Span, fine []tier, sel *Selection) error {
	for _, span := range spans {
		if err := s.readSpan(ctx, tx, ids, span, fine, sel); err != nil {
			return err
		}
	}
	return nil
}

// readSpan reads a span's own tier, and of the ten-second chunks those that the
// tier does not hold yet.
func (s *Store) readSpan(ctx context.Context, tx *sql.Tx, ids []int64, span Span, fine []tier, sel *Selection) error {
	shards := shardsOf(ids)
	want, err := s.generations(ctx, tx, shards, span, heldBy[span.Width])
	if err != nil {
		return err
	}
	for _, t := range fine {
		if err := s.readChunks(ctx, tx, t, ids, span, want, sel); err != nil {
			return err
		}
	}
	switch span.Width {
	case minuteMillis:
		days, err := s.minuteDays(ctx, tx, shards, span)
		if err != nil {
			return err
		}
		return s.readChunks(ctx, tx, tierMinutes, ids, span, days, sel)
	case hourMillis:
		return s.readRollups(ctx, tx, tierHours, ids, span, func(p block.Point) { sel.Rollups = append(sel.Rollups, p) })
	}
	return nil
}

func (s *Store) readChunks(ctx context.Context, tx *sql.Tx, t tier, ids []int64, span Span, want generations, sel *Selection) error {
	list, err := s.chunks(ctx, tx, t, ids, want)
	for i := range list {
		list[i].Span = span
	}
	sel.Chunks = append(sel.Chunks, list...)
	return err
}

func shardsOf(ids []int64) (shards []int64) {
	for _, id := range ids {
		if sh := id / block.ShardSize; len(shards) == 0 || shards[len(shards)-1] != sh {
			shards = append(shards, sh)
		}
	}
	return shards
}

func floorHour(t int64) int64 {
	h := t / hourMillis
	if h*hourMillis > t {
		h--
	}
	return h
}

// shardHour is the unit of compaction.
type shardHour struct{ shard, hour int64 }

func shardHourOf(series, start int64) shardHour {
	return shardHour{series / block.ShardSize, floorHour(start)}
}

// shardStart names the chunks of a shard that begin at one time.
type shardStart struct{ shard, start int64 }

// generations are the ones that are wanted, and valid, of chunks.
type generations map[shardStart]genRange

// genRange holds generations from the first up to, and without, the last.
type genRange struct{ from, to int64 }

// bounds returns the first and the last start.
func (g generations) bounds() (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	for k := range g {
		first, last = min(first, k.start), max(last, k.start)
	}
	return first, last
}

// has tells whether a chunk is wanted. What is not marked is half-written by a
// compaction that was killed.
func (g generations) has(c Chunk) bool {
	r := g[shardStart{c.Series / block.ShardSize, c.Start}]
	return c.Gen >= r.from && c.Gen < r.to
}

// heldBy names the column that counts the generations of an hour which the tier
// of a width holds already.
var heldBy = map[int64]string{0: "0", minuteMillis: "minuted", hourMillis: "rolled"}

// generations returns the generations of the span's hours from held on.
func (s *Store) generations(ctx context.Context, tx *sql.Tx, shards []int64, span Span, held string) (generations, error) {
	want := generations{}
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var shard, hour int64
		var r genRange
		err := rows.Scan(&shard, &hour, &r.from, &r.to)
		want[shardStart{shard, hour * hourMillis}] = r
		return err
	}, "SELECT shard, hour, "+held+", gens FROM compaction WHERE shard "+s.db.InInts(1)+" AND hour >= $2 AND hour <= $3 AND "+held+" < gens",
		s.db.IntsArg(shards), floorHour(span.From), floorHour(span.To))
	return want, err
}

// blocks reads which blocks there are, and the bytes of those not held.
func (s *Store) blocks(ctx context.Context, tx *sql.Tx, shards []int64, held func(BlockKey) []byte) ([]StoredBlock, error) {
	var list []StoredBlock
	missing := 0
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var b StoredBlock
		if err := rows.Scan(&b.Hour, &b.Shard, &b.Writer, &b.Seq); err != nil {
			return err
		}
		if held != nil {
			b.Data = held(b.BlockKey)
		}
		if b.Data == nil {
			missing++
		}
		list = append(list, b)
		return nil
	}, "SELECT arrival_hour, shard, writer, seq FROM flush_block WHERE shard "+s.db.InInts(1)+" ORDER BY writer, seq", s.db.IntsArg(shards))
	if err != nil || missing == 0 {
		return list, err
	}
	return s.fetchBlocks(ctx, tx, list, missing)
}

// few is up to how many missing blocks are fetched one by one.
const few = 64

func (s *Store) fetchBlocks(ctx context.Context, tx *sql.Tx, list []StoredBlock, missing int) ([]StoredBlock, error) {
	if missing > few {
		shards := map[int64]struct{}{}
		for _, b := range list {
			shards[b.Shard] = struct{}{}
		}
		all := make([]int64, 0, len(shards))
		for sh := range shards {
			all = append(all, sh)
		}
		return s.allBlocks(ctx, tx, " WHERE shard "+s.db.InInts(1), s.db.IntsArg(all))
	}
	for i := range list {
		b := &list[i]
		if b.Data != nil {
			continue
		}
		err := tx.QueryRowContext(ctx, s.db.Bind("SELECT data FROM flush_block WHERE arrival_hour = $1 AND shard = $2 AND writer = $3 AND seq = $4"),
			b.Hour, b.Shard, b.Writer, int64(b.Seq)).Scan(&b.Data)
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Store) allBlocks(ctx context.Context, tx *sql.Tx, where string, args ...any) (list []StoredBlock, err error) {
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var b StoredBlock
		err := rows.Scan(&b.Hour, &b.Shard, &b.Writer, &b.Seq, &b.Data)
		list = append(list, b)
		return err
	}, "SELECT arrival_hour, shard, writer, seq, data FROM flush_block"+where+" ORDER BY writer, seq, shard", args...)
	return list, err
}

// Blocks returns every block that is not compacted yet, of arrival hours in
// [from, to], by writer, sequence and shard.
func (s *Store) Blocks(ctx context.Context, from, to int64) (list []StoredBlock, err error) {
	err = s.read(ctx, "read blocks", func(ctx context.Context, tx *sql.Tx) error {
		list, err = s.allBlocks(ctx, tx, " WHERE arrival_hour >= $1 AND arrival_hour <= $2", from, to)
		return err
	})
	return list, err
}

// chunks reads what is wanted of one tier.
func (s *Store) chunks(ctx context.Context, tx *sql.Tx, t tier, ids []int64, want generations) (list []Chunk, err error) {
	if len(want) == 0 {
		return nil, nil
	}
	first, last := want.bounds()
	if s.files != nil {
		return s.files.read(ctx, t, ids, first, last, want)
	}
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var c Chunk
		if err := rows.Scan(&c.Series, &c.Start, &c.Gen, &c.Data); err != nil {
			return err
		}
		if want.has(c) {
			list = append(list, c)
		}
		return nil
	}, "SELECT series_id, start_ts, gen, data FROM "+t.name+" WHERE series_id "+s.db.InInts(1)+" AND start_ts >= $2 AND start_ts <= $3", s.db.IntsArg(ids), first, last)
	return list, err
}

func (s *Store) bases(ctx context.Context, tx *sql.Tx, r ReadRequest, bases map[int64]Base) error {
	return s.each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var b Base
		err := rows.Scan(&id, &b.Sum, &b.Neg)
		bases[id] = b
		return err
	}, "SELECT series_id, SUM(sum), SUM(neg) FROM counter_day WHERE series_id "+s.db.InInts(1)+" AND day < $2 GROUP BY series_id",
		s.db.IntsArg(r.IDs), r.BaseBefore/dayMillis)
}
