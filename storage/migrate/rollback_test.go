package migrate_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/migrate"
)

// fillAll is fill with something in every tier, an event, and late data.
func fillAll(t *testing.T, s *storage.Store) {
	t.Helper()
	ctx := t.Context()
	fill(t, s)
	_, err := s.RollDays(ctx, day+1)
	must[bool](t)(true, err)
	must[int](t)(s.RollMinutes(ctx, docPoint, storage.Chosen{Max: 2}))
	must[bool](t)(s.Commit(ctx, storage.Flush{
		Writer: "w", From: 20, To: 30, Seq: 3, Hour: hour, Counts: storage.Counts{Stored: 1, Rejected: map[string]uint64{"syntax": 7}}, Until: docPoint,
		Events: []storage.Event{{EventID: storage.EventID{At: docPoint, Writer: "w", Seq: 3}, Kind: "event", Status: "info", Priority: "normal", Title: "deployed"}},
	}))
}

// rowsOf renders the rows of a table in the columns given, sorted.
func rowsOf(t *testing.T, db *dialect.Database, table string, columns []string) (list []string) {
	t.Helper()
	rows, err := db.Read.Query("SELECT " + strings.Join(columns, ", ") + " FROM " + table)
	if err != nil {
		t.Fatalf("%s: %v", table, err)
	}
	defer rows.Close()
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		line := table
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			line += fmt.Sprintf(" %s=%v", columns[i], v)
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

// TestThereAndBack takes a store with data in every table down to every version
// there is, and up again: what the older schema has a place for is there, row by
// row, at the bottom and at the top.
func TestThereAndBack(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		fillAll(t, p.store(t))
		db := p.database(t)
		versions := versionsOf(t, m)
		for _, v := range slices.Backward(versions[:len(versions)-1]) {
			all := tables(t, db)
			before := map[string]map[string][]string{}
			downTo(t, m, v)
			older := tables(t, db)
			must[[]migrate.Step](t)(m.Up(ctx))
			for table, columns := range older {
				if all[table] == nil || table == migrate.VersionTable || (table == "chunk_file" && v < 2) {
					continue
				}
				before[table] = map[string][]string{strings.Join(columns, ","): rowsOf(t, db, table, columns)}
			}
			downTo(t, m, v)
			for table, want := range before {
				for columns, rows := range want {
					if got := rowsOf(t, db, table, strings.Split(columns, ",")); !slices.Equal(got, rows) {
						t.Errorf("down at %d, %s has %v, want %v", v, table, got, rows)
					}
				}
			}
			must[[]migrate.Step](t)(m.Up(ctx))
			for table, want := range before {
				for columns, rows := range want {
					if got := rowsOf(t, db, table, strings.Split(columns, ",")); !slices.Equal(got, rows) {
						t.Errorf("up again from %d, %s has %v, want %v", v, table, got, rows)
					}
				}
			}
		}
		checkChunk(t, p, db)
		s := p.store(t)
		if w := must[storage.Writer](t)(s.Writer(ctx, "w")); w.Position != 30 || w.Seq != 3 || w.Counts.Rejected["syntax"] != 7 {
			t.Errorf("the writer is %+v", w)
		}
		must[storage.CompactStats](t)(s.Compact(ctx, hour+1)) // goes on
	})
}

// TestDownKilled: a step down that ended before the database took it leaves
// the files of chunks where they were, and one that ended behind it leaves none.
func TestDownKilled(t *testing.T) {
	p := place{"sqlite:sub/nexus.db", t.TempDir()}
	m, ctx := p.open(t), t.Context()
	must[[]migrate.Step](t)(m.Up(ctx))
	fillAll(t, p.store(t))
	dir := filepath.Join(p.dir, "sub")
	files := func() []string { return must[[]string](t)(filepath.Glob(filepath.Join(dir, "*-20*.db*"))) }
	all := func() (names []string) {
		for _, f := range files() {
			if strings.HasSuffix(f, ".db") {
				names = append(names, filepath.Base(f))
			}
		}
		return names
	}
	want := all()
	for _, f := range want {
		if err := dialect.SetAside(filepath.Join(dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	if left := all(); len(left) != 0 {
		t.Fatalf("aside, there are %v", left)
	}
	p.store(t) // whoever opens it next brings them back
	if got := all(); !slices.Equal(got, want) || len(want) < 2 {
		t.Errorf("there are %v, want %v", got, want)
	}
	checkChunk(t, p, p.database(t))

	downTo(t, m, 1)
	stray := filepath.Join(dir, "minutes-2025-11-18.db")
	if err := os.WriteFile(stray+".aside", []byte("was listed"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.open(t)
	if got := files(); slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, "minutes") }) {
		t.Errorf("left behind: %v", got)
	}
}

// TestUpAndDownSideBySide lets runners go up and down at once: none fails, none
// sees another's half, and the store is whole after them.
func TestUpAndDownSideBySide(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m, ctx := p.open(t), t.Context()
		must[[]migrate.Step](t)(m.Up(ctx))
		fill(t, p.store(t))
		var wg sync.WaitGroup
		for i := range 4 {
			m := p.open(t)
			wg.Go(func() {
				for range 3 {
					f := m.Up
					if i%2 == 0 {
						f = m.Redo
					}
					if _, err := f(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		must[[]migrate.Step](t)(m.Up(ctx))
		checkChunk(t, p, p.database(t))
	})
}

// TestTables: the names that are read from the migrations are those that there
// are.
func TestTables(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		must[[]migrate.Step](t)(p.open(t).Up(t.Context()))
		db := p.database(t)
		names := must[[]string](t)(migrate.Tables(db.Name))
		for table := range tables(t, db) {
			view := strings.HasPrefix(table, "metric_")
			if !view && table != migrate.VersionTable && !slices.Contains(names, table) {
				t.Errorf("%s is not among %v", table, names)
			}
		}
	})
}
