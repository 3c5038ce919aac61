//go:build cgo

package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-sqlite3"
)

const (
	pageSize    = 16 << 10
	busyMillis  = 2_000
	cacheKiB    = 8 << 10 // of the writer: at 1,000 series it is full after a quarter of an hour
	readerKiB   = 320     // of each reader: see OpenFile
	vacuumPages = 256     // that one statement gives back: 4 MiB
)

func openSQLite(ctx context.Context, c Config) (*Database, error) {
	path, _ := Path(c.URL, c.DataDir)
	if filepath.Base(path) == ":memory:" || strings.HasSuffix(path, string(filepath.Separator)) {
		return nil, fmt.Errorf("%w: %q is not a file", ErrURL, path)
	}
	if c.Create {
		if err := CreateFile(ctx, path); err != nil {
			return nil, err
		}
	}
	write, err := OpenFile(path, true, 1)
	if err != nil {
		return nil, err
	}
	read, err := OpenFile(path, false, max(2, c.MaxConns-1))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &Database{
		Dialect: newSQLiteDialect(classifySQLite), Write: write, Read: read, Path: path,
		shrink: func(ctx context.Context) error { return shrinkSQLite(ctx, write) },
		close:  func() error { return errors.Join(read.Close(), write.Close()) },
	}, nil
}

// CreateFile makes an empty database with the store's page size in WAL mode,
// readable by its owner alone, unless there is one. A file without a byte is
// none: it is what a kill or a power cut leaves of one that was being made, and
// would get SQLite's own page size for ever. The page size must be set before
// anything is written and before the journal mode, and so must be that pages which
// are free can be given back.
func CreateFile(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("create database file: %w", err)
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("create database file: %w", err)
	}
	if info.Size() > 0 {
		return nil
	}
	db, err := sql.Open("sqlite3", fileURI(path, url.Values{"mode": {"rw"}}))
	if err != nil {
		return fmt.Errorf("create database file: %w", err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	pragmas := []string{
		fmt.Sprintf("PRAGMA page_size = %d", pageSize), "PRAGMA auto_vacuum = INCREMENTAL", "PRAGMA journal_mode = WAL", "PRAGMA user_version = 1",
	}
	for _, pragma := range pragmas {
		if _, err := db.ExecContext(ctx, pragma); err != nil {
			return fmt.Errorf("create database file: %w", err)
		}
	}
	return nil
}

// OpenFile opens an SQLite file that exists. Every connection, and so every
// later one of the pool, gets its settings from the name.
//
// A reader's cache is out of date with each flush, and is emptied then. What SQLite
// allocates once and keeps are 20 pages of it; those above are given back to the system
// each time and asked for again by the next read, whose time was mostly that. So a
// reader has no more than these: the system caches the file once for all of them.
func OpenFile(path string, write bool, conns int) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", path, ErrMissing)
		}
		return nil, fmt.Errorf("open database file: %w", err)
	}
	if err := registerPack(); err != nil {
		return nil, err
	}
	v := url.Values{
		"mode":             {"rw"},
		"_journal_mode":    {"WAL"},
		"_synchronous":     {"FULL"},
		"_busy_timeout":    {fmt.Sprint(busyMillis)},
		"_cache_size":      {fmt.Sprint(-cacheKiB)},
		"_stmt_cache_size": {"64"},
		"_txlock":          {"immediate"},
	}
	if !write {
		v.Set("_query_only", "1")
		v.Set("_txlock", "deferred")
		v.Set("_cache_size", fmt.Sprint(-readerKiB))
	}
	db, err := sql.Open("sqlite3", fileURI(path, v))
	if err != nil {
		return nil, fmt.Errorf("open database file: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// shrinkSQLite gives the pages that are free back to the disk, a few at a time, so
// that no writer waits for long, and empties the journal unless somebody reads. A
// file that was made before free pages could be given back keeps them.
func shrinkSQLite(ctx context.Context, db *sql.DB) error {
	for {
		var free int
		if err := db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&free); err != nil {
			return fmt.Errorf("count free pages: %w", err)
		}
		if err := giveBack(ctx, db); err != nil {
			return fmt.Errorf("give free pages back: %w", err)
		}
		var left int
		if err := db.QueryRowContext(ctx, "PRAGMA freelist_count").Scan(&left); err != nil {
			return fmt.Errorf("count free pages: %w", err)
		}
		if left == 0 || left >= free {
			return emptyJournal(ctx, db)
		}
	}
}

// giveBack reads its statement to the end: every step gives one page back.
func giveBack(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

// emptyJournal does not wait for readers: flushes would wait with it.
func emptyJournal(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if classifySQLite(err) == Busy {
		err = nil
	}
	// Whatever ended the context, the next one has to wait again.
	_, reset := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA busy_timeout = %d", busyMillis))
	return errors.Join(err, reset)
}

func fileURI(path string, v url.Values) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

func classifySQLite(err error) Class {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return Unknown
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return Busy
	case sqlite3.ErrFull, sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrNomem:
		return Unavailable
	case sqlite3.ErrConstraint, sqlite3.ErrTooBig, sqlite3.ErrMismatch, sqlite3.ErrRange:
		return Refused
	case sqlite3.ErrInterrupt:
		return Timeout
	case sqlite3.ErrError:
		if strings.HasPrefix(e.Error(), "no such table") {
			return NoTable
		}
	}
	return Unknown
}
