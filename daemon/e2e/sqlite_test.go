package e2e_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// sqliteSums reads what SQLite's files hold of the fleet's counters, by SQL.
func sqliteSums(t *testing.T, dir string) map[string]float64 {
	t.Helper()
	db := whole(t, filepath.Join(dir, "nexus.db"))
	defer db.Close()
	names := map[int64]string{}
	rows(t, db, "SELECT id, key FROM series WHERE name = 'fleet.count'", func(r *sql.Rows) {
		var id int64
		var key []byte
		check(t, r.Scan(&id, &key))
		k, err := series.Parse(key)
		check(t, err)
		names[id] = k.String()
	})
	sums := map[string]float64{}
	add := func(p block.Point) {
		if name, ok := names[p.Series]; ok {
			sums[name] += p.Sum
		}
	}
	rows(t, db, "SELECT data FROM flush_block", func(r *sql.Rows) {
		var data []byte
		check(t, r.Scan(&data))
		points, err := block.DecodeBlock(data, nil)
		check(t, err)
		for _, p := range points {
			add(p)
		}
	})
	eachChunk(t, db, dir, func(id int64, p block.Point) {
		p.Series = id
		add(p)
	})
	return sums
}

// eachChunk reads the chunks that the main file has marked as valid.
func eachChunk(t *testing.T, db *sql.DB, dir string, add func(id int64, p block.Point)) {
	t.Helper()
	type shardHour struct{ shard, hour int64 }
	marked := map[shardHour]int64{}
	rows(t, db, "SELECT shard, hour, gens FROM compaction", func(r *sql.Rows) {
		var k shardHour
		var gens int64
		check(t, r.Scan(&k.shard, &k.hour, &gens))
		marked[k] = gens
	})
	files, err := filepath.Glob(filepath.Join(dir, "chunks-*.db"))
	check(t, err)
	for _, path := range files {
		date := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "chunks-"), ".db")
		day, err := time.Parse(time.DateOnly, date)
		check(t, err)
		chunks := whole(t, path)
		rows(t, chunks, "SELECT key, data FROM chunk", func(r *sql.Rows) {
			var key int64
			var data []byte
			check(t, r.Scan(&key, &data))
			id, gen, hour := key&(1<<40-1), key>>40&(1<<18-1), day.Unix()/3600+key>>58
			if gen >= marked[shardHour{id / block.ShardSize, hour}] {
				return
			}
			points, err := block.DecodeChunk(data, hour*3_600_000, nil)
			check(t, err)
			for _, p := range points {
				add(id, p)
			}
		})
		check(t, chunks.Close())
	}
}

// whole opens a file that SQLite itself finds nothing wrong with.
func whole(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	check(t, err)
	rows(t, db, "PRAGMA integrity_check", func(r *sql.Rows) {
		var verdict string
		check(t, r.Scan(&verdict))
		if verdict != "ok" {
			t.Errorf("%s: %s", filepath.Base(path), verdict)
		}
	})
	return db
}
