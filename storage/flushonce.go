package storage

import (
	"context"
	"encoding/json"

	"example.com/nexusctl/storage/dialect"
)

// commitAtOnce stores a flush in one statement, and so in one round trip instead of
// five, which with few series is most of what a flush costs. It does so where the
// writer's row is the one that this store wrote last. Where it is not, nothing is
// stored, applied is false, and Commit finds out why.
//
// A flush with events or new names takes several statements, and so does one beyond
// the bytes of one. SQLite has no round trips to spare, and cannot say it in one.
func (s *Store) commitAtOnce(ctx context.Context, f Flush) (applied bool, err error) {
	last := s.wrote.Load()
	if s.db.Name != dialect.Postgres || s.apart.Load() || last == nil || last.ID != f.Writer || last.Position != f.From || !f.isSmall(s.db.MaxRows(2)) {
		return false, nil
	}
	next := last.after(f)
	counts, err := json.Marshal(counted{next.Counts, next.Blocks})
	if err != nil {
		return false, s.wrap("flush", err)
	}
	shards, data := make([]int64, len(f.Blocks)), make([][]byte, len(f.Blocks))
	for i, b := range f.Blocks {
		shards[i], data[i] = b.Shard, b.Data
	}
	args := []any{f.Writer, int64(f.To), int64(f.Seq), string(counts), next.UpdatedAt.UnixMilli(), f.Until,
		int64(f.From), int64(last.Seq), last.UpdatedAt.UnixMilli(), f.Hour, shards, data}
	err = s.inPartition(ctx, f.Hour, func() error {
		return s.retry(ctx, "flush", func() (err error) {
			applied, err = s.insertAndMove(ctx, args)
			return err
		})
	})
	if err == nil && applied {
		s.wrote.Store(&next)
	}
	return applied && err == nil, err
}

// isSmall tells whether one statement takes the flush, given the most rows of one.
func (f *Flush) isSmall(most int) bool {
	size := 0
	for _, b := range f.Blocks {
		size += len(b.Data)
	}
	return size > 0 && size <= insertBatch && len(f.Blocks) <= most && len(f.Events) == 0 && f.Named == nil && f.To != f.From
}

// insertAndMove inserts blocks if the writer's row can be moved, and tells whether it
// was. A server that cannot do both in one statement, as one that distributes tables,
// is not asked again.
func (s *Store) insertAndMove(ctx context.Context, args []any) (moved bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	n, err := s.db.Exec(ctx, `WITH moved AS (
UPDATE writer_position SET position = $2, seq = $3, counts = $4, updated_at = $5, watermark = $6, left_at = 0
WHERE writer = $1 AND position = $7 AND seq = $8 AND updated_at = $9 RETURNING writer)
INSERT INTO flush_block (arrival_hour, shard, writer, seq, data)
SELECT $10::bigint, b.shard, moved.writer, $3::bigint, b.data FROM moved CROSS JOIN unnest($11::bigint[], $12::bytea[]) AS b(shard, data)`, args...)
	if s.db.Classify(err) == dialect.Unsupported {
		s.apart.Store(true)
		return false, nil
	}
	return n > 0, err
}
