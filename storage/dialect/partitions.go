package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Partitions makes and drops the range partitions of Postgres tables. A
// partition takes the rows whose key is in [n·width, (n+1)·width) and is called
// <table>_<n>. Any number of daemons may do so at once.
//
// The methods of a nil *Partitions do nothing.
type Partitions struct {
	log *slog.Logger

	mu    sync.Mutex
	known map[string]struct{}  // what this process made or found, bounded
	empty map[string]time.Time // since when, of the partitions that were found empty; bounded
}

// maxKnown bounds what is remembered; forgetting costs one statement.
const maxKnown = 4096

func newPartitions(log *slog.Logger) *Partitions {
	return &Partitions{log: log, known: map[string]struct{}{}, empty: map[string]time.Time{}}
}

func partitionName(table string, n int64) string { return table + "_" + strconv.FormatInt(n, 10) }

// Ensure makes partition n of table unless it is there. It attaches a finished
// table, which blocks neither reads nor writes; creating it in place would.
func (p *Partitions) Ensure(ctx context.Context, db *sql.DB, table string, n, width int64) error {
	if p == nil {
		return nil
	}
	name := partitionName(table, n)
	if p.has(name) {
		return nil
	}
	if err := create(ctx, db, table, name, n*width, (n+1)*width); err != nil {
		return fmt.Errorf("create partition %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxKnown {
		clear(p.known)
	}
	p.known[name] = struct{}{}
	return nil
}

func (p *Partitions) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[name]
	return ok
}

// Forget drops what is known of the partitions: another daemon has dropped one.
func (p *Partitions) Forget() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.known)
}

// lockPartitions keeps two daemons from making or dropping partitions at once.
// The lock is the schema's own and ends with the transaction.
const lockPartitions = "SELECT pg_advisory_xact_lock(hashtext('nexusctl partitions'), hashtext(current_schema()))"

// inline is up to how many bytes a row stands in its table as a whole, the most that
// Postgres allows. A block of a thousand series takes six thousand: cut into four
// pieces of a table beside it, each with an entry in an index, it cost a flush and a
// reader several times as much.
const inline = 8160

func create(ctx context.Context, db *sql.DB, table, name string, from, to int64) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, lockPartitions); err != nil {
		return err
	}
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil {
		return err
	}
	if there {
		return nil
	}
	for _, q := range []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL) WITH (toast_tuple_target = %d)", name, table, inline),
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)", table, name, from, to),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

const listPartitions = `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)`

// DropEmpty drops the partitions of table that end at or before partition n
// and hold no row, and returns how many. A partition that others use just then
// is left for the next time: waiting for it would make every new query wait
// behind.
//
// A partition has to have been found empty for as long as after. Dropping is not
// bound to snapshots: a reader whose snapshot is from before the rows were moved
// would find them in neither place. So after is no shorter than any transaction.
func (p *Partitions) DropEmpty(ctx context.Context, db *sql.DB, table string, n int64, after time.Duration) (dropped int, err error) {
	if p == nil {
		return 0, nil
	}
	names, err := partitionsBefore(ctx, db, table, n)
	if err != nil {
		return 0, fmt.Errorf("list partitions of %s: %w", table, err)
	}
	for _, name := range names {
		long, err := p.longEmpty(ctx, db, name, after)
		if err != nil {
			return dropped, fmt.Errorf("look into partition %s: %w", name, err)
		}
		if !long {
			continue
		}
		ok, err := dropEmpty(ctx, db, table, name)
		var e *pgconn.PgError
		switch {
		case errors.As(err, &e) && (e.Code == "55P03" || e.Code == "40P01"):
			p.log.Debug("a partition is in use and stays for now", "partition", name)
		case err != nil:
			return dropped, fmt.Errorf("drop partition %s: %w", name, err)
		case ok:
			dropped++
		}
	}
	if dropped > 0 {
		p.Forget()
	}
	return dropped, nil
}

func partitionsBefore(ctx context.Context, db *sql.DB, table string, n int64) (names []string, err error) {
	rows, err := db.QueryContext(ctx, listPartitions, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if i, err := strconv.ParseInt(strings.TrimPrefix(name, table+"_"), 10, 64); err == nil && i < n {
			names = append(names, name)
		}
	}
	return names, rows.Err()
}

// longEmpty reports whether a partition has been empty for a time.
func (p *Partitions) longEmpty(ctx context.Context, db *sql.DB, name string, after time.Duration) (bool, error) {
	empty, gone := false, false
	err := db.QueryRowContext(ctx, lookInto(name)).Scan(&empty)
	if err != nil {
		gone, err = true, ignoreGone(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if gone || !empty || len(p.empty) > maxKnown {
		delete(p.empty, name)
		return false, err
	}
	if _, known := p.empty[name]; !known {
		p.empty[name] = time.Now()
	}
	return time.Since(p.empty[name]) >= after, nil
}

func lookInto(name string) string { return fmt.Sprintf("SELECT NOT EXISTS (SELECT 1 FROM %s)", name) }

// dropEmpty locks the parent first, as a writer does, so that neither waits for
// the other in a circle, and looks again once nobody can write.
func dropEmpty(ctx context.Context, db *sql.DB, table, name string) (bool, error) {
	var empty bool
	look := lookInto(name)
	if err := db.QueryRowContext(ctx, look).Scan(&empty); err != nil || !empty {
		return false, ignoreGone(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if err := lockTable(ctx, tx, table); err != nil {
		return false, err
	}
	if err := tx.QueryRowContext(ctx, look).Scan(&empty); err != nil || !empty {
		return false, ignoreGone(err)
	}
	if _, err := tx.ExecContext(ctx, "DROP TABLE "+name); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// Dropper drops partition n by calling drop, in a transaction in which nobody
// else reads or writes the table. An error of it keeps the partition.
type Dropper func(ctx context.Context, tx *sql.Tx, n int64, drop func() error) error

// Drop has the partitions of table before n dropped, and returns how many were.
// As with DropEmpty, one that others use just then, and one that the dropper
// keeps, is left for the next time.
func (p *Partitions) Drop(ctx context.Context, db *sql.DB, table string, n int64, dropper Dropper) (dropped int, err error) {
	if p == nil {
		return 0, nil
	}
	names, err := partitionsBefore(ctx, db, table, n)
	if err != nil {
		return 0, fmt.Errorf("list partitions of %s: %w", table, err)
	}
	defer p.Forget()
	for _, name := range names {
		err := dropWhole(ctx, db, table, name, dropper)
		var e *pgconn.PgError
		switch {
		case err == nil:
			dropped++
		case errors.As(err, &e) && e.Code != "55P03" && e.Code != "40P01":
			return dropped, fmt.Errorf("drop partition %s: %w", name, err)
		case ctx.Err() != nil:
			return dropped, ctx.Err()
		default:
			p.log.Debug("a partition stays for now", "partition", name, "reason", err)
		}
	}
	return dropped, nil
}

func dropWhole(ctx context.Context, db *sql.DB, table, name string, dropper Dropper) error {
	n, err := strconv.ParseInt(strings.TrimPrefix(name, table+"_"), 10, 64)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := lockTable(ctx, tx, table); err != nil {
		return err
	}
	err = dropper(ctx, tx, n, func() error {
		_, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+name)
		return err
	})
	if err != nil {
		return err
	}
	return tx.Commit()
}

// lockTable keeps everybody from a partitioned table, but waits only shortly to
// be let in: every new query waits behind who waits.
func lockTable(ctx context.Context, tx *sql.Tx, table string) error {
	for _, q := range []string{
		"SET LOCAL lock_timeout = '200ms'",
		lockPartitions,
		fmt.Sprintf("LOCK TABLE %s IN ACCESS EXCLUSIVE MODE", table),
	} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// ignoreGone passes over a partition that another daemon has dropped.
func ignoreGone(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "42P01" {
		return nil
	}
	return err
}
