package migrate_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// day is 2025-11-24.
const (
	day      = int64(20_416)
	hour     = day*24 + 17
	hourMs   = int64(3_600_000)
	docPoint = hour * hourMs
)

// fill brings one counter, compacts it into a chunk, and leaves a block behind.
func fill(t *testing.T, s *storage.Store) {
	t.Helper()
	ctx := t.Context()
	key := series.Key{Name: "docs.example", Type: protocol.Counter, Tags: []series.Tag{{Key: "env", Value: "prod"}}}
	ids := must[[]int64](t)(s.Resolve(ctx, [][]byte{key.Append(nil)}))
	commit := func(from, to, seq uint64) {
		t.Helper()
		data := block.AppendBlock(nil, ids[0]/block.ShardSize, docPoint, []block.Point{{Series: ids[0], Time: docPoint, Kind: block.Counter, N: 2, Sum: 5, Neg: -1}})
		must[bool](t)(s.Commit(ctx, storage.Flush{
			Writer: "w", From: from, To: to, Seq: seq, Hour: hour, Blocks: []storage.Block{{Shard: ids[0] / block.ShardSize, Data: data}},
			Counts: storage.Counts{Stored: 2},
		}))
	}
	commit(0, 10, 1)
	if stats := must[storage.CompactStats](t)(s.Compact(ctx, hour+1)); stats.Chunks != 1 {
		t.Fatalf("compaction made %d chunks", stats.Chunks)
	}
	commit(10, 20, 2)
	if err := s.SetMeta(ctx, key.Name, "an example", "1"); err != nil {
		t.Fatal(err)
	}
}

// tables lists every table with its columns.
func tables(t *testing.T, db *dialect.Database) map[string][]string {
	t.Helper()
	query := `SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if db.Name == dialect.Postgres {
		query = `SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN pg_class p ON p.relname = c.table_name
WHERE c.table_schema = current_schema() AND NOT p.relispartition ORDER BY c.ordinal_position`
	}
	rows, err := db.Read.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	list := map[string][]string{}
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			t.Fatal(err)
		}
		list[table] = append(list[table], column)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestDocumentedTables: the document names every table and column there is.
func TestDocumentedTables(t *testing.T) {
	text := string(must[[]byte](t)(os.ReadFile("../../docs/format/store.md")))
	each(t, func(t *testing.T, p place) {
		must[[]migrate.Step](t)(p.open(t).Up(t.Context()))
		for table, columns := range tables(t, p.database(t)) {
			_, about, ok := strings.Cut(text, "**"+table+"**")
			if !ok {
				t.Errorf("the document has no table %s", table)
				continue
			}
			about, _, _ = strings.Cut(about, "\n**")
			if table == "goose_db_version" {
				continue // not ours
			}
			for _, c := range columns {
				if !strings.Contains(about, "`"+c+"`") && !strings.Contains(about, "| "+c+" |") && c != "one" {
					t.Errorf("what is said of %s leaves out the column %s", table, c)
				}
			}
		}
	})
}

// TestDocumentedRows looks at what one flush and one compaction leave.
func TestDocumentedRows(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		must[[]migrate.Step](t)(p.open(t).Up(t.Context()))
		fill(t, p.store(t))
		db := p.database(t)
		for query, want := range map[string]string{
			"SELECT id FROM series":                                               "1",
			"SELECT name FROM series":                                             "docs.example",
			"SELECT type FROM series":                                             "counter",
			"SELECT next FROM series_next":                                        "2",
			"SELECT used FROM series_run WHERE name = 'docs.example'":             "1",
			"SELECT position FROM writer_position WHERE writer = 'w'":             "20",
			"SELECT seq FROM writer_position":                                     "2",
			"SELECT arrival_hour FROM flush_block WHERE shard = 0 AND seq = 2":    "490001",
			"SELECT gens FROM compaction WHERE shard = 0 AND hour = 490001":       "1",
			"SELECT sum FROM counter_day WHERE series_id = 1 AND day = 20416":     "5",
			"SELECT neg FROM counter_day":                                         "-1",
			"SELECT description FROM metric":                                      "an example",
			"SELECT count(*) FROM flush_block":                                    "1",
			"SELECT length(key_hash) FROM series":                                 "16",
			"SELECT length(id) FROM store_meta":                                   "36",
			"SELECT count(*) FROM series WHERE tags " + jsonGet(db) + " = 'prod'": "1",
		} {
			var got string
			if err := db.Read.QueryRow(query).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %q, %v, want %q", query, got, err, want)
			}
		}
		var text string
		var counts map[string]int
		if err := db.Read.QueryRow("SELECT counts FROM writer_position").Scan(&text); err != nil {
			t.Error(err)
		}
		if err := json.Unmarshal([]byte(text), &counts); err != nil || len(counts) != 2 || counts["stored"] != 4 || counts["blocks"] != 2 {
			t.Errorf("counts are %s, %v", text, err)
		}
		checkChunk(t, p, db)
	})
}

func jsonGet(db *dialect.Database) string {
	if db.Name == dialect.Postgres {
		return "->> 'env'"
	}
	return "->> '$.env'"
}

// checkChunk finds the chunk where the document says that it is.
func checkChunk(t *testing.T, p place, db *dialect.Database) {
	t.Helper()
	want := block.AppendChunk(nil, docPoint, block.Counter, []block.Point{{Time: docPoint, Kind: block.Counter, N: 2, Sum: 5, Neg: -1}})
	var data []byte
	if db.Name == dialect.Postgres {
		err := db.Read.QueryRow("SELECT data FROM chunk_10s_20416 WHERE series_id = 1 AND start_ts = $1 AND gen = 0", docPoint).Scan(&data)
		if err != nil || !bytes.Equal(data, want) {
			t.Errorf("the chunk is % x, %v", data, err)
		}
		return
	}
	var listed int64
	if err := db.Read.QueryRow("SELECT day FROM chunk_file").Scan(&listed); err != nil || listed != day {
		t.Errorf("the listed day is %d, %v", listed, err)
	}
	file, err := dialect.OpenFile(filepath.Join(p.dir, "sub", "chunks-2025-11-24.db"), false, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.QueryRow("SELECT data FROM chunk WHERE key = ?", 17<<18<<40|1).Scan(&data); err != nil || !bytes.Equal(data, want) {
		t.Errorf("the chunk is % x, %v", data, err)
	}
	text := string(must[[]byte](t)(os.ReadFile("../../docs/format/store.md")))
	if n := int64((17<<18|1)<<40 | 10); n != 4_899_917_494_090_727_434 || !strings.Contains(text, "4,899,917,494,090,727,434") {
		t.Errorf("the key in the document is another one than %d", n)
	}
	if got := slices.Sorted(maps.Keys(tables(t, &dialect.Database{Dialect: db.Dialect, Read: file}))); !slices.Equal(got, []string{"chunk"}) {
		t.Errorf("a day file has the tables %v", got)
	}
}
