// Package storage is the store: series, blocks, chunks, positions, in SQLite or
// Postgres. All SQL stands here, once; package dialect holds what differs.
//
// A flush is durable when Commit returns, together with the log position it
// covers. Blocks become chunks by compaction; readers see each point in exactly
// one of the two, because both are read from one snapshot.
//
// docs/format/store.md describes tables and files.
package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

var (
	// ErrUnavailable reports a store that is not there now; worth a retry.
	ErrUnavailable = dialect.ErrUnavailable
	// ErrBusy reports work that others were in the way of; worth a retry.
	ErrBusy = errors.New("the store is busy")
	// ErrRefused reports data that a healthy store will never take.
	ErrRefused = errors.New("the store refuses the data")
	// ErrSchemaOld and ErrSchemaNew report a schema that is not this binary's.
	ErrSchemaOld = errors.New("the store's schema is older than this nexusctl needs: run `nexusctl migrate up`")
	ErrSchemaNew = migrate.ErrNewer
)

// Options say which store to open.
type Options struct {
	URL      string // sqlite:<path> or postgres://…
	DataDir  string // base of a relative SQLite path
	Password string // secret; of Postgres, instead of the URL's
	MaxConns int
	Timeout  time.Duration // of a statement
	// KeepEmpty is how long Postgres keeps a partition that compaction has emptied, at
	// least as long as any reader's transaction; 0: twice the Timeout.
	KeepEmpty time.Duration
	Logger    *slog.Logger
}

// Store is an open store, safe for concurrent use.
type Store struct {
	db      *dialect.Database
	id      string
	timeout time.Duration
	keep    time.Duration // of emptied partitions
	files   *chunkFiles   // SQLite's files of chunks; nil on Postgres
	seat    dialect.Config

	// work keeps the periodic jobs of this process from one another. Those of
	// other processes are kept apart by the database: Postgres has locks, and an
	// SQLite store is one daemon's.
	work sync.Mutex
	// people are the series that have rows by the minute.
	people atomic.Pointer[[]int64]
	passed passed // of the last time that their rows were computed; work is its lock
	// tiers are the floors that the last reader saw: the next one plans with them,
	// and asks whether they still hold together with everything else.
	tiers atomic.Pointer[floors]
	// unheld says that the last reader which holds blocks lacked some.
	unheld atomic.Bool
	// wrote is the writer's row that this store wrote last; nil: none yet.
	wrote atomic.Pointer[Writer]
	// apart says that the server cannot move that row and insert blocks in one statement.
	apart atomic.Bool
	index *seriesIndex
}

// Unpacked counts the answers of SQLite that came row by row because they were too long
// to be packed, or too many were at once.
func (s *Store) Unpacked() uint64 { return s.db.Unpacked() }

const defaultTimeout = 30 * time.Second

// Open connects to a store whose schema is this binary's. It does not migrate.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := checkSchema(ctx, o); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.KeepEmpty == 0 {
		o.KeepEmpty = 2 * o.Timeout
	}
	db, err := dialect.Open(ctx, dialect.Config{
		URL: o.URL, DataDir: o.DataDir, Password: o.Password, MaxConns: o.MaxConns, Timeout: o.Timeout, Logger: o.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, timeout: o.Timeout, keep: o.KeepEmpty, index: newSeriesIndex(o.Logger), seat: dialect.Config{URL: o.URL, DataDir: o.DataDir, Password: o.Password, MaxConns: 1, Logger: o.Logger}}
	if db.Name == dialect.SQLite {
		s.files = newChunkFiles(db.Path)
	}
	err = s.queryRow(ctx, "read the store's identity", &s.id, "SELECT id FROM store_meta")
	if errors.Is(err, sql.ErrNoRows) { // the power went between the schema and its name
		err = ErrSchemaOld
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func checkSchema(ctx context.Context, o Options) error {
	m, err := migrate.Open(ctx, o.URL, o.DataDir, o.Password)
	if err != nil {
		return err
	}
	v, err := m.Version(ctx)
	if err := errors.Join(err, m.Close()); err != nil {
		return err
	}
	switch latest := m.Latest(); {
	case v < latest:
		return ErrSchemaOld
	case v > latest:
		return ErrSchemaNew
	}
	return nil
}

// Close closes every connection.
func (s *Store) Close() error { return errors.Join(s.files.close(), s.db.Close()) }

// ID returns the store's identity, which it keeps for its life.
func (s *Store) ID() string { return s.id }

// Backend returns "sqlite" or "postgres".
func (s *Store) Backend() string { return s.db.Name }

// Ping asks whether the store answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.queryRow(ctx, "ping the store", &one, "SELECT 1")
}

// wrap names the operation and turns the database's errors into the store's.
// The password never stays in.
func (s *Store) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	kind := map[dialect.Class]error{
		dialect.Unavailable: ErrUnavailable, dialect.Busy: ErrBusy, dialect.Timeout: ErrBusy,
		dialect.Refused: ErrRefused, dialect.NoTable: ErrSchemaOld,
	}[s.db.Classify(err)]
	if kind != nil && !errors.Is(err, kind) {
		return fmt.Errorf("%s: %w: %s", what, kind, s.db.Scrub(err.Error()))
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (s *Store) queryRow(ctx context.Context, what string, dst any, query string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.wrap(what, s.db.Read.QueryRowContext(ctx, s.db.Bind(query), args...).Scan(dst))
}

const (
	busyTries = 5
	busyPause = 20 * time.Millisecond
)

// write runs f in a transaction, again where others were in the way.
func (s *Store) write(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) error {
	return s.retry(ctx, what, func() error { return s.transact(ctx, s.db.Write, nil, f) })
}

func (s *Store) retry(ctx context.Context, what string, transact func() error) error {
	var err error
	for try := range busyTries {
		err = transact()
		if err == nil || s.db.Classify(err) != dialect.Busy {
			break
		}
		select {
		case <-time.After(busyPause << try):
		case <-ctx.Done():
			return s.wrap(what, ctx.Err())
		}
	}
	return s.wrap(what, err)
}

// writeParts is write for what goes into partitions that f makes sure of. One
// that another daemon drops in between is made again.
func (s *Store) writeParts(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) error {
	err := s.write(ctx, what, f)
	if s.db.Classify(err) == dialect.NoPartition {
		s.db.Partitions.Forget()
		err = s.write(ctx, what, f)
	}
	return err
}

// read runs f in a transaction that sees one snapshot.
func (s *Store) read(ctx context.Context, what string, f func(ctx context.Context, tx *sql.Tx) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if s.db.Name == dialect.Postgres {
		o.Isolation = sql.LevelRepeatableRead
	} else {
		o = nil // a deferred transaction of SQLite is a snapshot already
	}
	return s.wrap(what, s.transact(ctx, s.db.Read, o, f))
}

func (s *Store) transact(ctx context.Context, db *sql.DB, o *sql.TxOptions, f func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	tx, err := db.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// each runs a query and calls scan for every row.
func (s *Store) each(ctx context.Context, tx *sql.Tx, scan func(rows *sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, s.db.Bind(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// insert writes a batch of rows: head names table and columns, tail what
// follows the rows.
func (s *Store) insert(ctx context.Context, tx *sql.Tx, head string, cols []dialect.Column, tail string) error {
	n := cols[0].Len()
	step := s.db.MaxRows(len(cols))
	part := make([]dialect.Column, len(cols))
	for from := 0; from < n; from += step {
		for i, c := range cols {
			part[i] = c.Slice(from, min(from+step, n))
		}
		body, args := s.db.Rows(part)
		if _, err := tx.ExecContext(ctx, head+" "+body+" "+tail, args...); err != nil {
			return err
		}
	}
	return nil
}
