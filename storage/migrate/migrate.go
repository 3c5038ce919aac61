// Package migrate brings a store's schema up and down. Migrations are embedded
// SQL, one directory a database; two runners at once are kept apart by an
// advisory lock on Postgres and a file lock on SQLite.
package migrate

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"example.com/nexusctl/storage/dialect"
)

//go:embed sql
var files embed.FS

// A runner waits up to five minutes for another one on Postgres, and looks
// every second.
const lockPause, lockTries = 1, 300

// ErrNewer reports a database whose schema is newer than this binary knows.
var ErrNewer = errors.New("the store's schema is newer than this nexusctl knows: use the newer binary, or restore a backup")

// Step is one migration as it stands or was run.
type Step struct {
	Version int64
	Name    string
	Applied bool
}

// Migrator runs migrations on one database.
type Migrator struct {
	db       *dialect.Database
	provider *goose.Provider
	lock     *flock.Flock // SQLite alone
}

// Open connects to the database that url names, and makes an SQLite file that
// is not there.
func Open(ctx context.Context, url, dataDir, password string) (*Migrator, error) {
	if path, ok := dialect.Path(url, dataDir); ok {
		if err := dialect.MakeDir(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("directory of the database: %w", err)
		}
	}
	db, err := dialect.Open(ctx, dialect.Config{URL: url, DataDir: dataDir, Password: password, Create: true})
	if err != nil {
		return nil, err
	}
	m := &Migrator{db: db}
	kind, options := goose.DialectSQLite3, []goose.ProviderOption{}
	if db.Name == dialect.Postgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPause, lockTries))
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		kind, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	} else {
		m.lock = flock.New(db.Path + ".migrate-lock")
	}
	sub, err := fs.Sub(files, "sql/"+db.Name)
	if err == nil {
		m.provider, err = goose.NewProvider(kind, db.Write, sub, options...)
	}
	if err == nil {
		err = m.settleFiles(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare migrations: %w", err), db.Close())
	}
	return m, nil
}

// VersionTable is where the migrations that are applied are listed.
const VersionTable = "goose_db_version"

var created = regexp.MustCompile(`(?mi)^CREATE TABLE (?:IF NOT EXISTS )?([a-z0-9_]+)`)

// Tables names every table that a migration of the database makes, sorted. A
// schema of Postgres can hold other tables than ours.
func Tables(backend string) (names []string, err error) {
	entries, err := fs.ReadDir(files, "sql/"+backend)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(files, "sql/"+backend+"/"+e.Name())
		if err != nil {
			return nil, err
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		for _, m := range created.FindAllStringSubmatch(up, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Close closes the connection.
func (m *Migrator) Close() error { return m.db.Close() }

// Latest returns the newest version this binary knows.
func (m *Migrator) Latest() int64 {
	list := m.provider.ListSources()
	return list[len(list)-1].Version
}

// Version returns the version of the database's schema, 0 for none.
func (m *Migrator) Version(ctx context.Context) (int64, error) {
	v, err := m.provider.GetDBVersion(ctx)
	return v, m.wrap("read schema version", err)
}

// Status lists every migration and whether it is applied.
func (m *Migrator) Status(ctx context.Context) ([]Step, error) {
	list, err := m.provider.Status(ctx)
	if err != nil {
		return nil, m.wrap("read migration status", err)
	}
	steps := make([]Step, len(list))
	for i, s := range list {
		steps[i] = Step{Version: s.Source.Version, Name: filepath.Base(s.Source.Path), Applied: s.State == goose.StateApplied}
	}
	return steps, nil
}

// Up applies what is missing.
func (m *Migrator) Up(ctx context.Context) ([]Step, error) {
	return m.run(ctx, func() ([]*goose.MigrationResult, error) {
		done, err := m.provider.Up(ctx)
		if err != nil {
			return done, err
		}
		return done, m.identify(ctx)
	})
}

// UpTo applies what is missing up to a version, and gives the store no identity:
// whoever fills it brings one.
func (m *Migrator) UpTo(ctx context.Context, version int64) ([]Step, error) {
	return m.run(ctx, func() ([]*goose.MigrationResult, error) { return m.provider.UpTo(ctx, version) })
}

// identify gives the store its identity: a log belongs to one store, and one
// that was emptied and made anew is another. Of two runners that come here
// together one must find what the other did, or the store would have two.
func (m *Migrator) identify(ctx context.Context) error {
	tx, err := m.db.Write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if m.db.Name == dialect.Postgres { // an SQLite transaction that writes is alone
		if _, err := tx.ExecContext(ctx, "LOCK TABLE store_meta IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx,
		m.db.Bind("INSERT INTO store_meta (id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM store_meta)"), uuid.NewString())
	if err != nil {
		return err
	}
	return tx.Commit()
}

// Down takes back the newest applied migration.
func (m *Migrator) Down(ctx context.Context) ([]Step, error) {
	return m.run(ctx, func() ([]*goose.MigrationResult, error) {
		if err := m.setFilesAside(ctx, false); err != nil {
			return nil, err
		}
		r, err := m.provider.Down(ctx)
		err = errors.Join(err, m.settle(context.WithoutCancel(ctx)))
		if r == nil {
			return nil, err
		}
		return []*goose.MigrationResult{r}, err
	})
}

// DownToNothing takes back every migration: all data goes.
func (m *Migrator) DownToNothing(ctx context.Context) ([]Step, error) {
	return m.run(ctx, func() ([]*goose.MigrationResult, error) {
		if err := m.setFilesAside(ctx, true); err != nil {
			return nil, err
		}
		done, err := m.provider.DownTo(ctx, 0)
		return done, errors.Join(err, m.settle(context.WithoutCancel(ctx)))
	})
}

// Redo takes the newest migration back and applies it again.
func (m *Migrator) Redo(ctx context.Context) ([]Step, error) {
	down, err := m.Down(ctx)
	if err != nil {
		return down, err
	}
	up, err := m.Up(ctx)
	return append(down, up...), err
}

// run holds the lock that keeps two runners apart. goose has none for SQLite,
// and concurrent runs there fail half-way.
func (m *Migrator) run(ctx context.Context, f func() ([]*goose.MigrationResult, error)) ([]Step, error) {
	if m.lock != nil {
		if err := m.lock.Lock(); err != nil {
			return nil, fmt.Errorf("lock migrations: %w", err)
		}
		defer m.lock.Unlock()
	}
	if v, err := m.Version(ctx); err != nil {
		return nil, err
	} else if v > m.Latest() {
		return nil, fmt.Errorf("migrate: %w", ErrNewer)
	}
	results, err := f()
	var steps []Step
	for _, r := range results {
		steps = append(steps, Step{Version: r.Source.Version, Name: filepath.Base(r.Source.Path), Applied: r.Direction == "up"})
	}
	if errors.Is(err, goose.ErrNoNextVersion) {
		err = nil
	}
	return steps, m.wrap("migrate", err)
}

// tiersVersion is the migration that brought further kinds of chunk files.
const tiersVersion = 2

// setFilesAside takes the files of chunks that belong to the newest migration,
// or to all, and that the database lists, out of the way; no other file. They go
// for good, or come back, once it is known whether the migration was taken
// back: the file system and the database have no transaction in common.
func (m *Migrator) setFilesAside(ctx context.Context, all bool) error {
	if m.db.Name != dialect.SQLite {
		return nil
	}
	v, err := m.provider.GetDBVersion(ctx)
	if err != nil || v == 0 {
		return err
	}
	query := "SELECT 'chunks', day FROM chunk_file"
	switch {
	case v > tiersVersion && !all:
		return nil
	case v >= tiersVersion && all:
		query = "SELECT kind, day FROM chunk_file"
	case v == tiersVersion:
		query = "SELECT kind, day FROM chunk_file WHERE kind <> 'chunks'"
	}
	rows, err := m.db.Write.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var day int64
		if err := rows.Scan(&kind, &day); err != nil {
			return err
		}
		if err := dialect.SetAside(dialect.ChunkFile(m.db.Path, kind, day)); err != nil {
			return err
		}
	}
	return rows.Err()
}

// settleFiles settles what a runner left that was killed. Where another one is
// at work, that is its business.
func (m *Migrator) settleFiles(ctx context.Context) error {
	if m.lock == nil {
		return nil
	}
	if left, err := dialect.AsideFiles(m.db.Path); err != nil || len(left) == 0 {
		return err
	}
	held, err := m.lock.TryLock()
	if err != nil || !held {
		return err
	}
	defer m.lock.Unlock()
	return m.settle(ctx)
}

// settle brings the files back that the database lists still, and removes the
// others.
func (m *Migrator) settle(ctx context.Context) error {
	if m.lock == nil {
		return nil
	}
	left, err := dialect.AsideFiles(m.db.Path)
	if err != nil || len(left) == 0 {
		return err
	}
	listed, err := m.listedFiles(ctx)
	if err != nil {
		return fmt.Errorf("settle the files of chunks: %w", err)
	}
	for _, path := range left {
		if err := dialect.Settle(path, listed[path]); err != nil {
			return fmt.Errorf("settle the files of chunks: %w", err)
		}
	}
	return nil
}

func (m *Migrator) listedFiles(ctx context.Context) (map[string]bool, error) {
	listed := map[string]bool{}
	v, err := m.provider.GetDBVersion(ctx)
	if err != nil || v == 0 {
		return listed, err
	}
	query := "SELECT kind, day FROM chunk_file"
	if v < tiersVersion {
		query = "SELECT 'chunks', day FROM chunk_file"
	}
	rows, err := m.db.Write.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var kind string
		var day int64
		if err := rows.Scan(&kind, &day); err != nil {
			return nil, err
		}
		listed[dialect.ChunkFile(m.db.Path, kind, day)] = true
	}
	return listed, rows.Err()
}

func (m *Migrator) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if m.db.Classify(err) == dialect.Unavailable {
		return fmt.Errorf("%s: %w: %s", what, dialect.ErrUnavailable, m.db.Scrub(err.Error()))
	}
	return fmt.Errorf("%s: %w", what, err)
}
