package storage

import (
	"context"
	"database/sql"
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

// Chunk is one series' hour, as package block encodes it. Start is Unix
// milliseconds; a later Gen holds what arrived later.
type Chunk struct {
	Series int64
	Start  int64
	Gen    int64
	Data   []byte
}

// Base is a counter's sum, and that of its negative increments.
type Base struct{ Sum, Neg float64 }

// ReadRequest asks for the points of series whose buckets begin in [From, To],
// Unix milliseconds.
type ReadRequest struct {
	IDs        []int64
	From, To   int64
	BaseBefore int64 // start of a day: Bases are of the days before it
	// Held returns a block's bytes where the caller has them.
	Held func(BlockKey) []byte
}

// Selection is the answer, of one snapshot. Blocks come by writer and
// sequence; they hold other series and times too.
type Selection struct {
	Chunks []Chunk
	Blocks []StoredBlock
	Bases  map[int64]Base
}

// Read returns the chunks, the blocks not compacted yet, and the counters'
// bases from before BaseBefore, which hold only what is compacted. Every
// stored point is in exactly one of them.
func (s *Store) Read(ctx context.Context, r ReadRequest) (sel Selection, err error) {
	if len(r.IDs) == 0 {
		return Selection{Bases: map[int64]Base{}}, nil
	}
	slices.Sort(r.IDs)
	shards := shardsOf(r.IDs)
	err = s.read(ctx, "read points", func(ctx context.Context, tx *sql.Tx) error {
		sel = Selection{Bases: map[int64]Base{}}
		gens, err := s.generations(ctx, tx, shards, floorHour(r.From), floorHour(r.To))
		if err != nil {
			return err
		}
		if sel.Blocks, err = s.blocks(ctx, tx, shards, r.Held); err != nil {
			return err
		}
		if sel.Chunks, err = s.chunks(ctx, tx, r, gens); err != nil {
			return err
		}
		return s.bases(ctx, tx, r, sel.Bases)
	})
	return sel, err
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

// generations returns how many generations of chunks are valid.
func (s *Store) generations(ctx context.Context, tx *sql.Tx, shards []int64, from, to int64) (map[shardHour]int64, error) {
	gens := map[shardHour]int64{}
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var k shardHour
		var n int64
		err := rows.Scan(&k.shard, &k.hour, &n)
		gens[k] = n
		return err
	}, "SELECT shard, hour, gens FROM compaction WHERE shard "+s.db.InInts(1)+" AND hour >= $2 AND hour <= $3", s.db.IntsArg(shards), from, to)
	return gens, err
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

func (s *Store) chunks(ctx context.Context, tx *sql.Tx, r ReadRequest, gens map[shardHour]int64) (list []Chunk, err error) {
	if len(gens) == 0 {
		return nil, nil
	}
	first, last := floorHour(r.From)*hourMillis, floorHour(r.To)*hourMillis
	if s.db.Name == dialect.SQLite {
		list, err = s.files.read(ctx, r.IDs, first, last, gens)
	} else {
		err = s.each(ctx, tx, func(rows *sql.Rows) error {
			var c Chunk
			err := rows.Scan(&c.Series, &c.Start, &c.Gen, &c.Data)
			list = append(list, c)
			return err
		}, "SELECT series_id, start_ts, gen, data FROM chunk_10s WHERE series_id "+s.db.InInts(1)+" AND start_ts >= $2 AND start_ts <= $3", r.IDs, first, last)
	}
	// What is not marked is half-written by a compaction that was killed.
	return slices.DeleteFunc(list, func(c Chunk) bool {
		return c.Gen >= gens[shardHourOf(c.Series, c.Start)]
	}), err
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
