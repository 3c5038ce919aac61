package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Row is a row of an answer. Scan may wrap what it is given in its place, so a list of
// destinations serves all rows of one query, and no other query's.
type Row interface {
	Scan(dest ...any) error
}

// Query is one statement that reads, and what takes its rows, one after the other.
type Query struct {
	SQL  string
	Args []any
	Take func(Row) error
	// Columns is how many columns a row has. Rows may then come packed, all at once, in
	// any order: ORDER BY means nothing. 0: row by row.
	Columns int
	// Room is where bytes that are scanned are put; nil: memory of their own.
	Room *Room
}

// Snapshot reads what the store held at one moment.
type Snapshot interface {
	// Ask puts several queries at once, and has every answer taken, in their
	// order. Last says that nothing is asked any more: on Postgres the transaction
	// then ends in the same round trip. What is asked behind the last is of another
	// moment.
	Ask(ctx context.Context, last bool, queries ...Query) error
}

// Look runs f with a snapshot. A database over a network answers what is asked at
// once in one round trip, which is most of what a small read takes.
func (d *Database) Look(ctx context.Context, f func(Snapshot) error) error {
	if d.snapshots != nil {
		return lookPostgres(ctx, d.snapshots, f)
	}
	tx, err := d.Read.BeginTx(ctx, nil) // a deferred transaction of SQLite is a snapshot
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(InTx(d.Dialect, tx)); err != nil {
		return err
	}
	return tx.Commit()
}

// InTx asks in a transaction that there is.
func InTx(d *Dialect, tx *sql.Tx) Snapshot { return transaction{d, tx} }

type transaction struct {
	d  *Dialect
	tx *sql.Tx
}

func (t transaction) Ask(ctx context.Context, _ bool, queries ...Query) error {
	if t.d.Name == SQLite && packable(queries) {
		if done, err := t.packed(ctx, queries); done {
			return err
		}
	}
	for _, q := range queries {
		if err := t.one(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// packed asks for the rows of all queries at once, packed. Where they are too many, it
// is not done, and none was taken.
func (t transaction) packed(ctx context.Context, queries []Query) (done bool, err error) {
	slot, ok := takeSlot()
	if !ok {
		t.d.unpacked.Add(1)
		return false, nil
	}
	defer freeSlot(slot)
	text, args := packSQLite(queries, slot)
	switch err := t.drain(ctx, text, args); {
	case t.d.Classify(err) == Refused: // nothing else of a read is: too many bytes
		t.d.unpacked.Add(1)
		return false, nil
	case err != nil:
		return true, err
	}
	rows := packedRows{rest: slotBytes(slot)}
	return true, rows.each(queries)
}

// drain has a statement done whose rows say nothing.
func (t transaction) drain(ctx context.Context, text string, args []any) error {
	rows, err := t.tx.QueryContext(ctx, t.d.Bind(text), args...)
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (t transaction) one(ctx context.Context, q Query) error {
	rows, err := t.tx.QueryContext(ctx, t.d.Bind(q.SQL), q.Args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var row Row = rows
	if t.d.Name == SQLite {
		row = ownedRow{rows}
	}
	for rows.Next() {
		if err := q.Take(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ownedRow scans bytes without the copy that database/sql makes because some drivers
// use theirs again. SQLite's makes them anew for each row.
type ownedRow struct{ rows *sql.Rows }

func (r ownedRow) Scan(dest ...any) error {
	for i, d := range dest {
		if b, ok := d.(*[]byte); ok {
			dest[i] = (*ownedBytes)(b)
		}
	}
	return r.rows.Scan(dest...)
}

type ownedBytes []byte

// Scan implements sql.Scanner.
func (b *ownedBytes) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = v
	case string:
		*b = []byte(v)
	default:
		return fmt.Errorf("bytes wanted, the column holds %T", src)
	}
	return nil
}

func lookPostgres(ctx context.Context, pool *pgxpool.Pool, f func(Snapshot) error) (err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // one in a transaction is closed, and not given to others
	p := &pipeline{conn: conn.Conn()}
	if err := f(p); err != nil {
		if p.begun && !p.ended {
			_, undo := p.conn.Exec(ctx, "ROLLBACK")
			err = errors.Join(err, undo)
		}
		return err
	}
	return p.end(ctx)
}

// pipeline sends what is asked at once as one batch. A batch that is the first and
// the last is a transaction by itself; else the first begins one, and the last ends it.
type pipeline struct {
	conn         *pgx.Conn
	begun, ended bool
}

func (p *pipeline) Ask(ctx context.Context, last bool, queries ...Query) (err error) {
	var b pgx.Batch
	begin, commit := !p.begun && !last, p.begun && last
	if begin {
		b.Queue("BEGIN")
	}
	for _, q := range queries {
		b.Queue(q.SQL, q.Args...)
	}
	if commit {
		b.Queue("COMMIT")
	}
	if b.Len() == 0 {
		return nil
	}
	answers := p.conn.SendBatch(ctx, &b)
	defer func() { err = errors.Join(err, answers.Close()) }()
	if begin {
		p.begun = true
		if _, err := answers.Exec(); err != nil {
			return err
		}
	}
	for _, q := range queries {
		if err := takeRows(answers, q); err != nil {
			return err
		}
	}
	if commit {
		_, err = answers.Exec()
		p.ended = err == nil
	}
	return err
}

func takeRows(answers pgx.BatchResults, q Query) error {
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := q.Take(roomRow{rows, q.Room}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// roomRow scans bytes into a Room.
type roomRow struct {
	rows pgx.Rows
	room *Room
}

func (r roomRow) Scan(dest ...any) error {
	for i, d := range dest {
		if b, ok := d.(*[]byte); ok {
			dest[i] = &roomBytes{b, r.room}
		}
	}
	return r.rows.Scan(dest...)
}

type roomBytes struct {
	to   *[]byte
	room *Room
}

// ScanBytes implements pgtype.BytesScanner.
func (b *roomBytes) ScanBytes(v []byte) error {
	*b.to = b.room.copy(v)
	return nil
}

func (p *pipeline) end(ctx context.Context) error {
	if !p.begun || p.ended {
		return nil
	}
	_, err := p.conn.Exec(ctx, "COMMIT")
	return err
}
