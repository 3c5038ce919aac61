// Package dump takes a store's rows out, as of one moment and while others
// write, and puts them into an empty one. The rows of a backup are the same
// whichever database they come from, so either can take them.
//
// All of it streams: memory does not grow with the store.
package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// Config says which store.
type Config struct {
	URL      string // sqlite:<path> or postgres://…
	DataDir  string // base of a relative SQLite path
	Password string
	Logger   *slog.Logger
}

func (c Config) dialect() dialect.Config {
	return dialect.Config{URL: c.URL, DataDir: c.DataDir, Password: c.Password, MaxConns: 4, Logger: c.Logger}
}

// ErrNoStore reports that there is no store to take a backup of.
var ErrNoStore = errors.New("there is no store here")

// Snapshot is a store as of one moment. Who holds it keeps the database from
// tidying up behind it, and no writer waits for it.
type Snapshot struct {
	Backend string
	Store   string  // identity
	Schema  []int64 // migrations that are applied
	Made    time.Time
	Size    int64 // about how many bytes its rows are, for a progress bar

	db     *dialect.Database
	conn   *sql.Conn
	source source
}

// source is what differs between the databases.
type source interface {
	// pieces lists the parts, in an order in which they can be put back.
	pieces(ctx context.Context) ([]piece, error)
	// write writes the rows of one.
	write(ctx context.Context, p piece, w io.Writer) (rows int64, err error)
	size(ctx context.Context) (int64, error)
	close() error
}

// piece is a table, or one stretch of it.
type piece struct {
	archive.Part
	where string // rows of it, empty for all
}

// Take fixes the moment.
func Take(ctx context.Context, c Config) (*Snapshot, error) {
	db, err := dialect.Open(ctx, c.dialect())
	if errors.Is(err, dialect.ErrMissing) {
		return nil, fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	if err != nil {
		return nil, err
	}
	s := &Snapshot{Backend: db.Name, db: db}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(s.wrap("take a snapshot of the store", err), s.Close())
	}
	return s, nil
}

func (s *Snapshot) begin(ctx context.Context) (err error) {
	if s.conn, err = s.db.Read.Conn(ctx); err != nil {
		return err
	}
	begin := beginPostgres
	if s.db.Name == dialect.SQLite {
		begin = func(ctx context.Context, conn *sql.Conn) (source, error) { return beginSQLite(ctx, conn, s.db.Path) }
	}
	if s.source, err = begin(ctx, s.conn); err != nil {
		return err
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT id FROM store_meta").Scan(&s.Store); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoStore
		}
		return err
	}
	s.Made = time.Now().UTC().Truncate(time.Millisecond)
	if s.Schema, err = schema(ctx, s.conn); err != nil {
		return err
	}
	s.Size, err = s.source.size(ctx)
	return err
}

// schema lists the migrations that are applied.
func schema(ctx context.Context, conn *sql.Conn) (list []int64, err error) {
	err = query(ctx, conn, func(rows *sql.Rows) error {
		var v int64
		err := rows.Scan(&v)
		list = append(list, v)
		return err
	}, "SELECT DISTINCT version_id FROM "+migrate.VersionTable+" WHERE is_applied AND version_id > 0 ORDER BY version_id")
	return list, err
}

// Position returns up to where the store has a log, 0 where it knows nothing of
// it.
func (s *Snapshot) Position(ctx context.Context, writer string) (uint64, error) {
	var p int64
	err := s.conn.QueryRowContext(ctx, s.db.Bind("SELECT position FROM writer_position WHERE writer = $1"), writer).Scan(&p)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return uint64(p), s.wrap("read the log's position", err)
}

// Write writes every table, and tells progress how many bytes went.
func (s *Snapshot) Write(ctx context.Context, a *archive.Writer, progress func(bytes int64)) error {
	pieces, err := s.source.pieces(ctx)
	if err != nil {
		return s.wrap("list the store's tables", err)
	}
	for _, p := range pieces {
		w, err := a.Part(p.Part)
		if err != nil {
			return err
		}
		rows, err := s.source.write(ctx, p, &counted{w, ctx, progress})
		if err != nil {
			return s.wrap("read "+p.Name, err)
		}
		if err := w.Close(rows); err != nil {
			return err
		}
	}
	return nil
}

// counted tells how many bytes pass.
type counted struct {
	w    io.Writer
	ctx  context.Context
	tell func(int64)
}

func (c *counted) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(b)
	c.tell(int64(n))
	return n, err
}

// Close lets go of the moment.
func (s *Snapshot) Close() error {
	var errs []error
	if s.source != nil {
		errs = append(errs, s.source.close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

func (s *Snapshot) wrap(what string, err error) error { return wrap(s.db, what, err) }

// wrap names the operation, and takes the password out.
func wrap(db *dialect.Database, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case db.Classify(err) == dialect.Unavailable:
		return fmt.Errorf("%s: %w: %s", what, dialect.ErrUnavailable, db.Scrub(err.Error()))
	case db.Classify(err) == dialect.NoTable:
		return fmt.Errorf("%s: %w: %s", what, ErrNoStore, db.Scrub(err.Error()))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// querier is a database, a connection or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func query(ctx context.Context, q querier, scan func(*sql.Rows) error, text string, args ...any) error {
	rows, err := q.QueryContext(ctx, text, args...)
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

// quoted writes names as SQL has them.
func quoted(names ...string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return strings.Join(list, ", ")
}

func columnNames(cols []archive.Column) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return names
}

// inOrder sorts tables so that each comes behind those that its rows point to.
// Those that point at one another in a circle stay as they are.
func inOrder(tables []string, points map[string][]string) []string {
	var out []string
	seen := map[string]bool{}
	var visit func(t string)
	visit = func(t string) {
		if seen[t] || !slices.Contains(tables, t) {
			return
		}
		seen[t] = true
		for _, other := range points[t] {
			visit(other)
		}
		out = append(out, t)
	}
	for _, t := range tables {
		visit(t)
	}
	return out
}
