package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dialect"
)

// sqlitePlace is a directory beside the database, on the same file system, so
// that files can be moved from it.
type sqlitePlace struct {
	of    Config // the store that is there
	path  string // its database
	dir   string // of the new one
	db    *dialect.Database
	files map[string]*sql.DB // of chunks, by name
	cols  map[string][]archive.Column
	moved bool
}

// batchBytes bounds what one transaction puts in.
const batchBytes = 16 << 20

func newSQLitePlace(c Config, name string) (*sqlitePlace, error) {
	path, _ := dialect.Path(c.URL, c.DataDir)
	p := &sqlitePlace{of: c, path: path, dir: filepath.Join(filepath.Dir(path), name), files: map[string]*sql.DB{}, cols: map[string][]archive.Column{}}
	if err := dialect.MakeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make room for the restored store: %w", err)
	}
	return p, nil
}

func (p *sqlitePlace) config() Config {
	return Config{URL: "sqlite:" + filepath.Join(p.dir, filepath.Base(p.path)), Logger: p.of.Logger}
}

func (p *sqlitePlace) open(ctx context.Context) (err error) {
	if p.db == nil {
		p.db, err = dialect.Open(ctx, p.config().dialect())
	}
	return err
}

func (p *sqlitePlace) columns(ctx context.Context, table string) ([]archive.Column, error) {
	if err := p.open(ctx); err != nil {
		return nil, err
	}
	if cols, ok := p.cols[table]; ok {
		return cols, nil
	}
	cols, err := sqliteColumns(ctx, p.db.Write, table)
	p.cols[table] = cols
	return cols, err
}

func (p *sqlitePlace) clear(ctx context.Context, table string) error {
	_, err := p.db.Write.ExecContext(ctx, "DELETE FROM "+quoted(table))
	return err
}

func (p *sqlitePlace) load(ctx context.Context, part archive.Part, cols []archive.Column, r io.Reader) (int64, error) {
	rows, err := newTupleReader(r, part.Columns)
	if err != nil {
		return 0, err
	}
	parted, ok := stretch(part.Name)
	if !ok || parted.Kind == "" {
		marks := strings.TrimSuffix(strings.Repeat("?,", len(cols)), ",")
		return fill(ctx, p.db.Write, rows, cols, fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", quoted(part.Name), quoted(columnNames(cols)...), marks), nil)
	}
	if part.Span == nil {
		return 0, fmt.Errorf("%w: chunks of no stretch of time", archive.ErrDamaged)
	}
	day := parted.FirstDay(*part.Span)
	file, err := p.file(ctx, parted.Kind, day)
	if err != nil {
		return 0, err
	}
	return fill(ctx, file, rows, chunkColumns, "INSERT INTO chunk (key, data) VALUES (?, ?)", func(v []any) ([]any, error) {
		series, start, gen := v[0].(int64), v[1].(int64), v[2].(int64)
		key := parted.Key(series, start, gen)
		if s, at, g := parted.Place(*part.Span, key); s != series || at != start || g != gen {
			return nil, fmt.Errorf("%w: a chunk of series %d at %d, generation %d, has no place in %s of day %d", archive.ErrDamaged, series, start, gen, parted.Kind, day)
		}
		return []any{key, v[3]}, nil
	})
}

// file makes the file of a stretch of chunks, and lists it.
func (p *sqlitePlace) file(ctx context.Context, kind string, day int64) (*sql.DB, error) {
	path := dialect.ChunkFile(p.db.Path, kind, day)
	if f, ok := p.files[path]; ok {
		return f, nil
	}
	if _, err := p.db.Write.ExecContext(ctx, "INSERT INTO "+chunkFiles+" (kind, day) VALUES (?, ?)", kind, day); err != nil {
		return nil, err
	}
	if err := dialect.CreateFile(ctx, path); err != nil {
		return nil, err
	}
	db, err := dialect.OpenFile(path, true, 1)
	if err != nil {
		return nil, err
	}
	p.files[path] = db
	_, err = db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS chunk (key integer PRIMARY KEY, data blob NOT NULL)")
	return db, err
}

// fill inserts rows, a bounded number of bytes in one transaction.
func fill(ctx context.Context, db *sql.DB, rows *tupleReader, cols []archive.Column, insert string, place func([]any) ([]any, error)) (n int64, err error) {
	for {
		more, done, err := fillBatch(ctx, db, rows, cols, insert, place)
		n += more
		if err != nil || done {
			return n, err
		}
	}
}

func fillBatch(ctx context.Context, db *sql.DB, rows *tupleReader, cols []archive.Column, insert string, place func([]any) ([]any, error)) (n int64, done bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, false, err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, insert)
	if err != nil {
		return 0, false, err
	}
	defer stmt.Close()
	for size := 0; size < batchBytes && !done; {
		values, err := rows.Next()
		if errors.Is(err, io.EOF) {
			done = true
			break
		}
		if err != nil {
			return n, false, err
		}
		for i := range values {
			if values[i], err = adapt(values[i], cols[i].Type); err != nil {
				return n, false, fmt.Errorf("column %s: %w", cols[i].Name, err)
			}
			size += 16
			if b, ok := values[i].([]byte); ok {
				size += len(b)
			}
		}
		if place != nil {
			if values, err = place(values); err != nil {
				return n, false, err
			}
		}
		if _, err := stmt.ExecContext(ctx, values...); err != nil {
			return n, false, err
		}
		n++
	}
	return n, done, tx.Commit()
}

func (p *sqlitePlace) count(ctx context.Context, table string) (n int64, err error) {
	parted, ok := stretch(table)
	if !ok || parted.Kind == "" {
		err = p.db.Write.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+quoted(table)).Scan(&n)
		return n, err
	}
	for path, db := range p.files {
		if !strings.HasPrefix(filepath.Base(path), parted.Kind+"-") {
			continue
		}
		var more int64
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM chunk").Scan(&more); err != nil {
			return n, err
		}
		n += more
	}
	return n, nil
}

// settle closes everything, which empties the journals, and syncs the files.
func (p *sqlitePlace) settle(ctx context.Context) error {
	for _, db := range p.files {
		if _, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			return err
		}
	}
	return p.close()
}

func (p *sqlitePlace) close() error {
	var errs []error
	for path, db := range p.files {
		errs = append(errs, db.Close())
		delete(p.files, path)
	}
	if p.db != nil {
		errs = append(errs, p.db.Close())
		p.db = nil
	}
	return errors.Join(errs...)
}

// occupied takes a file that cannot be read for a store: what it was is not
// known.
func (p *sqlitePlace) occupied(ctx context.Context) (bool, error) {
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Size() == 0 {
		return false, nil
	}
	db, err := dialect.Open(ctx, p.of.dialect())
	if err != nil {
		return true, nil
	}
	defer db.Close()
	var n int
	err = db.Read.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM series) + (SELECT COUNT(*) FROM writer_position)").Scan(&n)
	if db.Classify(err) == dialect.NoTable {
		return false, nil
	}
	return err != nil || n > 0, nil
}

// swap moves the old database and its files aside and the new ones in. Files of
// chunks go by their names: where the old database cannot be read, nobody can
// say which it lists.
func (p *sqlitePlace) swap(_ context.Context, aside Aside) error {
	var moves []Move
	above := filepath.Dir(p.path)
	keep := filepath.Join(above, aside.Name)
	if err := syncAll(p.dir); err != nil {
		return err
	}
	for _, name := range append(databaseFiles(above), filepath.Base(p.path), filepath.Base(p.path)+"-wal", filepath.Base(p.path)+"-shm") {
		if _, err := os.Stat(filepath.Join(above, name)); err == nil {
			moves = append(moves, Move{filepath.Join(above, name), filepath.Join(keep, name)})
		}
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".migrate-lock") {
			moves = append(moves, Move{filepath.Join(p.dir, e.Name()), filepath.Join(above, e.Name())})
		}
	}
	p.moved = true
	return aside.Move(moves)
}

// databaseFiles lists the files of chunks in a directory, with their journals.
func databaseFiles(dir string) (names []string) {
	for _, kind := range []string{"chunks", "sketches", "minutes"} {
		found, _ := filepath.Glob(filepath.Join(dir, kind+"-????-??-??.db*")) // the pattern is well-formed
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	return names
}

// syncAll makes a directory's files durable.
func syncAll(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// discard leaves alone what is on its way to its place: whoever finishes the
// moves needs it.
func (p *sqlitePlace) discard(context.Context) error {
	if p.moved {
		_ = os.Remove(p.config().URL[len("sqlite:"):] + ".migrate-lock")
		_ = os.Remove(p.dir) // only where it is empty
		return p.close()
	}
	return errors.Join(p.close(), os.RemoveAll(p.dir))
}

func (p *sqlitePlace) dropAside(_ context.Context, name string) error {
	return os.RemoveAll(filepath.Join(filepath.Dir(p.path), name))
}
