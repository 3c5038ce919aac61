package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
)

// SQLite keeps chunks in files of a day or ten, so that retention is the removal
// of a file. A chunk's key is its place in the file, the hour of the day or the
// day of the ten, generation and series, packed into the table's integer key:
// the rows of one compaction stand together.
//
//	place (5 bits) | gen (18 bits) | series (40 bits)
const (
	seriesBits = 40
	genBits    = 18
)

func (t tier) key(series, start, gen int64) int64 {
	place := start % t.span / t.unit
	return (place<<genBits|gen)<<seriesBits | series
}

// chunkFiles opens files as they are needed, a few at a time.
type chunkFiles struct {
	database string

	mu   sync.Mutex
	open map[fileKey]*chunkFile
}

// fileKey names a file: its kind, and the first day that it holds.
type fileKey struct {
	kind string
	day  int64
}

func (t tier) file(start int64) fileKey {
	return fileKey{t.kind, start / t.span * (t.span / dayMillis)}
}

type chunkFile struct {
	write, read *sql.DB
	written     atomic.Bool // since its journal was last emptied
}

func newChunkFiles(database string) *chunkFiles {
	return &chunkFiles{database: database, open: map[fileKey]*chunkFile{}}
}

// maxOpenFiles bounds the files that stay open.
const maxOpenFiles = 32

// get opens a file, and makes it where create is set; nil where it is not
// there.
func (f *chunkFiles) get(ctx context.Context, key fileKey, create bool) (*chunkFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.open[key]; d != nil {
		return d, nil
	}
	path := dialect.ChunkFile(f.database, key.kind, key.day)
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
	if len(f.open) >= maxOpenFiles {
		f.closeOldest()
	}
	d := &chunkFile{write: write, read: read}
	f.open[key] = d
	return d, nil
}

// closeOldest makes room; sql.DB lets running statements end first.
func (f *chunkFiles) closeOldest() {
	var oldest fileKey
	first := true
	for key := range f.open {
		if first || key.day < oldest.day {
			oldest, first = key, false
		}
	}
	d := f.open[oldest]
	delete(f.open, oldest)
	_ = errors.Join(d.read.Close(), d.write.Close())
}

// tidy empties the journals of the files that were written: what a day's file
// got in an hour would stay on the disk twice. One that is being read keeps its
// journal until the next time.
func (f *chunkFiles) tidy(ctx context.Context) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, d := range f.open {
		if !d.written.Swap(false) {
			continue
		}
		if _, err := d.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			return fmt.Errorf("empty the journal of %s of day %d: %w", key.kind, key.day, err)
		}
	}
	return nil
}

// remove closes a file and unlinks it. Who still reads it ends in peace.
func (f *chunkFiles) remove(key fileKey) error {
	f.mu.Lock()
	d := f.open[key]
	delete(f.open, key)
	f.mu.Unlock()
	if d != nil {
		if err := errors.Join(d.read.Close(), d.write.Close()); err != nil {
			return err
		}
	}
	return dialect.RemoveFile(dialect.ChunkFile(f.database, key.kind, key.day))
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

// write puts chunks into their files and syncs those, before the transaction
// that will mark them: commits over several files are not atomic, so a kill in
// between must leave chunks that nobody trusts. The same generation, written
// again, replaces them.
func (f *chunkFiles) write(ctx context.Context, tx *sql.Tx, t tier, chunks []Chunk) error {
	byFile := map[fileKey][]Chunk{}
	for _, c := range chunks {
		key := t.file(c.Start)
		byFile[key] = append(byFile[key], c)
	}
	for key, list := range byFile {
		if _, err := tx.ExecContext(ctx, "INSERT INTO chunk_file (kind, day) VALUES (?, ?) ON CONFLICT DO NOTHING", key.kind, key.day); err != nil {
			return err
		}
		d, err := f.get(ctx, key, true)
		if err != nil {
			return err
		}
		if err := d.put(ctx, t, list); err != nil {
			return fmt.Errorf("write %s of day %d: %w", key.kind, key.day, err)
		}
	}
	return nil
}

func (d *chunkFile) put(ctx context.Context, t tier, chunks []Chunk) error {
	return d.change(ctx, "INSERT INTO chunk (key, data) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET data = excluded.data", func(stmt *sql.Stmt) error {
		for _, c := range chunks {
			if _, err := stmt.ExecContext(ctx, t.key(c.Series, c.Start, c.Gen), c.Data); err != nil {
				return err
			}
		}
		return nil
	})
}

// change runs one statement, any number of times, in a transaction.
func (d *chunkFile) change(ctx context.Context, query string, f func(*sql.Stmt) error) error {
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	d.written.Store(true)
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer stmt.Close()
	if err := f(stmt); err != nil {
		return err
	}
	return tx.Commit()
}

// forget deletes the generations below gen of one shard and chunk start.
func (f *chunkFiles) forget(ctx context.Context, t tier, shard, start, gen int64) error {
	d, err := f.get(ctx, t.file(start), false)
	if err != nil || d == nil {
		return err
	}
	return d.change(ctx, "DELETE FROM chunk WHERE key >= ? AND key < ?", func(stmt *sql.Stmt) error {
		for g := range gen {
			if _, err := stmt.ExecContext(ctx, t.key(shard*block.ShardSize, start, g), t.key((shard+1)*block.ShardSize, start, g)); err != nil {
				return err
			}
		}
		return nil
	})
}

// read returns the chunks of series that begin in [first, last], of the
// generations that are wanted of their shard and start.
func (f *chunkFiles) read(ctx context.Context, t tier, ids []int64, first, last int64, want generations) (list []Chunk, err error) {
	files := map[fileKey]struct{}{}
	for k := range want {
		files[t.file(k.start)] = struct{}{}
	}
	keys := slices.SortedFunc(maps.Keys(files), func(a, b fileKey) int { return cmp.Compare(a.day, b.day) })
	for _, key := range keys {
		d, err := f.get(ctx, key, false)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue // retention has removed it
		}
		begin := key.day * dayMillis
		if list, err = d.chunks(ctx, t, ids, max(first, begin), min(last, begin+t.span-t.unit), want, list); err != nil {
			return nil, fmt.Errorf("read %s of day %d: %w", key.kind, key.day, err)
		}
	}
	return list, nil
}

// keysAtOnce is how many chunks one statement reads.
const keysAtOnce = 4096

func (d *chunkFile) chunks(ctx context.Context, t tier, ids []int64, first, last int64, want generations, list []Chunk) ([]Chunk, error) {
	var keys []int64
	var err error
	for _, id := range ids {
		for start := first; start <= last; start += t.unit {
			r := want[shardStart{id / block.ShardSize, start}]
			for gen := r.from; gen < r.to; gen++ {
				keys = append(keys, t.key(id, start, gen))
			}
			if len(keys) >= keysAtOnce {
				if list, err = d.byKey(ctx, t, first, keys, list); err != nil {
					return nil, err
				}
				keys = keys[:0]
			}
		}
	}
	return d.byKey(ctx, t, first, keys, list)
}

// byKey reads the chunks of some keys in one statement. Those that are missing are
// of series that were silent.
func (d *chunkFile) byKey(ctx context.Context, t tier, at int64, keys []int64, list []Chunk) ([]Chunk, error) {
	if len(keys) == 0 {
		return list, nil
	}
	rows, err := d.read.QueryContext(ctx, "SELECT chunk.key, data FROM json_each(?) AS k CROSS JOIN chunk ON chunk.key = k.value", dialect.JSONInts(keys))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key int64
		var data []byte
		if err := rows.Scan(&key, &data); err != nil {
			return nil, err
		}
		list = append(list, t.chunk(at, key, data))
	}
	return list, rows.Err()
}

// chunk is the chunk of a key in the file that holds `at`.
func (t tier) chunk(at, key int64, data []byte) Chunk {
	place := key >> (seriesBits + genBits)
	return Chunk{
		Series: key & (1<<seriesBits - 1), Start: block.Floor(at, t.span) + place*t.unit,
		Gen: key >> seriesBits & (1<<genBits - 1), Data: data,
	}
}

// readShard returns what is wanted of a whole shard.
func (f *chunkFiles) readShard(ctx context.Context, t tier, shard int64, want generations) (list []Chunk, err error) {
	for k, r := range want {
		d, err := f.get(ctx, t.file(k.start), false)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		for gen := r.from; gen < r.to; gen++ {
			if list, err = d.shard(ctx, t, shard, k.start, gen, list); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

func (d *chunkFile) shard(ctx context.Context, t tier, shard, start, gen int64, list []Chunk) ([]Chunk, error) {
	rows, err := d.read.QueryContext(ctx, "SELECT key, data FROM chunk WHERE key >= ? AND key < ?",
		t.key(shard*block.ShardSize, start, gen), t.key((shard+1)*block.ShardSize, start, gen))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c := Chunk{Start: start, Gen: gen}
		if err := rows.Scan(&c.Series, &c.Data); err != nil {
			return nil, err
		}
		c.Series &= 1<<seriesBits - 1
		list = append(list, c)
	}
	return list, rows.Err()
}
