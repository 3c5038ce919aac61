package storage

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"

	"example.com/nexusctl/storage/dialect"
)

// Sizes says what the store takes on disk, indexes and all.
type Sizes struct {
	Series int64 // in the store
	Total  int64 // bytes
	Parts  []Size
}

// Size is one part of the store: a tier, or a table beside them. On SQLite the
// tables stand in one file, and are one part.
type Size struct {
	Name  string
	Bytes int64
	Count int   // of partitions or files; 0: neither
	From  int64 // from when on there are data, Unix milliseconds; 0: nothing was given up
}

// Sizes looks at the disk as it is: what is being written can be in it by half.
func (s *Store) Sizes(ctx context.Context) (z Sizes, err error) {
	err = s.read(ctx, "measure the store", func(ctx context.Context, tx *sql.Tx) error {
		z = Sizes{}
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM series").Scan(&z.Series); err != nil {
			return err
		}
		f, err := s.floors(ctx, tx, "")
		if err != nil {
			return err
		}
		if z.Parts, err = s.parts(ctx, tx, f); err != nil {
			return err
		}
		for _, p := range z.Parts {
			z.Total += p.Bytes
		}
		return nil
	})
	return z, err
}

func (s *Store) parts(ctx context.Context, tx *sql.Tx, f floors) ([]Size, error) {
	if s.files == nil {
		return s.tables(ctx, tx, f)
	}
	bytes, err := fileSize(s.db.Path)
	list := []Size{{Name: "nexus.db", Bytes: bytes}}
	for _, t := range tiers {
		if err != nil || t.kind == "" {
			continue
		}
		var one Size
		one, err = s.fileSizes(ctx, tx, t)
		one.From = f.of(t)
		list = append(list, one)
	}
	return list, err
}

// tables are Postgres's tables, those with partitions as one.
func (s *Store) tables(ctx context.Context, tx *sql.Tx, f floors) (list []Size, err error) {
	err = s.each(ctx, tx, func(rows *sql.Rows) error {
		var one Size
		err := rows.Scan(&one.Name, &one.Bytes, &one.Count)
		one.From = f[one.Name]
		list = append(list, one)
		return err
	}, `SELECT p.relname, (COALESCE(SUM(pg_total_relation_size(i.inhrelid)), 0) + pg_total_relation_size(p.oid))::bigint, COUNT(i.inhrelid)
FROM pg_class p LEFT JOIN pg_inherits i ON i.inhparent = p.oid
WHERE p.relnamespace = current_schema()::regnamespace AND p.relkind IN ('r', 'p') AND NOT p.relispartition
GROUP BY p.oid, p.relname ORDER BY 2 DESC, 1`)
	return list, err
}

func (s *Store) fileSizes(ctx context.Context, tx *sql.Tx, t tier) (Size, error) {
	one := Size{Name: t.name}
	err := s.each(ctx, tx, func(rows *sql.Rows) error {
		var day int64
		if err := rows.Scan(&day); err != nil {
			return err
		}
		n, err := fileSize(dialect.ChunkFile(s.db.Path, t.kind, day))
		one.Bytes += n
		one.Count++
		return err
	}, "SELECT day FROM chunk_file WHERE kind = $1", t.kind)
	return one, err
}

// fileSize adds up an SQLite file and its journal.
func fileSize(path string) (int64, error) {
	var all int64
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		all += info.Size()
	}
	return all, nil
}
