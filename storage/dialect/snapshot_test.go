package dialect_test

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"time"

	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// TestSnapshot holds that what is asked of Postgres in one batch, and in several of
// one transaction, is of one moment, whoever commits in between.
func TestSnapshot(t *testing.T) {
	for name, asks := range map[string]int{"at once": 1, "one by one": 3} {
		t.Run(name, func(t *testing.T) {
			db := open(t, pgtest.DSN(t))
			exec(t, db.Write, "CREATE TABLE things (at bigint PRIMARY KEY)")
			release := hold(t, db)
			counts := make(chan [2]int, 1)
			go func() {
				var n [2]int
				defer func() { counts <- n }()
				err := db.Look(t.Context(), func(at dialect.Snapshot) error { return askAround(t.Context(), at, asks, &n) })
				if err != nil {
					t.Error(err)
				}
			}()
			waitFor(t, db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
			exec(t, db.Write, "INSERT INTO things VALUES (1)")
			release()
			if n := <-counts; n != [2]int{0, 0} {
				t.Errorf("%v rows before and after another's commit", n)
			}
		})
	}
}

// askAround counts the things, waits for the lock, and counts again.
func askAround(ctx context.Context, at dialect.Snapshot, asks int, n *[2]int) error {
	count := func(to *int) dialect.Query {
		return dialect.Query{SQL: "SELECT count(*) FROM things", Take: func(r dialect.Row) error { return r.Scan(to) }}
	}
	wait := dialect.Query{SQL: "SELECT pg_advisory_xact_lock(4711)::text", Take: func(dialect.Row) error { return nil }}
	if asks == 1 {
		return at.Ask(ctx, true, count(&n[0]), wait, count(&n[1]))
	}
	for i, q := range []dialect.Query{count(&n[0]), wait, count(&n[1])} {
		if err := at.Ask(ctx, i == asks-1, q); err != nil {
			return err
		}
	}
	return nil
}

// hold takes the lock that askAround waits for.
func hold(t *testing.T, db *dialect.Database) (release func()) {
	t.Helper()
	tx, err := db.Write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("SELECT pg_advisory_xact_lock(4711)"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
}

func waitFor(t *testing.T, db *dialect.Database, query string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var n int
		if err := db.Read.QueryRow(query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	t.Fatalf("nothing came of %s in a minute", query)
}

// TestSnapshotsOnlyRead: nothing is written over the connections of reads.
func TestSnapshotsOnlyRead(t *testing.T) {
	db := open(t, pgtest.DSN(t))
	exec(t, db.Write, "CREATE TABLE things (at bigint PRIMARY KEY)")
	err := db.Look(t.Context(), func(at dialect.Snapshot) error {
		return at.Ask(t.Context(), true, dialect.Query{SQL: "INSERT INTO things VALUES (1) RETURNING at", Take: func(dialect.Row) error { return nil }})
	})
	if db.Classify(err) != dialect.Unavailable { // as a standby answers
		t.Errorf("a write in a snapshot: %v", err)
	}
	// The connection goes on.
	var n int
	err = db.Look(t.Context(), func(at dialect.Snapshot) error {
		return at.Ask(t.Context(), true, dialect.Query{SQL: "SELECT count(*) FROM things", Take: func(r dialect.Row) error { return r.Scan(&n) }})
	})
	if err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// TestBytesAreOwned holds that SQLite's driver makes the bytes of each row anew, and
// never uses them again: they are taken without a copy.
func TestBytesAreOwned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := dialect.CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db := open(t, "sqlite:"+path)
	exec(t, db.Write, "CREATE TABLE things (at integer PRIMARY KEY, data blob)")
	const rows = 20
	want := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1000*i) }
	for i := range rows {
		if _, err := db.Write.ExecContext(t.Context(), "INSERT INTO things VALUES (?, ?)", i, want(i)); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db.Write, "INSERT INTO things VALUES (1000, NULL)")
	var got [][]byte
	all := dialect.Query{SQL: "SELECT data FROM things ORDER BY at", Take: func(r dialect.Row) error {
		var data []byte
		err := r.Scan(&data)
		got = append(got, data)
		return err
	}}
	for range 2 { // with the same statement, on the same connection
		if err := db.Look(t.Context(), func(at dialect.Snapshot) error { return at.Ask(t.Context(), true, all) }); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 2*(rows+1) || got[rows] != nil {
		t.Fatalf("%d rows, NULL as %v", len(got), got[rows])
	}
	for i, data := range got {
		if n := i % (rows + 1); n < rows && !bytes.Equal(data, want(n)) {
			t.Errorf("row %d has changed since it was read", i)
		}
	}
	for query, want := range map[string]string{"SELECT 'text'": "text", "SELECT 4711": ""} {
		var data []byte
		one := dialect.Query{SQL: query, Take: func(r dialect.Row) error { return r.Scan(&data) }}
		err := db.Look(t.Context(), func(at dialect.Snapshot) error { return at.Ask(t.Context(), true, one) })
		if string(data) != want || (err == nil) != (want != "") {
			t.Errorf("%s came as %q, %v", query, data, err)
		}
	}
}
