package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/archive"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

var (
	// ErrNotEmpty reports a store that is there and would be replaced.
	ErrNotEmpty = errors.New("there is a store here already")
	// ErrInUse reports daemons that work on the store.
	ErrInUse = errors.New("a daemon works on this store: stop every daemon that does")
)

// Loader puts a backup's rows into a new store beside the one that is there,
// checks it, and only then puts it in its place.
type Loader struct {
	header archive.Header
	place  place
	rows   map[string]int64 // that were put in, by table
}

// place is where a new store comes about.
type place interface {
	config() Config // of the new store, which Open takes
	columns(ctx context.Context, table string) ([]archive.Column, error)
	// clear deletes the rows that migrations have made.
	clear(ctx context.Context, table string) error
	load(ctx context.Context, p archive.Part, cols []archive.Column, r io.Reader) (rows int64, err error)
	count(ctx context.Context, table string) (int64, error)
	// settle makes everything durable, and gives what is needed to read fast.
	settle(ctx context.Context) error
	occupied(ctx context.Context) (bool, error)
	swap(ctx context.Context, aside Aside) error
	dropAside(ctx context.Context, name string) error
	discard(ctx context.Context) error
}

// Aside says what becomes of the store that was there.
type Aside struct {
	Name string             // of the directory or the schema that it is kept in
	Move func([]Move) error // moves files, all or none; SQLite alone
}

// Move is one file's way.
type Move struct{ From, To string }

// NewLoader makes an empty store of the backup's schema, apart from the one that
// is there. name tells it from others.
func NewLoader(ctx context.Context, c Config, h archive.Header, name string) (l *Loader, err error) {
	l = &Loader{header: h, rows: map[string]int64{}}
	if _, ok := dialect.Path(c.URL, c.DataDir); ok {
		l.place, err = newSQLitePlace(c, name)
	} else {
		l.place, err = newPostgresPlace(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.Discard(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// prepare migrates up to where the backup was.
func (l *Loader) prepare(ctx context.Context) error {
	if len(l.header.Schema) == 0 {
		return fmt.Errorf("%w: it names no schema", archive.ErrDamaged)
	}
	c := l.place.config()
	m, err := migrate.Open(ctx, c.URL, c.DataDir, c.Password)
	if err != nil {
		return err
	}
	defer m.Close()
	known, err := m.Status(ctx)
	if err != nil {
		return err
	}
	for _, v := range l.header.Schema {
		if !slices.ContainsFunc(known, func(s migrate.Step) bool { return s.Version == v }) {
			return fmt.Errorf("the backup has migration %d: %w", v, migrate.ErrNewer)
		}
	}
	if _, err := m.UpTo(ctx, l.header.Schema[len(l.header.Schema)-1]); err != nil {
		return err
	}
	tables, err := migrate.Tables(backend(c))
	if err != nil {
		return err
	}
	for _, t := range tables {
		cols, err := l.place.columns(ctx, t)
		if err != nil || len(cols) == 0 || t == chunkFiles {
			if err != nil {
				return err
			}
			continue
		}
		if err := l.place.clear(ctx, t); err != nil {
			return fmt.Errorf("empty %s: %w", t, err)
		}
	}
	return nil
}

// Check reads the rows of a part as a restore would, and puts them nowhere.
func Check(p archive.Part, r io.Reader) error {
	for _, c := range p.Columns {
		if _, err := adapt(nil, c.Type); err != nil {
			return nil // of a type that one database alone has: only that one can read it
		}
	}
	rows, err := newTupleReader(r, p.Columns)
	for err == nil {
		_, err = rows.Next()
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%s: %w", p.Name, err)
}

func backend(c Config) string {
	if _, ok := dialect.Path(c.URL, c.DataDir); ok {
		return dialect.SQLite
	}
	return dialect.Postgres
}

// Occupied tells whether there is a store that would be replaced: one in which
// anything was ever stored, or a file that is none.
func (l *Loader) Occupied(ctx context.Context) (bool, error) { return l.place.occupied(ctx) }

// Table puts the rows of a part in.
func (l *Loader) Table(ctx context.Context, p archive.Part, r io.Reader) error {
	cols, err := l.place.columns(ctx, p.Name)
	if err != nil {
		return err
	}
	if stretch, ok := stretch(p.Name); ok && stretch.Kind != "" {
		cols = chunkColumns
	}
	want := make([]archive.Column, len(p.Columns))
	for i, c := range p.Columns {
		at := slices.IndexFunc(cols, func(have archive.Column) bool { return have.Name == c.Name })
		if at < 0 {
			return fmt.Errorf("%w: a store of this schema has no column %s of %s", archive.ErrDamaged, c.Name, p.Name)
		}
		want[i] = cols[at]
	}
	n, err := l.place.load(ctx, p, want, r)
	if err != nil {
		return fmt.Errorf("put %s back: %w", p.Name, err)
	}
	l.rows[p.Name] += n
	return nil
}

// Verify compares what the new store has with what the backup says, and opens
// it as a daemon would.
func (l *Loader) Verify(ctx context.Context, m *archive.Manifest) error {
	tables := map[string]int64{}
	for _, p := range m.Parts {
		if p.Kind == archive.Table {
			tables[p.Name] += p.Rows
		}
	}
	for t, want := range tables {
		have, err := l.place.count(ctx, t)
		if err != nil {
			return fmt.Errorf("count the rows of %s: %w", t, err)
		}
		if have != want || l.rows[t] != want {
			return fmt.Errorf("%w: %s has %d rows, of which %d came, and the backup says %d", archive.ErrDamaged, t, have, l.rows[t], want)
		}
	}
	if err := l.place.settle(ctx); err != nil {
		return err
	}
	return l.open(ctx)
}

// open brings the schema up to this binary's, and looks at the store.
func (l *Loader) open(ctx context.Context) error {
	c := l.place.config()
	m, err := migrate.Open(ctx, c.URL, c.DataDir, c.Password)
	if err != nil {
		return err
	}
	_, err = m.Up(ctx)
	if err := errors.Join(err, m.Close()); err != nil {
		return err
	}
	s, err := storage.Open(ctx, storage.Options{URL: c.URL, DataDir: c.DataDir, Password: c.Password})
	if err != nil {
		return err
	}
	_, err = s.Writers(ctx)
	if id := s.ID(); err == nil && id != l.header.Store {
		err = fmt.Errorf("%w: the store is %s, and should be %s", archive.ErrDamaged, id, l.header.Store)
	}
	return errors.Join(err, s.Close())
}

// Swap puts the new store in its place, and the old one aside.
func (l *Loader) Swap(ctx context.Context, aside Aside) error { return l.place.swap(ctx, aside) }

// DropAside removes what a swap has put aside.
func (l *Loader) DropAside(ctx context.Context, name string) error {
	return l.place.dropAside(ctx, name)
}

// Discard removes the new store, unless it was swapped in.
func (l *Loader) Discard(ctx context.Context) error { return l.place.discard(ctx) }
