package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// minConns is what the store needs at once: a lock, the transaction it guards,
// and a read beside them.
const minConns = 3

func openPostgres(ctx context.Context, c Config) (*Database, error) {
	pc, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, errors.New(scrub(fmt.Sprintf("storage URL: %v", err), c.Password))
	}
	if c.Password != "" {
		pc.ConnConfig.Password = c.Password
	}
	conns := min(max(c.MaxConns, minConns), 10_000)
	setParameters(pc.ConnConfig.RuntimeParams, c)
	pc.ConnConfig.DialFunc = quickly(pc.ConnConfig.DialFunc)
	look := pc.Copy()
	look.AfterConnect = setSnapshots
	look.MaxConns = int32(max(conns/2, 1))
	pc.MaxConns = int32(max(conns-conns/2, minConns))
	pool, err := newPool(ctx, pc)
	if err != nil {
		return nil, err
	}
	snapshots, err := newPool(ctx, look)
	if err != nil {
		pool.Close()
		return nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	db.SetMaxOpenConns(int(pc.MaxConns))
	return &Database{
		Dialect: newPostgresDialect(pc.ConnConfig.Password),
		Write:   db, Read: db,
		Partitions: newPartitions(c.Logger),
		snapshots:  snapshots,
		pool:       pool,
		close:      func() error { err := db.Close(); pool.Close(); snapshots.Close(); return err },
	}, nil
}

func newPool(ctx context.Context, c *pgxpool.Config) (*pgxpool.Pool, error) {
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, errors.New(scrub(fmt.Sprintf("open pool: %v", err), c.ConnConfig.Password))
	}
	return pool, nil
}

// setSnapshots makes every batch of statements one that reads what the store held
// at one moment, without a statement that says so. What is asked is planned once and
// not each time, for planning takes longer than small reads do; and a plan that was
// made while a partition was empty must not read it from end to end when it is full.
// It is said to the session: a pooler may be told to pass over what a connection
// begins with.
func setSnapshots(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SET default_transaction_isolation = 'repeatable read';
		SET default_transaction_read_only = on;
		SET plan_cache_mode = force_generic_plan;
		SET enable_seqscan = off`)
	if err != nil {
		return fmt.Errorf("prepare a connection for reads: %w", err)
	}
	return nil
}

// setParameters sets what the store relies on. Durability is not the URL's to
// give away: a flush is acknowledged once its commit returns.
func setParameters(p map[string]string, c Config) {
	p["synchronous_commit"] = "on"
	p["jit"] = "off" // compiling costs more than these queries take
	p["timezone"] = "UTC"
	if p["application_name"] == "" {
		p["application_name"] = "nexusctl"
	}
	if c.Timeout > 0 && p["statement_timeout"] == "" {
		p["statement_timeout"] = strconv.FormatInt(c.Timeout.Milliseconds(), 10)
	}
}

func newPostgresDialect(password string) *Dialect {
	return &Dialect{
		Name:         Postgres,
		ForUpdate:    " FOR UPDATE",
		ForShare:     " FOR SHARE",
		MaxRows:      func(int) int { return 20_000 },
		placeholders: func(q string) string { return q },
		inInts:       "= ANY($%d::bigint[])",
		intsArg:      func(list []int64) any { return list },
		rows:         unnestRows,
		classify:     classifyPostgres,
		secret:       password,
	}
}

// unnestRows hands each column over as one array, so that a statement has one
// text and one plan whatever the number of rows.
func unnestRows(cols []Column) (string, []any) {
	var types []string
	args := make([]any, len(cols))
	for i, c := range cols {
		args[i] = c.Values
		types = append(types, "$"+strconv.Itoa(i+1)+"::"+arrayType(c))
	}
	return "SELECT * FROM unnest(" + strings.Join(types, ", ") + ")", args
}

func arrayType(c Column) string {
	switch c.Values.(type) {
	case []int64, []*int64:
		return "bigint[]"
	case []float64, []*float64:
		return "double precision[]"
	case [][]byte:
		return "bytea[]"
	}
	if c.JSON {
		return "text[]::jsonb[]"
	}
	return "text[]"
}

// classes maps SQLSTATEs, whole or by their first two digits.
var classes = map[string]Class{
	"08": Unavailable, // connection
	"53": Unavailable, // out of connections, memory, disk
	"57": Unavailable, // shut down, starting, crashed
	"58": Unavailable, // the server's own I/O
	"XX": Unavailable, // its own faults, as while it goes down
	"25": Unavailable, // read-only: a standby, as after a failover
	"40": Busy,        // serialization, deadlock
	"55": Busy,        // lock not available
	"22": Refused,     // bad data
	"23": Refused,     // constraint
	"54": Refused,     // too large
	"0A": Unsupported,

	"57014": Timeout, // statement_timeout
	"42P01": NoTable,
	"3F000": NoTable,
}

func classifyPostgres(err error) Class {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		if e.Code == "23514" && strings.HasPrefix(e.Message, "no partition of relation") {
			return NoPartition
		}
		if c, ok := classes[e.Code]; ok {
			return c
		}
		return classes[e.Code[:min(2, len(e.Code))]]
	}
	var connect *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &connect), errors.As(err, &network),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED),
		errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrTxDone),
		strings.HasSuffix(err.Error(), "conn closed"), strings.HasSuffix(err.Error(), "conn busy"):
		return Unavailable
	}
	return Unknown
}
