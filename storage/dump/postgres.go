package dump

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/migrate"
)

// postgresSource is one transaction that sees one snapshot.
type postgresSource struct{ conn *sql.Conn }

// beginPostgres locks the tables before the snapshot is taken: a partition that
// went between the two would be missing from it. The lock is that of a reader;
// who drops partitions meanwhile leaves them for the next time.
func beginPostgres(ctx context.Context, conn *sql.Conn) (source, error) {
	s := &postgresSource{conn}
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	if len(tables) == 0 {
		return nil, ErrNoStore
	}
	for _, q := range []string{
		"SET idle_in_transaction_session_timeout = 0",
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		"LOCK TABLE " + quoted(tables...) + " IN ACCESS SHARE MODE",
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// tables lists those of ours that are there. What else the schema holds is
// other people's.
func (s *postgresSource) tables(ctx context.Context) (list []string, err error) {
	ours, err := migrate.Tables("postgres")
	if err != nil {
		return nil, err
	}
	err = query(ctx, s.conn, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, name)
		return err
	}, `SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
AND relname = ANY($1) ORDER BY relname`, ours)
	return list, err
}

func (s *postgresSource) pieces(ctx context.Context) (list []piece, err error) {
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	points, err := s.references(ctx)
	if err != nil {
		return nil, err
	}
	parted := map[string]bool{}
	for _, p := range storage.PartedTables() {
		parted[p.Table] = true
	}
	for _, t := range inOrder(tables, points) {
		cols, err := postgresColumns(ctx, s.conn, t)
		if err != nil {
			return nil, err
		}
		part := archive.Part{Kind: archive.Table, Name: t, Columns: cols}
		if !parted[t] {
			list = append(list, piece{Part: part})
			continue
		}
		spans, err := partitions(ctx, s.conn, t)
		if err != nil {
			return nil, err
		}
		for _, n := range spans {
			part.Span = &n
			list = append(list, piece{Part: part})
		}
	}
	return list, nil
}

func (s *postgresSource) references(ctx context.Context) (map[string][]string, error) {
	points := map[string][]string{}
	err := query(ctx, s.conn, func(rows *sql.Rows) error {
		var from, to string
		err := rows.Scan(&from, &to)
		points[from] = append(points[from], to)
		return err
	}, `SELECT a.relname, b.relname FROM pg_constraint c JOIN pg_class a ON a.oid = c.conrelid JOIN pg_class b ON b.oid = c.confrelid
WHERE c.contype = 'f' AND a.relnamespace = current_schema()::regnamespace ORDER BY 1, 2`)
	return points, err
}

// postgresColumns lists the columns that are stored, with their types.
func postgresColumns(ctx context.Context, q querier, table string) (cols []archive.Column, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var c archive.Column
		err := rows.Scan(&c.Name, &c.Type)
		cols = append(cols, c)
		return err
	}, `SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`, quoted(table))
	return cols, err
}

// partitions lists the numbers of a table's partitions.
func partitions(ctx context.Context, q querier, table string) (list []int64, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(name, table+"_"), 10, 64)
		list = append(list, n)
		return err
	}, "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1)", quoted(table))
	slices.Sort(list)
	return list, err
}

// relation is the table that holds a part.
func relation(p archive.Part) string {
	if p.Span == nil {
		return p.Name
	}
	return fmt.Sprintf("%s_%d", p.Name, *p.Span)
}

func (s *postgresSource) write(ctx context.Context, p piece, w io.Writer) (rows int64, err error) {
	err = raw(s.conn, func(c *pgx.Conn) error {
		tag, err := c.PgConn().CopyTo(ctx, w, fmt.Sprintf("COPY %s (%s) TO STDOUT (FORMAT binary)", quoted(relation(p.Part)), quoted(columnNames(p.Columns)...)))
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

// raw gives the connection as pgx has it, which can COPY.
func raw(conn *sql.Conn, f func(*pgx.Conn) error) error {
	return conn.Raw(func(c any) error { return f(c.(*stdlib.Conn).Conn()) })
}

func (s *postgresSource) size(ctx context.Context) (n int64, err error) {
	tables, err := s.tables(ctx)
	if err != nil {
		return 0, err
	}
	err = s.conn.QueryRowContext(ctx, `SELECT COALESCE(SUM(pg_table_size(c.oid)), 0)::bigint FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND COALESCE(p.relname, c.relname) = ANY($1)`, tables).Scan(&n)
	return n, err
}

func (s *postgresSource) close() error {
	_, _ = s.conn.ExecContext(context.Background(), "ROLLBACK") // it has changed nothing
	return nil
}

// stretch finds how a table is parted.
func stretch(table string) (storage.Parted, bool) {
	i := slices.IndexFunc(storage.PartedTables(), func(p storage.Parted) bool { return p.Table == table })
	if i < 0 {
		return storage.Parted{}, false
	}
	return storage.PartedTables()[i], true
}
