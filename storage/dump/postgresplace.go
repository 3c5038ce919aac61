package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5"

	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// scratch is the schema in which a restored store comes about. What stands in
// it under that name is what a restore left that was killed.
const scratch = "nexusctl_restore"

// postgresPlace is a schema of its own in the same database: what comes about
// in it can be put in the other's place in one transaction.
type postgresPlace struct {
	of    Config
	db    *dialect.Database // of the store that is there
	guard *sql.Conn         // of it; holds the lock, and swaps
	new   *dialect.Database
	cols  map[string][]archive.Column
	done  bool
}

func newPostgresPlace(ctx context.Context, c Config) (*postgresPlace, error) {
	db, err := dialect.Open(ctx, c.dialect())
	if err != nil {
		return nil, err
	}
	p := &postgresPlace{of: c, db: db, cols: map[string][]archive.Column{}}
	if err := p.begin(ctx); err != nil {
		return nil, errors.Join(wrap(db, "make room for the restored store", err), p.close())
	}
	return p, nil
}

func (p *postgresPlace) begin(ctx context.Context) (err error) {
	if p.guard, err = p.db.Write.Conn(ctx); err != nil {
		return err
	}
	var alone bool
	if err := p.guard.QueryRowContext(ctx, "SELECT pg_try_advisory_lock("+dialect.PresenceLock+")").Scan(&alone); err != nil {
		return err
	}
	if !alone {
		return ErrInUse
	}
	for _, q := range []string{"DROP SCHEMA IF EXISTS " + scratch + " CASCADE", "CREATE SCHEMA " + scratch} {
		if _, err := p.guard.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	p.new, err = dialect.Open(ctx, p.config().dialect())
	return err
}

// config is the same database with another schema first.
func (p *postgresPlace) config() Config {
	c := p.of
	u, err := url.Parse(c.URL)
	if err != nil {
		return c // Open has refused it
	}
	v := u.Query()
	v.Set("search_path", scratch)
	u.RawQuery = v.Encode()
	c.URL = u.String()
	return c
}

func (p *postgresPlace) columns(ctx context.Context, table string) ([]archive.Column, error) {
	if cols, ok := p.cols[table]; ok {
		return cols, nil
	}
	cols, err := postgresColumns(ctx, p.new.Read, table)
	p.cols[table] = cols
	return cols, err
}

func (p *postgresPlace) clear(ctx context.Context, table string) error {
	_, err := p.new.Write.ExecContext(ctx, "DELETE FROM "+quoted(table))
	return err
}

func (p *postgresPlace) load(ctx context.Context, part archive.Part, cols []archive.Column, r io.Reader) (rows int64, err error) {
	if parted, ok := stretch(part.Name); ok {
		if part.Span == nil {
			return 0, fmt.Errorf("%w: rows of no partition", archive.ErrDamaged)
		}
		if err := p.new.Partitions.Ensure(ctx, p.new.Write, part.Name, *part.Span, parted.Width); err != nil {
			return 0, err
		}
	} else {
		part.Span = nil
	}
	if r, err = convert(r, part.Columns, cols); err != nil {
		return 0, err
	}
	conn, err := p.new.Write.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	err = raw(conn, func(c *pgx.Conn) error {
		tag, err := c.PgConn().CopyFrom(ctx, r, fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", quoted(relation(part)), quoted(columnNames(cols)...)))
		rows = tag.RowsAffected()
		return err
	})
	return rows, err
}

func (p *postgresPlace) count(ctx context.Context, table string) (n int64, err error) {
	err = p.new.Read.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+quoted(table)).Scan(&n)
	return n, err
}

// settle brings sequences behind what was put in, and tells the planner what
// there is.
func (p *postgresPlace) settle(ctx context.Context) error {
	type owned struct{ sequence, table, column string }
	var list []owned
	err := query(ctx, p.new.Read, func(rows *sql.Rows) error {
		var o owned
		err := rows.Scan(&o.sequence, &o.table, &o.column)
		list = append(list, o)
		return err
	}, `SELECT s.relname, t.relname, a.attname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
JOIN pg_class t ON t.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace`)
	if err != nil {
		return err
	}
	for _, o := range list {
		q := fmt.Sprintf("SELECT setval(to_regclass($1), (SELECT MAX(%s) FROM %s)::bigint)", quoted(o.column), quoted(o.table))
		if _, err := p.new.Write.ExecContext(ctx, q, quoted(o.sequence)); err != nil {
			return err
		}
	}
	tables, err := p.relations(ctx, p.new.Read, scratch, nil)
	if err != nil {
		return err
	}
	for _, r := range tables {
		if r.kind == 'r' {
			if _, err := p.new.Write.ExecContext(ctx, "ANALYZE "+r.name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *postgresPlace) occupied(ctx context.Context) (bool, error) {
	var there bool
	if err := p.guard.QueryRowContext(ctx, "SELECT to_regclass('series') IS NOT NULL AND to_regclass('writer_position') IS NOT NULL").Scan(&there); err != nil || !there {
		return false, err
	}
	var n int
	err := p.guard.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM series LIMIT 1) s) + (SELECT COUNT(*) FROM writer_position)").Scan(&n)
	return n > 0, err
}

// object is what a schema holds and can be moved to another.
type object struct {
	name string
	kind rune // r, p, v, m: of pg_class; f: a function, whose name has its arguments
}

var objectWords = map[rune]string{'r': "TABLE", 'p': "TABLE", 'v': "VIEW", 'm': "MATERIALIZED VIEW", 'f': "FUNCTION"}

// relations lists the tables, partitions, views and functions of a schema: all,
// or those of the given names, and the partitions of these.
func (p *postgresPlace) relations(ctx context.Context, q querier, schema string, names []string) (list []object, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var name, kind, parent string
		if err := rows.Scan(&name, &kind, &parent); err != nil {
			return err
		}
		if names == nil || slices.Contains(names, name) || slices.Contains(names, parent) {
			if kind != "f" {
				name = quoted(name)
			}
			list = append(list, object{name, rune(kind[0])})
		}
		return nil
	}, `SELECT c.relname, c.relkind::text, COALESCE(p.relname, c.relname) FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
UNION ALL SELECT quote_ident(proname) || '(' || pg_get_function_identity_arguments(oid) || ')', 'f', '' FROM pg_proc WHERE pronamespace = $1::regnamespace AND prokind = 'f'
ORDER BY 2, 1`, schema)
	return list, err
}

// swap moves the old store's tables into a schema of their own and the new ones
// in their place: one transaction, in which nobody reads or writes either.
func (p *postgresPlace) swap(ctx context.Context, aside Aside) error {
	err := p.new.Close()
	p.new = nil
	if err != nil {
		return err
	}
	var schema string
	if err := p.guard.QueryRowContext(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	come, err := p.relations(ctx, p.guard, scratch, nil)
	if err != nil {
		return err
	}
	names := []string{migrate.VersionTable}
	for _, o := range come {
		if o.kind == 'f' {
			names = append(names, o.name)
			continue
		}
		names = append(names, o.name[1:len(o.name)-1])
	}
	go_, err := p.relations(ctx, p.guard, schema, names)
	if err != nil {
		return err
	}
	return wrap(p.db, "put the restored store in its place", p.move(ctx, schema, aside.Name, go_, come))
}

func (p *postgresPlace) move(ctx context.Context, schema, aside string, old, come []object) error {
	tx, err := p.guard.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	list := []string{"SET LOCAL lock_timeout = '10s'"}
	if len(old) > 0 {
		list = append(list, "CREATE SCHEMA "+quoted(aside))
	}
	for _, o := range old {
		list = append(list, fmt.Sprintf("ALTER %s %s.%s SET SCHEMA %s", objectWords[o.kind], quoted(schema), o.name, quoted(aside)))
	}
	for _, o := range come {
		list = append(list, fmt.Sprintf("ALTER %s %s.%s SET SCHEMA %s", objectWords[o.kind], scratch, o.name, quoted(schema)))
	}
	for _, q := range append(list, "DROP SCHEMA "+scratch) {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	p.done = true
	return nil
}

func (p *postgresPlace) dropAside(ctx context.Context, name string) error {
	_, err := p.guard.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+quoted(name)+" CASCADE")
	return wrap(p.db, "drop the old store", err)
}

func (p *postgresPlace) close() error {
	var errs []error
	if p.new != nil {
		errs = append(errs, p.new.Close())
		p.new = nil
	}
	if p.guard != nil {
		errs = append(errs, p.guard.Close())
		p.guard = nil
	}
	if p.db != nil {
		errs = append(errs, p.db.Close())
		p.db = nil
	}
	return errors.Join(errs...)
}

func (p *postgresPlace) discard(ctx context.Context) (err error) {
	if p.guard != nil && !p.done {
		if p.new != nil {
			err = p.new.Close()
			p.new = nil
		}
		_, drop := p.guard.ExecContext(ctx, "DROP SCHEMA IF EXISTS "+scratch+" CASCADE")
		err = errors.Join(err, drop)
	}
	return errors.Join(err, p.close())
}
