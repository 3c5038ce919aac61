package dump_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/dump"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// daySeries is how many series the day that is dropped has: 24 chunks each, of
// chunkBytes, which is what an hour of a counter and a timer in turn takes.
const daySeries, chunkBytes = 20_000, 800

// BenchmarkDropDay gives up one day of ten-second points, beside a writer that
// flushes without a pause, and reports how long that takes and the longest flush
// meanwhile, milliseconds.
func BenchmarkDropDay(b *testing.B) {
	for _, backend := range backends {
		b.Run(backend, func(b *testing.B) {
			for b.Loop() {
				c := dump.Config{URL: "sqlite:nexus.db", DataDir: b.TempDir()}
				if backend == "postgres" {
					c = dump.Config{URL: pgtest.DSN(b)}
				}
				dropDay(b, c)
			}
		})
	}
}

func dropDay(b *testing.B, c dump.Config) {
	ctx := b.Context()
	m, err := migrate.Open(ctx, c.URL, c.DataDir, "")
	check(b, err)
	_, err = m.Up(ctx)
	check(b, err)
	check(b, m.Close())
	s, err := storage.Open(ctx, storage.Options{URL: c.URL, DataDir: c.DataDir})
	check(b, err)
	defer s.Close()
	size := putDay(b, c)
	r := storage.Retention{Points: 24 * time.Hour, Sketches: 24 * time.Hour, Minutes: 90 * 24 * time.Hour, Hours: 900 * 24 * time.Hour, SQL: 24 * time.Hour}
	now := time.UnixMilli((day + 3) * 86_400_000)
	_, err = s.Retain(ctx, now, r) // raises the floors; the next one drops
	check(b, err)

	writing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	var longest, flushes atomic.Int64
	go func() {
		defer close(done)
		for seq := uint64(1); writing.Err() == nil; seq++ {
			began := time.Now()
			_, err := s.Commit(context.Background(), storage.Flush{
				Writer: "w", From: seq - 1, To: seq, Seq: seq, Hour: (day + 3) * 24, Blocks: []storage.Block{{Shard: 0, Data: make([]byte, 10_000)}},
			})
			if err != nil {
				b.Error(err)
				return
			}
			longest.Store(max(longest.Load(), int64(time.Since(began))))
			flushes.Add(1)
		}
	}()
	for flushes.Load() < 5 {
		time.Sleep(time.Millisecond)
	}
	usual := longest.Swap(0)
	began := time.Now()
	stats, err := s.Retain(ctx, now, r)
	took := time.Since(began)
	check(b, err)
	stop()
	<-done
	if stats.Dropped != 1 {
		b.Errorf("%d partitions or files were dropped", stats.Dropped)
	}
	b.ReportMetric(float64(took.Microseconds())/1000, "drop-ms")
	b.ReportMetric(float64(longest.Load())/1e6, "longest-flush-ms")
	b.ReportMetric(float64(usual)/1e6, "longest-flush-before-ms")
	b.ReportMetric(float64(size)/(1<<20), "day-MiB")
}

// putDay writes a day of chunks as they stand behind a compaction, and returns
// their bytes.
func putDay(b *testing.B, c dump.Config) int64 {
	ctx := b.Context()
	db, err := dialect.Open(ctx, dialect.Config{URL: c.URL, DataDir: c.DataDir})
	check(b, err)
	defer db.Close()
	exec := func(db *dialect.Database, query string, args ...any) {
		b.Helper()
		_, err := db.Write.ExecContext(ctx, query, args...)
		check(b, err)
	}
	shards := (daySeries + 1023) / 1024
	for h := range int64(24) {
		for sh := range shards {
			exec(db, fmt.Sprintf("INSERT INTO compaction (shard, hour, gens, rolled, minuted) VALUES (%d, %d, 1, 1, 1)", sh, day*24+h))
		}
	}
	if db.Name == dialect.Postgres {
		check(b, db.Partitions.Ensure(ctx, db.Write, "chunk_10s", day, 86_400_000))
		exec(db, "INSERT INTO chunk_10s SELECT s, $1::bigint + h * 3600000::bigint, 0, decode(repeat('ab', $2::int), 'hex') FROM generate_series(1, $3::int) s, generate_series(0, 23) h",
			day*86_400_000, chunkBytes, daySeries)
		return daySeries * 24 * chunkBytes
	}
	exec(db, "INSERT INTO chunk_file (kind, day) VALUES ('chunks', ?)", day)
	path := dialect.ChunkFile(db.Path, "chunks", day)
	check(b, dialect.CreateFile(ctx, path))
	file, err := dialect.OpenFile(path, true, 1)
	check(b, err)
	defer file.Close()
	for _, q := range []string{
		"CREATE TABLE chunk (key integer PRIMARY KEY, data blob NOT NULL)",
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO chunk SELECT ((i / %d) << 58) | (i %% %d + 1), randomblob(%d) FROM n`, daySeries*24-1, daySeries, daySeries, chunkBytes),
	} {
		_, err := file.ExecContext(ctx, q)
		check(b, err)
	}
	return daySeries * 24 * chunkBytes
}
