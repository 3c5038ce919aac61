package migrate_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/histogram"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// downTo takes migrations back until the schema is at version.
func downTo(t *testing.T, m *migrate.Migrator, version int64) {
	t.Helper()
	for must[int64](t)(m.Version(t.Context())) > version {
		must[[]migrate.Step](t)(m.Down(t.Context()))
	}
}

// TestTiersOverData brings a store of the first version, with chunks and blocks
// in it, to the second: every series keeps its id, and the hours that were
// compacted get their rows.
func TestTiersOverData(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		fill(t, p.store(t))
		downTo(t, m, 1)
		db := p.database(t)
		sketch := addOldSketch(t, p, db)
		if got := must[[]string](t)(filepath.Glob(filepath.Join(p.dir, "sub", "chunks-*.db"))); db.Name == dialect.SQLite && len(got) != 1 {
			t.Fatalf("going down left the files %v", got)
		}
		must[[]migrate.Step](t)(m.Up(ctx))
		s := p.store(t)
		key := series.Key{Name: "docs.example", Type: protocol.Counter, Tags: []series.Tag{{Key: "env", Value: "prod"}}}.Append(nil)
		if ids := must[[]int64](t)(s.Resolve(ctx, [][]byte{key})); ids[0] != 1 {
			t.Errorf("the series has the id %d now", ids[0])
		}
		if stats := must[storage.CompactStats](t)(s.Compact(ctx, hour+1)); stats.Rollups != 2 {
			t.Errorf("%+v, want the rows of two series", stats)
		}
		sel := must[storage.Selection](t)(s.Read(ctx, storage.ReadRequest{IDs: []int64{1}, Sketches: []int64{2}, From: docPoint, To: docPoint + hourMs - 1, Step: hourMs}))
		if len(sel.Rollups) != 2 || len(sel.Chunks) != 0 {
			t.Fatalf("%d rows, %d chunks", len(sel.Rollups), len(sel.Chunks))
		}
		for _, row := range sel.Rollups {
			switch {
			case row.Series == 1 && (row.Sum != 10 || row.Neg != -2 || row.N != 4):
				t.Errorf("the counter's row is %+v", row)
			case row.Series == 2 && !slices.Equal(row.Sketch, sketch):
				t.Errorf("the histogram's row is %+v", row)
			}
		}
		sel = must[storage.Selection](t)(s.Read(ctx, storage.ReadRequest{Sketches: []int64{2}, From: docPoint, To: docPoint + hourMs - 1}))
		if len(sel.Chunks) != 1 {
			t.Errorf("%d chunks of ten seconds of the old histogram", len(sel.Chunks))
		}
	})
}

// addOldSketch puts a histogram where the first version had them: among the
// points.
func addOldSketch(t *testing.T, p place, db *dialect.Database) []byte {
	t.Helper()
	h := histogram.New(5)
	h.Add(3, 1)
	sketch := h.AppendBinary(nil)
	data := block.AppendChunk(nil, docPoint, block.Histogram, []block.Point{{Time: docPoint, Kind: block.Histogram, N: 1, Count: 1, Sum: 3, Min: 3, Max: 3, Sketch: sketch}})
	exec := func(db *dialect.Database, query string, args ...any) {
		t.Helper()
		if _, err := db.Write.ExecContext(context.Background(), db.Bind(query), args...); err != nil {
			t.Fatal(err)
		}
	}
	key := series.Key{Name: "docs.time", Type: protocol.Timer}.Append(nil)
	hash := series.Sum(key)
	exec(db, "INSERT INTO series (id, key_hash, key, name, type, tags) VALUES (2, $1, $2, 'docs.time', 'timer', '{}')", hash[:], key)
	exec(db, "UPDATE series_next SET next = 3")
	if db.Name == dialect.Postgres {
		exec(db, "INSERT INTO chunk_10s (series_id, start_ts, gen, data) VALUES (2, $1, 0, $2)", docPoint, data)
		return sketch
	}
	file := must[*dialect.Database](t)(dialect.Open(t.Context(), dialect.Config{URL: "sqlite:sub/chunks-2025-11-24.db", DataDir: p.dir}))
	defer file.Close()
	exec(file, "INSERT INTO chunk (key, data) VALUES ($1, $2)", 17<<18<<40|2, data)
	return sketch
}

// TestLongKeys: a key may be longer than what an index of Postgres takes, over
// a way down and up again.
func TestLongKeys(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		long := series.Key{Name: "long", Type: protocol.Gauge}
		for i := range 40 {
			// Noise, which the database cannot pack below the limit.
			h := series.Sum([]byte{byte(i)})
			long.Tags = append(long.Tags, series.Tag{Key: strings.Repeat(string(rune('a'+i%26)), i+1), Value: strings.Repeat(string([]byte{h[0]%26 + 'a', h[1]%26 + 'a', h[2]%26 + 'a'}), 100)})
		}
		slices.SortFunc(long.Tags, func(a, b series.Tag) int { return strings.Compare(a.Key, b.Key) })
		key := long.Append(nil)
		if len(key) < 10_000 {
			t.Fatalf("the key has %d bytes", len(key))
		}
		first := must[[]int64](t)(p.store(t).Resolve(ctx, [][]byte{key}))
		downTo(t, m, 1)
		must[[]migrate.Step](t)(m.Up(ctx))
		if again := must[[]int64](t)(p.store(t).Resolve(ctx, [][]byte{key})); again[0] != first[0] {
			t.Errorf("the id was %d and is %d", first[0], again[0])
		}
	})
}

// TestDownKeepsOtherFiles: going down one step removes the files of that step.
func TestDownKeepsOtherFiles(t *testing.T) {
	p := place{"sqlite:sub/nexus.db", t.TempDir()}
	m, ctx := p.open(t), t.Context()
	must[[]migrate.Step](t)(m.Up(ctx))
	s := p.store(t)
	fill(t, s)
	if stats := must[storage.DayStats](t)(s.RollDays(ctx, day+1)); stats.Chunks != 1 {
		t.Fatalf("%+v", stats)
	}
	minutes := filepath.Join(p.dir, "sub", "minutes-2025-11-18.db")
	if _, err := os.Stat(minutes); err != nil {
		t.Fatal(err)
	}
	downTo(t, m, 1)
	if left := must[[]string](t)(filepath.Glob(filepath.Join(p.dir, "sub", "*-20*.db"))); len(left) != 1 || filepath.Base(left[0]) != "chunks-2025-11-24.db" {
		t.Errorf("left: %v", left)
	}
}
