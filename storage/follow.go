package storage

import (
	"context"
	"database/sql"
	"time"
)

// followBlocks bounds what one call of Follow reads.
const followBlocks = 4096

// Follow returns a writer's blocks behind a generation that are not compacted
// yet, by generation, and the last generation of which they are all: as many as
// one call reads. What was compacted meanwhile is not among them.
func (s *Store) Follow(ctx context.Context, writer string, seq uint64) (list []StoredBlock, upTo uint64, err error) {
	err = s.read(ctx, "follow another daemon", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var b StoredBlock
			err := rows.Scan(&b.Hour, &b.Shard, &b.Writer, &b.Seq, &b.Data)
			list = append(list, b)
			return err
		}, "SELECT arrival_hour, shard, writer, seq, data FROM flush_block WHERE writer = $1 AND seq > $2 ORDER BY seq, shard LIMIT $3", writer, int64(seq), followBlocks)
	})
	if len(list) > 0 {
		upTo = list[len(list)-1].Seq
	}
	if len(list) == followBlocks && upTo > seq+1 {
		upTo-- // the rest of the last one comes with the next call
	}
	return list, upTo, err
}

// OldestBlock returns the arrival hour of the oldest block that a writer still has,
// or one that is later than any. Every writer is asked by the index over writers: by
// the key, which begins with the shard, all blocks would be looked at.
func (s *Store) OldestBlock(ctx context.Context) (hour int64, err error) {
	err = s.queryRow(ctx, "find the oldest block", &hour, `SELECT COALESCE(MIN(hour), 1000000000) FROM (
SELECT (SELECT arrival_hour FROM flush_block b WHERE b.writer = w.writer ORDER BY seq LIMIT 1) AS hour FROM writer_position w) AS oldest`)
	return hour, err
}

// Leave notes that a writer's daemon has ended as it should: nobody need miss
// it. Its next flush takes that back.
func (s *Store) Leave(ctx context.Context, writer string) error {
	return s.write(ctx, "leave the store", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.db.Bind("UPDATE writer_position SET left_at = $2 WHERE writer = $1"), writer, time.Now().UnixMilli())
		return err
	})
}
