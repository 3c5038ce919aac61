package storage

import (
	"context"
	"database/sql"
	"iter"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/dialect"
)

// checkNames holds that the store has the names that it gave. A million of them are
// never in memory at once.
func (s *Store) checkNames(ctx context.Context, tx *sql.Tx, named iter.Seq[Named]) error {
	if named == nil {
		return nil
	}
	c := nameCheck{store: s, tx: tx, sums: make([]series.Hash, 0, s.db.MaxRows(2))}
	for n := range named {
		if err := c.add(ctx, n); err != nil {
			return err
		}
	}
	return c.ask(ctx)
}

// nameCheck gathers names for one question.
type nameCheck struct {
	store *Store
	tx    *sql.Tx
	ids   []int64
	sums  []series.Hash // of the keys, with room for as many as are asked for at once
}

func (c *nameCheck) add(ctx context.Context, n Named) error {
	if len(c.sums) == cap(c.sums) {
		if err := c.ask(ctx); err != nil {
			return err
		}
	}
	c.ids, c.sums = append(c.ids, n.ID), append(c.sums, keyHash(n.Key))
	return nil
}

func (c *nameCheck) ask(ctx context.Context) error {
	if len(c.ids) == 0 {
		return nil
	}
	hashes := make([][]byte, len(c.sums))
	for i := range c.sums {
		hashes[i] = c.sums[i][:]
	}
	body, args := c.store.db.Rows([]dialect.Column{{Name: "id", Values: c.ids}, {Name: "h", Values: hashes}})
	var found int
	err := c.tx.QueryRowContext(ctx, "WITH wanted(id, h) AS ("+body+") SELECT COUNT(*) FROM wanted CROSS JOIN series WHERE series.id = wanted.id AND series.key_hash = wanted.h", args...).Scan(&found)
	if err != nil {
		return err
	}
	if found != len(c.ids) {
		c.store.index.forget()
		return ErrRenamed
	}
	c.ids, c.sums = c.ids[:0], c.sums[:0]
	return nil
}
