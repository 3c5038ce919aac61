package torture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// database is the Postgres database that the daemons store to. A nil one has
// nothing to clear.
type database struct {
	opts  *Options
	dir   string
	owned bool // it was empty, so what is in it at the end is ours
}

// versions is the table that migrations leave behind when all are taken back.
const versions = "goose_db_version"

// openDatabase refuses a database that holds tables, unless it may be shared.
func openDatabase(ctx context.Context, o *Options, dir string) (*database, error) {
	db, err := dialect.Open(ctx, dialect.Config{URL: o.Storage, DataDir: dir, Password: o.Password})
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	var tables int
	err = db.Write.QueryRowContext(ctx,
		`SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> $1`, versions).Scan(&tables)
	if err != nil {
		err = fmt.Errorf("look into the database: %w: %s", dialect.ErrUnavailable, db.Scrub(err.Error()))
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	if tables > 0 && !o.Shared {
		return nil, fmt.Errorf("the database has %d tables: %w: name an empty one, or say --yes to use it; nothing that is in it is changed, and what is stored meanwhile stays", tables, ErrOccupied)
	}
	return &database{opts: o, dir: dir, owned: tables == 0}, nil
}

// clear brings a database that was empty back to that.
func (d *database) clear() error {
	if d == nil || !d.owned {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := migrate.Open(ctx, d.opts.Storage, d.dir, d.opts.Password)
	if err != nil {
		return fmt.Errorf("empty the database: %w", err)
	}
	_, err = m.DownToNothing(ctx)
	return errors.Join(err, m.Close())
}
