package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// sqliteSource is a transaction that reads nexus.db, and one for each file of
// chunks that it lists, begun at once: what a file gets later is not marked in
// nexus.db, and what it loses later is seen still.
type sqliteSource struct {
	conn  *sql.Conn
	path  string
	files []*dayFile
}

// dayFile is a file of chunks.
type dayFile struct {
	parted storage.Parted
	span   int64
	db     *sql.DB
	conn   *sql.Conn
	bytes  int64
}

// chunkFiles lists the files of chunks, which a backup carries as the rows in
// them.
const chunkFiles = "chunk_file"

func beginSQLite(ctx context.Context, conn *sql.Conn, path string) (source, error) {
	s := &sqliteSource{conn: conn, path: path}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	var one int
	err := conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM store_meta").Scan(&one) // a transaction begins when it reads
	if err == nil {
		err = s.openFiles(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *sqliteSource) openFiles(ctx context.Context) error {
	type place struct {
		kind string
		day  int64
	}
	var list []place
	err := query(ctx, s.conn, func(rows *sql.Rows) error {
		var p place
		err := rows.Scan(&p.kind, &p.day)
		list = append(list, p)
		return err
	}, "SELECT kind, day FROM "+chunkFiles+" ORDER BY kind, day")
	if err != nil {
		return err
	}
	for _, p := range list {
		i := slices.IndexFunc(storage.PartedTables(), func(t storage.Parted) bool { return t.Kind == p.kind })
		if i < 0 {
			return fmt.Errorf("the store lists files of a kind %q that is not known", p.kind)
		}
		if err := s.openFile(ctx, storage.PartedTables()[i], p.day); err != nil {
			return err
		}
	}
	return nil
}

func (s *sqliteSource) openFile(ctx context.Context, t storage.Parted, day int64) error {
	path := dialect.ChunkFile(s.path, t.Kind, day)
	f := &dayFile{parted: t, span: t.Stretch(day)}
	var err error
	if f.db, err = dialect.OpenFile(path, false, 1); err != nil {
		if errors.Is(err, dialect.ErrMissing) {
			return s.givenUp(ctx, t, day, err)
		}
		return err
	}
	s.files = append(s.files, f)
	if f.conn, err = f.db.Conn(ctx); err != nil {
		return err
	}
	if _, err := f.conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	var chunks int
	if err := f.conn.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM chunk LIMIT 1)").Scan(&chunks); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err == nil {
		f.bytes = info.Size()
	}
	return nil
}

// givenUp passes over a file that retention has just removed. Any other that is
// missing is a loss, and a backup must not hide it.
func (s *sqliteSource) givenUp(ctx context.Context, t storage.Parted, day int64, missing error) error {
	var floor int64
	if err := s.conn.QueryRowContext(ctx, "SELECT floor FROM tier WHERE name = ?", t.Table).Scan(&floor); err != nil {
		return err
	}
	if (t.Stretch(day)+1)*t.Width <= floor {
		return nil
	}
	return fmt.Errorf("the store lists a file that is gone, and its data with it: %w", missing)
}

func (s *sqliteSource) tables(ctx context.Context) (list []string, err error) {
	err = query(ctx, s.conn, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		list = append(list, name)
		return err
	}, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN (?, ?, ?, ?) ORDER BY name",
		migrate.VersionTable, chunkFiles, "rollup_1h_day", "rollup_1h_whole") // the last two are of what stands in rollup_1h, and of SQLite alone
	return list, err
}

func (s *sqliteSource) pieces(ctx context.Context) (list []piece, err error) {
	tables, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	points, err := s.references(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range inOrder(tables, points) {
		cols, err := sqliteColumns(ctx, s.conn, t)
		if err != nil {
			return nil, err
		}
		part := archive.Part{Kind: archive.Table, Name: t, Columns: cols}
		if parted, ok := stretch(t); ok {
			more, err := s.stretches(ctx, part, parted)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
			continue
		}
		list = append(list, piece{Part: part})
	}
	for _, f := range s.files {
		list = append(list, piece{Part: archive.Part{Kind: archive.Table, Name: f.parted.Table, Columns: chunkColumns, Span: &f.span}})
	}
	return list, nil
}

// chunkColumns are those of a table of chunks on Postgres.
var chunkColumns = []archive.Column{{Name: "series_id", Type: bigint}, {Name: "start_ts", Type: bigint}, {Name: "gen", Type: bigint}, {Name: "data", Type: bytea}}

func (s *sqliteSource) references(ctx context.Context) (map[string][]string, error) {
	points := map[string][]string{}
	err := query(ctx, s.conn, func(rows *sql.Rows) error {
		var from, to string
		err := rows.Scan(&from, &to)
		points[from] = append(points[from], to)
		return err
	}, `SELECT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table' ORDER BY 1, 2`)
	return points, err
}

// sqliteColumns lists a table's columns, under the names that Postgres has for
// their types.
func sqliteColumns(ctx context.Context, q querier, table string) (cols []archive.Column, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var c archive.Column
		if err := rows.Scan(&c.Name, &c.Type); err != nil {
			return err
		}
		kind, ok := sqliteTypes[strings.ToLower(c.Type)]
		if !ok {
			return fmt.Errorf("column %s of %s: the type %q is not one that a backup carries", c.Name, table, c.Type)
		}
		c.Type = kind
		cols = append(cols, c)
		return nil
	}, "SELECT name, type FROM pragma_table_info(?) ORDER BY cid", table)
	return cols, err
}

var sqliteTypes = map[string]string{
	"integer": bigint, "bigint": bigint, "int": bigint, "smallint": bigint, "boolean": boolean, "real": double, "double precision": double,
	"text": text, "blob": bytea,
}

// stretches cuts a table as Postgres parts it.
func (s *sqliteSource) stretches(ctx context.Context, part archive.Part, p storage.Parted) (list []piece, err error) {
	next := int64(-1 << 62)
	for {
		var least sql.NullInt64
		q := fmt.Sprintf("SELECT MIN(%s) FROM %s WHERE %s >= ?", quoted(p.Column), quoted(p.Table), quoted(p.Column))
		if err := s.conn.QueryRowContext(ctx, q, next).Scan(&least); err != nil || !least.Valid {
			return list, err
		}
		n := floorDiv(least.Int64, p.Width)
		next = (n + 1) * p.Width
		part.Span = &n
		list = append(list, piece{Part: part, where: fmt.Sprintf(" WHERE %s >= %d AND %s < %d", quoted(p.Column), n*p.Width, quoted(p.Column), next)})
	}
}

func floorDiv(a, b int64) int64 {
	n := a / b
	if a%b < 0 {
		n--
	}
	return n
}

func (s *sqliteSource) write(ctx context.Context, p piece, w io.Writer) (int64, error) {
	out, err := newTupleWriter(w, p.Columns)
	if err != nil {
		return 0, err
	}
	if i := slices.IndexFunc(s.files, func(f *dayFile) bool { return p.Span != nil && f.parted.Table == p.Name && f.span == *p.Span }); i >= 0 {
		err = s.writeChunks(ctx, s.files[i], out)
	} else {
		err = s.writeRows(ctx, p, out)
	}
	return out.rows, errors.Join(err, out.Close())
}

func (s *sqliteSource) writeRows(ctx context.Context, p piece, out *tupleWriter) error {
	values, into := make([]any, len(p.Columns)), make([]any, len(p.Columns))
	for i := range values {
		into[i] = &values[i]
	}
	return query(ctx, s.conn, func(rows *sql.Rows) error {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		return out.Write(values)
	}, "SELECT "+quoted(columnNames(p.Columns)...)+" FROM "+quoted(p.Name)+p.where)
}

// writeChunks writes the chunks of a file that are marked. What is not, a
// compaction left that was killed, or brought behind the snapshot.
func (s *sqliteSource) writeChunks(ctx context.Context, f *dayFile, out *tupleWriter) error {
	valid, unit, err := s.marks(ctx, f)
	if err != nil {
		return err
	}
	row := make([]any, len(chunkColumns))
	return query(ctx, f.conn, func(rows *sql.Rows) error {
		var key int64
		var data []byte
		if err := rows.Scan(&key, &data); err != nil {
			return err
		}
		series, start, gen := f.parted.Place(f.span, key)
		if r := valid[mark{storage.Shard(series), start / unit}]; gen < r.from || gen >= r.to {
			return nil
		}
		row[0], row[1], row[2], row[3] = series, start, gen, data
		return out.Write(row)
	}, "SELECT key, data FROM chunk ORDER BY key")
}

// mark is where generations are counted.
type mark struct{ shard, at int64 }

// valid are generations from the first up to, and without, the last.
type valid struct{ from, to int64 }

// marks returns which generations of a file are valid.
func (s *sqliteSource) marks(ctx context.Context, f *dayFile) (map[mark]valid, int64, error) {
	table, column, unit, last := f.parted.Valid()
	list := map[mark]valid{}
	err := query(ctx, s.conn, func(rows *sql.Rows) error {
		var m mark
		var gens int64
		err := rows.Scan(&m.shard, &m.at, &gens)
		list[m] = valid{0, gens}
		if last {
			list[m] = valid{gens - 1, gens}
		}
		return err
	}, fmt.Sprintf("SELECT shard, %s, gens FROM %s WHERE %s >= ? AND %s < ?", column, table, column, column), f.span*f.parted.Width/unit, (f.span+1)*f.parted.Width/unit)
	return list, unit, err
}

func (s *sqliteSource) size(ctx context.Context) (n int64, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").Scan(&n)
	for _, f := range s.files {
		n += f.bytes
	}
	return n, err
}

func (s *sqliteSource) close() error {
	_, _ = s.conn.ExecContext(context.Background(), "ROLLBACK") // it has changed nothing
	var errs []error
	for _, f := range s.files {
		if f.conn != nil {
			errs = append(errs, f.conn.Close())
		}
		errs = append(errs, f.db.Close())
	}
	return errors.Join(errs...)
}
