package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"example.com/nexusctl/storage/dialect"
)

// SQLite keeps chunks in one file a day, so that retention is the removal of a
// file. A chunk's key is hour of the day, generation and series, packed into
// the table's integer key: the rows of one compaction stand together.
//
//	hour (5 bits) | gen (18 bits) | series (40 bits)
const (
	seriesBits = 40
	genBits    = 18
)

func chunkKey(series, start, gen int64) int64 {
	hour := start / hourMillis % 24
	return (hour<<genBits|gen)<<seriesBits | series
}

// chunkFiles opens day files as they are needed, a few at a time.
type chunkFiles struct {
	database string

	mu   sync.Mutex
	open map[int64]*dayFile
}

type dayFile struct{ write, read *sql.DB }

func newChunkFiles(database string) *chunkFiles {
	return &chunkFiles{database: database, open: map[int64]*dayFile{}}
}

// maxOpenDays bounds the files that stay open.
const maxOpenDays = 16

// day opens one day's file, and makes it where create is set; nil where it is
// not there.
func (f *chunkFiles) day(ctx context.Context, day int64, create bool) (*dayFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.open[day]; d != nil {
		return d, nil
	}
	path := dialect.ChunkFile(f.database, day)
	if create {
		if err := dialect.CreateFile(ctx, path); err != nil {
			return nil, err
		}
	}
	write, err := dialect.OpenFile(path, true, 1)
	if errors.Is(err, dialect.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := write.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS chunk (key integer PRIMARY KEY, data blob NOT NULL)"); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := dialect.OpenFile(path, false, 4)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if len(f.open) >= maxOpenDays {
		f.closeOldest()
	}
	d := &dayFile{write: write, read: read}
	f.open[day] = d
	return d, nil
}

// closeOldest makes room; sql.DB lets running statements end first.
func (f *chunkFiles) closeOldest() {
	oldest := int64(1 << 62)
	for day := range f.open {
		oldest = min(oldest, day)
	}
	d := f.open[oldest]
	delete(f.open, oldest)
	_ = errors.Join(d.read.Close(), d.write.Close())
}

func (f *chunkFiles) close() error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for day, d := range f.open {
		errs = append(errs, d.read.Close(), d.write.Close())
		delete(f.open, day)
	}
	return errors.Join(errs...)
}

// write puts chunks into their day files and syncs those, before the
// transaction that will mark them: commits over several files are not atomic,
// so a kill in between must leave chunks that nobody trusts. The same
// generation, written again, replaces them.
func (f *chunkFiles) write(ctx context.Context, tx *sql.Tx, rows []chunkRow) error {
	byDay := map[int64][]chunkRow{}
	for _, r := range rows {
		day := r.Start / dayMillis
		byDay[day] = append(byDay[day], r)
	}
	for day, list := range byDay {
		if _, err := tx.ExecContext(ctx, "INSERT INTO chunk_file (day) VALUES (?) ON CONFLICT DO NOTHING", day); err != nil {
			return err
		}
		d, err := f.day(ctx, day, true)
		if err != nil {
			return err
		}
		if err := d.put(ctx, list); err != nil {
			return fmt.Errorf("write chunks of day %d: %w", day, err)
		}
	}
	return nil
}

func (d *dayFile) put(ctx context.Context, rows []chunkRow) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, "INSERT INTO chunk (key, data) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data")
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, r := range rows {
		if _, err := stmt.ExecContext(ctx, chunkKey(r.Series, r.Start, r.Gen), r.Data); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// read returns the chunks of series whose hours begin in [first, last],
// marked or not.
func (f *chunkFiles) read(ctx context.Context, ids []int64, first, last int64, gens map[shardHour]int64) (list []Chunk, err error) {
	days := map[int64]struct{}{}
	for k := range gens {
		days[k.hour/24] = struct{}{}
	}
	for _, day := range slices.Sorted(maps.Keys(days)) {
		d, err := f.day(ctx, day, false)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue // retention has removed it
		}
		if list, err = d.chunks(ctx, ids, max(first, day*dayMillis), min(last, (day+1)*dayMillis-hourMillis), gens, list); err != nil {
			return nil, fmt.Errorf("read chunks of day %d: %w", day, err)
		}
	}
	return list, nil
}

func (d *dayFile) chunks(ctx context.Context, ids []int64, first, last int64, gens map[shardHour]int64, list []Chunk) ([]Chunk, error) {
	stmt, err := d.read.PrepareContext(ctx, "SELECT data FROM chunk WHERE key = ?")
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	for _, id := range ids {
		for start := first; start <= last; start += hourMillis {
			for gen := range gens[shardHourOf(id, start)] {
				c := Chunk{Series: id, Start: start, Gen: gen}
				err := stmt.QueryRowContext(ctx, chunkKey(id, start, gen)).Scan(&c.Data)
				if errors.Is(err, sql.ErrNoRows) {
					continue // the series was silent
				}
				if err != nil {
					return nil, err
				}
				list = append(list, c)
			}
		}
	}
	return list, nil
}
