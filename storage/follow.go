package storage

import (
	"context"
	"database/sql"
	"iter"
	"maps"
	"slices"
	"time"
)

// followBlocks bounds what one call of Follow reads.
const followBlocks = 4096

// Follow returns a writer's blocks that are not compacted yet, of generations behind one
// and up to another, by generation, and the last generation of which they are all: as
// many as one call reads. What was compacted meanwhile is not among them.
func (s *Store) Follow(ctx context.Context, writer string, behind, upTo uint64) (list []StoredBlock, last uint64, err error) {
	err = s.read(ctx, "follow another daemon", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var b StoredBlock
			err := rows.Scan(&b.Hour, &b.Shard, &b.Writer, &b.Seq, &b.Data)
			list = append(list, b)
			return err
		}, "SELECT arrival_hour, shard, writer, seq, data FROM flush_block WHERE writer = $1 AND seq > $2 AND seq <= $3 ORDER BY seq, shard LIMIT $4", writer, int64(behind), int64(upTo), followBlocks)
	})
	if len(list) < followBlocks {
		return list, upTo, err
	}
	// The rest of the last one comes with the next call, unless one call does not take it.
	last = list[len(list)-1].Seq
	if list[0].Seq < last {
		last--
		list = slices.DeleteFunc(list, func(b StoredBlock) bool { return b.Seq > last })
	}
	return list, last, err
}

// Reach says up to which generation the flushes of several writers are meant. It never
// changes; nil is of none.
type Reach struct{ seqs map[string]uint64 }

// NewReach returns the reach of generations by writer. The map is the Reach's from then on.
func NewReach(seqs map[string]uint64) *Reach { return &Reach{seqs} }

// At returns up to which generation of a writer it reaches; 0 for none.
func (r *Reach) At(writer string) uint64 {
	if r == nil {
		return 0
	}
	return r.seqs[writer]
}

// All yields the writers and their generations.
func (r *Reach) All() iter.Seq2[string, uint64] {
	if r == nil {
		return maps.All(map[string]uint64(nil))
	}
	return maps.All(r.seqs)
}

// Covers tells whether it reaches as far as another one, for each writer.
func (r *Reach) Covers(o *Reach) bool {
	if r == o {
		return true
	}
	for writer, seq := range o.All() {
		if r.At(writer) < seq {
			return false
		}
	}
	return true
}

// Join returns what reaches as far as both.
func (r *Reach) Join(o *Reach) *Reach {
	switch {
	case r.Covers(o):
		return r
	case o.Covers(r):
		return o
	}
	seqs := maps.Clone(r.seqs)
	for writer, seq := range o.All() {
		seqs[writer] = max(seqs[writer], seq)
	}
	return &Reach{seqs}
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
