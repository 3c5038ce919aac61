//go:build cgo

package dialect

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// packedStore returns a database of SQLite with n things.
func packedStore(t *testing.T, n int, size int) *Database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Config{URL: "sqlite:" + path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	run := func(query string, args ...any) {
		if _, err := db.Write.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	run("CREATE TABLE things (at integer PRIMARY KEY, name text, weight real, data blob)")
	for i := range n {
		run("INSERT INTO things VALUES (?, ?, ?, ?)", int64(i)-1, fmt.Sprintf("thing %d", i/2), float64(i)/3, bytes.Repeat([]byte{byte(i)}, size))
	}
	return db
}

type thing struct {
	at     int64
	name   string
	weight float64
	data   string
}

// things asks for the things behind one, in two queries at once; columns says whether
// rows may come packed.
func things(t *testing.T, db *Database, behind int64, columns bool, room *Room) (list []thing) {
	t.Helper()
	take := func(r Row) error {
		var one thing
		var data []byte
		err := r.Scan(&one.at, &one.name, &one.weight, &data)
		one.data = string(data)
		list = append(list, one)
		return err
	}
	const text = "SELECT at, name, weight, data FROM things WHERE at > $1 AND at < $2"
	queries := []Query{
		{SQL: text, Args: []any{behind, 1000}, Take: take, Room: room},
		{SQL: text + " AND $2 > 0", Args: []any{5000, 6000}, Take: func(Row) error { t.Error("a row of none"); return nil }},
		{SQL: "SELECT name, SUM(at) FROM things WHERE at >= $2 AND at > $1 GROUP BY name", Args: []any{behind, -1}, Take: func(r Row) error {
			var one thing
			err := r.Scan(&one.name, &one.at)
			list = append(list, one)
			return err
		}},
	}
	if columns {
		queries[0].Columns, queries[1].Columns, queries[2].Columns = 4, 4, 2
	}
	if err := db.Look(t.Context(), func(at Snapshot) error { return at.Ask(t.Context(), true, queries...) }); err != nil {
		t.Fatal(err)
	}
	return list
}

func agree(t *testing.T, got, want []thing) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("row %d: %v, want %v", i, got[i], want[i])
		}
	}
}

// TestPacked holds that rows come the same packed and one by one: few and many, on
// several connections at once, where there are too many bytes and where all buffers are
// in use.
func TestPacked(t *testing.T) {
	db := packedStore(t, 200, 3000)
	for _, behind := range []int64{-2, 5, 197} {
		want := things(t, db, behind, false, nil)
		var room Room
		agree(t, things(t, db, behind, true, &room), want)
		room.Release()
		agree(t, things(t, db, behind, true, &room), want)
	}
	if n := db.Unpacked(); n != 0 {
		t.Errorf("%d answers came row by row", n)
	}
	want := things(t, db, -2, false, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				var room Room
				got := things(t, db, -2, true, &room)
				room.Release()
				if len(got) != len(want) || got[len(got)-1] != want[len(want)-1] || got[50] != want[50] {
					t.Errorf("%d rows, want %d", len(got), len(want))
				}
			}
		})
	}
	wg.Wait()

	var taken []int
	for slot, ok := takeSlot(); ok; slot, ok = takeSlot() {
		taken = append(taken, slot)
	}
	agree(t, things(t, db, -2, true, nil), want)
	for _, slot := range taken {
		freeSlot(slot)
	}
	if n := db.Unpacked(); n != 1 || len(taken) == 0 {
		t.Errorf("%d answers came row by row without a buffer, of which there are %d", n, len(taken))
	}

	large := packedStore(t, 40, maxPacked/32)
	agree(t, things(t, large, -2, true, nil), things(t, large, -2, false, nil))
	if n := large.Unpacked(); n != 1 {
		t.Errorf("%d answers were too long to be packed", n)
	}
	agree(t, things(t, large, 30, true, nil), things(t, large, 30, false, nil))
	if n := large.Unpacked(); n != 1 {
		t.Errorf("%d answers were too long after a short one", n)
	}
}

// TestPackedFaults: a statement that fails says so, what cannot be scanned too, and the
// buffer is free again.
func TestPackedFaults(t *testing.T) {
	db := packedStore(t, 3, 10)
	free := len(freeSlots)
	ask := func(query string, columns int, take func(Row) error) error {
		return db.Look(t.Context(), func(at Snapshot) error {
			return at.Ask(t.Context(), true, Query{SQL: query, Columns: columns, Take: take})
		})
	}
	none := func(Row) error { return nil }
	var n int64
	var f float64
	var s string
	for what, err := range map[string]error{
		"no table":   ask("SELECT at FROM nothing", 1, none),
		"columns":    ask("SELECT at, name FROM things", 1, none),
		"too few":    ask("SELECT at, name FROM things", 2, func(r Row) error { return r.Scan(&n) }),
		"a text":     ask("SELECT name FROM things", 1, func(r Row) error { return r.Scan(&n) }),
		"no number":  ask("SELECT name FROM things", 1, func(r Row) error { return r.Scan(&f) }),
		"NULL":       ask("SELECT NULL", 1, func(r Row) error { return r.Scan(&s) }),
		"a struct":   ask("SELECT 1", 1, func(r Row) error { return r.Scan(&struct{}{}) }),
		"as they go": ask("SELECT at FROM things", 1, func(Row) error { return errPacked }),
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	var data []byte
	if err := ask("SELECT 7, x'', NULL", 3, func(r Row) error { return r.Scan(&f, &data, &data) }); err != nil || f != 7 || data != nil {
		t.Errorf("%v, %q, %v", f, data, err)
	}
	if len(freeSlots) != free {
		t.Errorf("%d of %d buffers are free", len(freeSlots), free)
	}
}
