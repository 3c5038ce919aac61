package storage

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"math"
	"slices"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
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
	// Except is a writer: the Selection's Reach is of all others. "" asks for none.
	Except string
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
	// Reach says up to which generation the points of each other writer are in it.
	Reach *Reach

	room dialect.Room
}

// Release gives the memory of the blocks to other reads: neither they nor sketches of
// their points may be used any more. Without it the garbage collector does that.
func (s *Selection) Release() { s.room.Release() }

// Read returns the chunks, the hourly rows, the blocks not compacted yet, and
// the counters' bases from before BaseBefore, which hold only what is
// compacted. Every stored point is in exactly one of them.
func (s *Store) Read(ctx context.Context, r ReadRequest) (sel Selection, err error) {
	if len(r.IDs)+len(r.Sketches) == 0 {
		return Selection{Bases: map[int64]Base{}}, nil
	}
	slices.Sort(r.IDs)
	slices.Sort(r.Sketches)
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = s.db.Look(ctx, func(at dialect.Snapshot) error {
		sel = Selection{Bases: map[int64]Base{}}
		return s.selectPoints(ctx, at, r, &sel)
	})
	// Sorted by the database, their bytes would be copied through its sorter.
	slices.SortStableFunc(sel.Blocks, func(a, b StoredBlock) int {
		return cmp.Or(cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.Seq, b.Seq))
	})
	return sel, s.wrap("read points", err)
}

// selectPoints asks twice: which blocks and generations there are, and then for
// what they hold. Where that can be asked at once, it is.
func (s *Store) selectPoints(ctx context.Context, at dialect.Snapshot, r ReadRequest, sel *Selection) error {
	k := &reading{Store: s, request: r, sel: sel}
	if done, err := k.atOnce(ctx, at); done || err != nil {
		return err
	}
	if err := k.survey(ctx, at); err != nil {
		return err
	}
	var queries []dialect.Query
	for i := range k.parts {
		more, err := k.fetch(ctx, at, &k.parts[i])
		if err != nil {
			return err
		}
		queries = append(queries, more...)
	}
	missing := k.blockQueries(sel.Blocks)
	if r.Held != nil {
		s.unheld.Store(len(missing) > 0)
	}
	return at.Ask(ctx, true, append(queries, missing...)...)
}

// atOnce asks for everything in one round trip, where a database over a network
// holds chunks by rows: the finest points of a span are those of the generations
// that the same answer names. It is done unless floors were raised since the last
// read, or the caller had not every block. While callers have not, asking twice is
// cheaper.
func (k *reading) atOnce(ctx context.Context, at dialect.Snapshot) (done bool, err error) {
	planned := k.tiers.Load()
	if k.files != nil || planned == nil || k.request.Held != nil && k.unheld.Load() {
		return false, nil
	}
	k.plan(*planned)
	found := floors{}
	queries := append(k.reachQuery(), floorsQuery(found, ""), k.blocksQuery(k.request.Held == nil), k.basesQuery())
	for _, p := range k.parts {
		if p.span.Width != 0 {
			return false, nil
		}
		queries = append(queries, k.generationsQuery(shardsOf(p.ids), p.span, heldBy[0], p.want))
		for _, t := range p.fine {
			queries = append(queries, k.rowsQuery(t, p.ids, floorHour(p.span.From)*hourMillis, p.span.To, p.want, k.take(p.span)))
		}
	}
	if err := at.Ask(ctx, true, queries...); err != nil {
		return false, err
	}
	k.tiers.Store(&found)
	unheld := slices.ContainsFunc(k.sel.Blocks, func(b StoredBlock) bool { return b.Data == nil })
	if unheld {
		k.unheld.Store(true)
	}
	return maps.Equal(found, *planned) && !unheld, nil
}

// take adds a chunk of which the points in a span are meant.
func (k *reading) take(span Span) func(Chunk) {
	return func(c Chunk) {
		c.Span = span
		k.sel.Chunks = append(k.sel.Chunks, c)
	}
}

// reading is one Read under way.
type reading struct {
	*Store
	request ReadRequest
	sel     *Selection
	parts   []part
}

// part is one span of the plain series, or of the sketches: the ten-second chunks
// that are wanted, and the days by the minute.
type part struct {
	plain      bool
	ids        []int64
	span       Span
	fine       []tier
	want, days generations
}

// survey asks which blocks, generations and days there are, planned by the floors
// that the last reader saw, and again where these have been raised since.
func (k *reading) survey(ctx context.Context, at dialect.Snapshot) error {
	planned := k.tiers.Load()
	if planned == nil {
		f := floors{}
		if err := at.Ask(ctx, false, floorsQuery(f, "")); err != nil {
			return err
		}
		planned = &f
	}
	for {
		found := floors{}
		k.plan(*planned)
		queries := append(k.reachQuery(), floorsQuery(found, ""), k.blocksQuery(k.request.Held == nil), k.basesQuery())
		for _, p := range k.parts {
			queries = append(queries, k.generationsQuery(shardsOf(p.ids), p.span, heldBy[p.span.Width], p.want))
			if p.span.Width == minuteMillis {
				queries = append(queries, k.minuteDaysQuery(shardsOf(p.ids), p.span, p.days))
			}
		}
		if err := at.Ask(ctx, false, queries...); err != nil {
			return err
		}
		k.tiers.Store(&found)
		if maps.Equal(found, *planned) {
			return nil
		}
		planned = &found // of this snapshot, so they hold
	}
}

// plan empties what was found, and cuts the time into parts.
func (k *reading) plan(f floors) {
	r, sel := k.request, k.sel
	k.parts, sel.Blocks, sel.Chunks, sel.Rollups = nil, nil, nil, nil
	clear(sel.Bases)
	add := func(plain bool, ids []int64, spans []Span, fine []tier) {
		for _, span := range spans {
			k.parts = append(k.parts, part{plain, ids, span, fine, generations{}, generations{}})
		}
	}
	if len(r.IDs) > 0 {
		sel.Spans = plan(r.From, r.To, r.Step, tierPoints, f)
		add(true, r.IDs, sel.Spans, []tier{tierPoints})
	}
	if len(r.Sketches) > 0 {
		sel.SketchSpans = plan(r.From, r.To, r.Step, tierSketches, f)
		add(false, r.Sketches, sel.SketchSpans, sketchTiers)
	}
}

// sketchTiers are where ten-second sketches stand: a store that was made before
// they had a tier of their own has some among the points.
var sketchTiers = []tier{tierSketches, tierPoints}

// fetch returns the queries for a part's own tier, and for the ten-second chunks
// that the tier does not hold yet. What is in files it reads at once.
func (k *reading) fetch(ctx context.Context, at dialect.Snapshot, p *part) (queries []dialect.Query, err error) {
	take := k.take(p.span)
	add := func(t tier, want generations) error {
		q, err := k.chunksQuery(ctx, t, p.ids, want, take)
		queries = append(queries, q...)
		return err
	}
	for _, t := range p.fine {
		if err := add(t, p.want); err != nil {
			return nil, err
		}
	}
	switch p.span.Width {
	case minuteMillis:
		err = add(tierMinutes, p.days)
	case hourMillis:
		var q dialect.Query
		q, err = k.rollupQuery(ctx, at, p, func(p block.Point) { k.sel.Rollups = append(k.sel.Rollups, p) })
		if q.SQL != "" {
			queries = append(queries, q)
		}
	}
	return queries, err
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

// generationsQuery finds the generations of the span's hours from held on.
func (s *Store) generationsQuery(shards []int64, span Span, held string, want generations) dialect.Query {
	return dialect.Query{
		SQL:  "SELECT shard, hour, " + held + ", gens FROM compaction WHERE shard " + s.db.InInts(1) + " AND hour >= $2 AND hour <= $3 AND " + held + " < gens",
		Args: []any{s.db.IntsArg(shards), floorHour(span.From), floorHour(span.To)},
		Take: func(row dialect.Row) error {
			var shard, hour int64
			var r genRange
			err := row.Scan(&shard, &hour, &r.from, &r.to)
			want[shardStart{shard, hour * hourMillis}] = r
			return err
		},
		Columns: 4,
	}
}

// blocksQuery finds which blocks there are, with the bytes of all, or of those that
// the caller has.
func (k *reading) blocksQuery(bytes bool) dialect.Query {
	all := slices.Concat(k.request.IDs, k.request.Sketches)
	slices.Sort(all)
	columns, n := "arrival_hour, shard, writer, seq", 4
	if bytes {
		columns, n = columns+", data", 5
	}
	var scanned StoredBlock // one for all rows: it escapes
	to := []any{&scanned.Hour, &scanned.Shard, &scanned.Writer, &scanned.Seq, &scanned.Data}[:n]
	return dialect.Query{
		SQL:     "SELECT " + columns + " FROM flush_block WHERE shard " + k.db.InInts(1),
		Args:    []any{k.db.IntsArg(shardsOf(all))},
		Columns: n,
		Room:    &k.sel.room,
		Take: func(row dialect.Row) error {
			if err := row.Scan(to...); err != nil {
				return err
			}
			b := scanned
			if k.request.Held != nil {
				b.Data = k.request.Held(b.BlockKey)
			}
			k.sel.Blocks = append(k.sel.Blocks, b)
			return nil
		},
	}
}

// few is up to how many missing blocks are fetched one by one.
const few = 64

// blockQueries fetch the bytes of the blocks that have none yet.
func (k *reading) blockQueries(list []StoredBlock) (queries []dialect.Query) {
	missing, shards := map[BlockKey]*StoredBlock{}, map[int64]struct{}{}
	for i := range list {
		if b := &list[i]; b.Data == nil {
			missing[b.BlockKey], shards[b.Shard] = b, struct{}{}
		}
	}
	if len(missing) > few {
		return []dialect.Query{{
			SQL:     "SELECT arrival_hour, shard, writer, seq, data FROM flush_block WHERE shard " + k.db.InInts(1),
			Args:    []any{k.db.IntsArg(slices.Sorted(maps.Keys(shards)))},
			Columns: 5,
			Room:    &k.sel.room,
			Take: func(row dialect.Row) error {
				var b StoredBlock
				err := row.Scan(&b.Hour, &b.Shard, &b.Writer, &b.Seq, &b.Data)
				if to := missing[b.BlockKey]; to != nil {
					to.Data = b.Data
				}
				return err
			},
		}}
	}
	for _, b := range missing {
		queries = append(queries, dialect.Query{
			SQL:  "SELECT data FROM flush_block WHERE arrival_hour = $1 AND shard = $2 AND writer = $3 AND seq = $4",
			Args: []any{b.Hour, b.Shard, b.Writer, int64(b.Seq)},
			Take: func(row dialect.Row) error { return row.Scan(&b.Data) },
			Room: &k.sel.room,
		})
	}
	return queries
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
	q, err := s.chunksQuery(ctx, t, ids, want, func(c Chunk) { list = append(list, c) })
	if err != nil {
		return nil, err
	}
	return list, dialect.InTx(s.db.Dialect, tx).Ask(ctx, false, q...)
}

// chunksQuery asks for what is wanted of one tier. What is in files it reads at
// once, and returns no query.
func (s *Store) chunksQuery(ctx context.Context, t tier, ids []int64, want generations, take func(Chunk)) ([]dialect.Query, error) {
	if len(want) == 0 {
		return nil, nil
	}
	first, last := want.bounds()
	if s.files != nil {
		list, err := s.files.read(ctx, t, ids, first, last, want)
		for _, c := range list {
			take(c)
		}
		return nil, err
	}
	return []dialect.Query{s.rowsQuery(t, ids, first, last, want, take)}, nil
}

// rowsQuery asks Postgres for the chunks that begin in [first, last], and takes
// those that are wanted when they come.
func (s *Store) rowsQuery(t tier, ids []int64, first, last int64, want generations, take func(Chunk)) dialect.Query {
	return dialect.Query{
		SQL:  "SELECT series_id, start_ts, gen, data FROM " + t.name + " WHERE series_id " + s.db.InInts(1) + " AND start_ts >= $2 AND start_ts <= $3",
		Args: []any{s.db.IntsArg(ids), first, last},
		Take: func(row dialect.Row) error {
			var c Chunk
			if err := row.Scan(&c.Series, &c.Start, &c.Gen, &c.Data); err != nil {
				return err
			}
			if want.has(c) {
				take(c)
			}
			return nil
		},
	}
}

// reachQuery finds how far the other writers are, where that is asked for.
func (k *reading) reachQuery() []dialect.Query {
	if k.request.Except == "" {
		return nil
	}
	seqs := map[string]uint64{}
	k.sel.Reach = NewReach(seqs)
	return []dialect.Query{{
		SQL:  "SELECT writer, seq FROM writer_position WHERE writer <> $1",
		Args: []any{k.request.Except},
		Take: func(row dialect.Row) error {
			var writer string
			var seq int64
			err := row.Scan(&writer, &seq)
			seqs[writer] = uint64(seq)
			return err
		},
		Columns: 2,
	}}
}

func (k *reading) basesQuery() dialect.Query {
	return dialect.Query{
		SQL:  "SELECT series_id, SUM(sum), SUM(neg) FROM counter_day WHERE series_id " + k.db.InInts(1) + " AND day < $2 GROUP BY series_id",
		Args: []any{k.db.IntsArg(k.request.IDs), k.request.BaseBefore / dayMillis},
		Take: func(row dialect.Row) error {
			var id int64
			var b Base
			err := row.Scan(&id, &b.Sum, &b.Neg)
			k.sel.Bases[id] = b
			return err
		},
		Columns: 3,
	}
}
