// Package dialect holds what differs between the store's two databases, as two
// values of one type: a few fragments of SQL, how a batch of rows is handed
// over, what an error means, and how a database is opened. Whoever writes a
// statement writes it once, with $1, $2, … for its parameters, and asks the
// Dialect for the rest.
//
// SQLite needs cgo. A binary built without it opens Postgres only and says so.
package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Names of the two databases.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// Dialect is one database's way of saying things.
type Dialect struct {
	Name string
	// ForUpdate ends a SELECT whose rows the transaction will change. SQLite
	// needs none: its writing transactions exclude one another.
	ForUpdate string
	// ForShare ends a SELECT whose rows nobody may change before the
	// transaction ends.
	ForShare string
	// MaxRows bounds the rows of one batch statement, given its columns.
	MaxRows func(columns int) int

	placeholders func(query string) string
	inInts       string
	intsArg      func([]int64) any
	rows         func(cols []Column) (source string, args []any)
	classify     func(error) Class
	secret       string // never to appear in an error

	unpacked atomic.Uint64
}

// Unpacked counts the answers whose rows were too many bytes to be packed, and so came
// row by row.
func (d *Dialect) Unpacked() uint64 { return d.unpacked.Load() }

// Bind writes a statement's parameters as the database wants them.
func (d *Dialect) Bind(query string) string { return d.placeholders(query) }

// InInts renders the membership test whose list is parameter n, an IntsArg.
func (d *Dialect) InInts(n int) string { return fmt.Sprintf(d.inInts, n) }

// IntsArg makes a list of integers one parameter.
func (d *Dialect) IntsArg(list []int64) any { return d.intsArg(list) }

// Rows renders a batch as the body of a common table expression, and its
// parameters. The columns are of one length, between 1 and MaxRows.
func (d *Dialect) Rows(cols []Column) (source string, args []any) { return d.rows(cols) }

// Classify says what an error of the database means to the store.
func (d *Dialect) Classify(err error) Class {
	switch {
	case err == nil:
		return Unknown
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return d.classify(err)
}

// Scrub takes the password out of a message.
func (d *Dialect) Scrub(message string) string { return scrub(message, d.secret) }

// Column is one column of a batch. Values is a []int64, []float64, []string or
// [][]byte, or, with nil for NULL, a []*int64 or []*float64. JSON says that the
// strings are JSON documents.
type Column struct {
	Name   string
	Values any
	JSON   bool
}

// Len returns the number of rows.
func (c Column) Len() int {
	switch v := c.Values.(type) {
	case []int64:
		return len(v)
	case []float64:
		return len(v)
	case []string:
		return len(v)
	case [][]byte:
		return len(v)
	case []*int64:
		return len(v)
	case []*float64:
		return len(v)
	}
	panic(fmt.Sprintf("column %s: values of type %T", c.Name, c.Values))
}

// Slice returns rows [from, to).
func (c Column) Slice(from, to int) Column {
	switch v := c.Values.(type) {
	case []int64:
		c.Values = v[from:to]
	case []float64:
		c.Values = v[from:to]
	case []string:
		c.Values = v[from:to]
	case [][]byte:
		c.Values = v[from:to]
	case []*int64:
		c.Values = v[from:to]
	case []*float64:
		c.Values = v[from:to]
	}
	return c
}

func (c Column) at(row int) any {
	switch v := c.Values.(type) {
	case []int64:
		return v[row]
	case []float64:
		return v[row]
	case []string:
		return v[row]
	case [][]byte:
		return v[row]
	case []*int64:
		return v[row]
	case []*float64:
		return v[row]
	}
	return nil
}

// Class is what an error means.
type Class uint8

const (
	Unknown     Class = iota // nothing below
	Unavailable              // no healthy database there now: try again later
	Busy                     // rolled back for the sake of others: try again at once
	Timeout                  // took longer than a statement may
	Refused                  // a healthy database will never take this
	NoTable                  // the schema is not there
	NoPartition              // no partition takes the row
	Unsupported              // the server cannot do that
)

// Config says which database to open.
type Config struct {
	URL      string        // sqlite:<path> or postgres://…
	DataDir  string        // base of a relative SQLite path
	Password string        // of Postgres, instead of the URL's
	MaxConns int           // 0: 10
	Timeout  time.Duration // of a statement, held by the server where it can; 0: none
	Create   bool          // create a missing SQLite file
	Logger   *slog.Logger  // nil: silent
}

// Database is an open database.
type Database struct {
	*Dialect
	// Write runs transactions that change something, Read those that do not.
	// SQLite has one connection in Write; Postgres uses one pool for both.
	Write, Read *sql.DB
	// Path is the file of an SQLite database, empty otherwise.
	Path string
	// Partitions is nil where tables have none.
	Partitions *Partitions

	snapshots *pgxpool.Pool               // Postgres's connections of Look; nil: Read's
	pool      *pgxpool.Pool               // Postgres's connections of Write
	shrink    func(context.Context) error // nil: the database does that itself
	close     func() error
}

// Shrink gives room that is free back to the disk, where the database does not do
// that itself.
func (d *Database) Shrink(ctx context.Context) error {
	if d.shrink == nil {
		return nil
	}
	return d.shrink(ctx)
}

// Exec runs one statement that changes something, in a transaction of its own, and
// returns how many rows it changed. Postgres's driver takes the arguments as they are:
// through database/sql a flush of a thousand series took a tenth more of this process.
func (d *Database) Exec(ctx context.Context, query string, args ...any) (rows int64, err error) {
	if d.pool != nil {
		tag, err := d.pool.Exec(ctx, query, args...)
		return tag.RowsAffected(), err
	}
	res, err := d.Write.ExecContext(ctx, d.Bind(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Close closes every connection.
func (d *Database) Close() error { return d.close() }

// ErrURL reports a storage URL that names no database known here.
var ErrURL = errors.New("storage URL must begin with sqlite: or postgres://")

// ErrNoSQLite reports a binary that was built without SQLite.
var ErrNoSQLite = errors.New("this binary was built without cgo and so without SQLite: build it with CGO_ENABLED=1, or set storage.url to a postgres:// URL")

// ErrMissing reports an SQLite file that is not there.
var ErrMissing = errors.New("database file does not exist")

// Open opens the database that c names. It creates no tables. Errors never
// hold the password.
func Open(ctx context.Context, c Config) (*Database, error) {
	if c.MaxConns == 0 {
		c.MaxConns = 10
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case strings.HasPrefix(c.URL, "sqlite:"):
		return openSQLite(ctx, c)
	case strings.HasPrefix(c.URL, "postgres://"), strings.HasPrefix(c.URL, "postgresql://"):
		return openPostgres(ctx, c)
	}
	return nil, ErrURL
}

// Path returns the file that an SQLite URL names, and false for other URLs.
func Path(url, dataDir string) (path string, ok bool) {
	path, ok = strings.CutPrefix(url, "sqlite:")
	if !ok {
		return "", false
	}
	path = strings.TrimPrefix(path, "//")
	if !filepath.IsAbs(path) {
		path = filepath.Join(dataDir, path)
	}
	return path, true
}

// minSecret is the length from which a password is taken out of messages
// wherever it stands; shorter ones would garble them and are only looked for
// where a password is written.
const minSecret = 4

var inURL = regexp.MustCompile(`(://[^:/?#\s@]*):[^\s]*@|(password=)[^&\s]*`)

func scrub(message, secret string) string {
	if len(secret) >= minSecret {
		message = strings.ReplaceAll(message, secret, "xxxxx")
	}
	return inURL.ReplaceAllStringFunc(message, func(m string) string {
		if strings.HasPrefix(m, "password=") {
			return "password=xxxxx"
		}
		user, _, _ := strings.Cut(m[len("://"):], ":")
		return "://" + user + ":xxxxx@"
	})
}
