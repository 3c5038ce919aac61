package dialect_test

import (
	"context"
	"database/sql"
	"os"
	"sync"
	"testing"
	"time"

	"example.com/nexusctl/storage/dialect"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

func open(t *testing.T, url string) *dialect.Database {
	t.Helper()
	db, err := dialect.Open(t.Context(), dialect.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// parts is a partitioned table and two daemons' hands on it.
func parts(t *testing.T) (a, b *dialect.Database) {
	t.Helper()
	url := pgtest.DSN(t)
	a, b = open(t, url), open(t, url)
	exec(t, a.Write, "CREATE TABLE things (at bigint NOT NULL, v text, PRIMARY KEY (at)) PARTITION BY RANGE (at)")
	return a, b
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatal(err)
	}
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow("SELECT count(*) FROM pg_inherits WHERE inhparent = 'things'::regclass").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPartitionsSideBySide(t *testing.T) {
	a, b := parts(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			db := []*dialect.Database{a, b}[i%2]
			for n := range int64(4) {
				err := db.Partitions.Ensure(context.Background(), db.Write, "things", n, 10)
				for try := 0; err == nil && try < 5; try++ {
					_, err = db.Write.Exec("INSERT INTO things VALUES ($1, 'x') ON CONFLICT DO NOTHING", n*10+int64(i))
					if db.Classify(err) != dialect.NoPartition {
						break
					}
					err = nil // a server may miss one that others attach just then: a flush is repeated too
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var rows int
	if err := a.Read.QueryRow("SELECT count(*) FROM things").Scan(&rows); err != nil || rows != 32 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if n := count(t, a.Read); n != 4 {
		t.Errorf("%d partitions, want 4", n)
	}
}

func TestDropEmptyPartitions(t *testing.T) {
	a, b := parts(t)
	ctx := t.Context()
	for n := range int64(5) {
		if err := a.Partitions.Ensure(ctx, a.Write, "things", n, 10); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, a.Write, "INSERT INTO things VALUES (10, 'kept'), (45, 'kept')")
	if n, err := a.Partitions.DropEmpty(ctx, a.Write, "things", 4, time.Hour); n != 0 || err != nil {
		t.Errorf("%d partitions were dropped at once, %v: a reader may still be from before they were empty", n, err)
	}
	if n, err := a.Partitions.DropEmpty(ctx, a.Write, "things", 4, 0); n != 3 || err != nil {
		t.Fatalf("dropped %d, %v, want 0, 2 and 3", n, err)
	}
	if n := count(t, a.Read); n != 2 {
		t.Errorf("%d partitions are left, want those with a row", n)
	}

	// The one who dropped it knows; the other finds out by the error.
	if err := b.Partitions.Ensure(ctx, b.Write, "things", 0, 10); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Partitions.DropEmpty(ctx, a.Write, "things", 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := b.Partitions.Ensure(ctx, b.Write, "things", 0, 10); err != nil {
		t.Fatal(err)
	}
	_, err := b.Write.ExecContext(ctx, "INSERT INTO things VALUES (1, 'x')")
	if b.Classify(err) != dialect.NoPartition {
		t.Fatalf("a row without a partition: class %d, %v", b.Classify(err), err)
	}
	b.Partitions.Forget()
	if err := b.Partitions.Ensure(ctx, b.Write, "things", 0, 10); err != nil {
		t.Fatal(err)
	}
	exec(t, b.Write, "INSERT INTO things VALUES (1, 'x')")
}

// TestBusyPartitionStays: dropping waits for nobody.
func TestBusyPartitionStays(t *testing.T) {
	a, b := parts(t)
	ctx := t.Context()
	if err := a.Partitions.Ensure(ctx, a.Write, "things", 0, 10); err != nil {
		t.Fatal(err)
	}
	tx, err := b.Write.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM things").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Partitions.DropEmpty(ctx, a.Write, "things", 1, 0); n != 0 || err != nil {
		t.Errorf("dropped %d, %v, while it was read", n, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Partitions.DropEmpty(ctx, a.Write, "things", 1, 0); n != 1 || err != nil {
		t.Errorf("dropped %d, %v, once nobody read", n, err)
	}
}

// TestPostgresConnections holds what every connection of the pool is set to.
func TestPostgresConnections(t *testing.T) {
	db := open(t, pgtest.DSN(t)+"&synchronous_commit=off&jit=on")
	for name, want := range map[string]string{"synchronous_commit": "on", "jit": "off", "timezone": "UTC", "application_name": "nexusctl"} {
		var got string
		if err := db.Read.QueryRow("SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	var n int
	query := "SELECT count(*) FROM generate_series(1, 5) AS v WHERE v " + db.InInts(1)
	if err := db.Read.QueryRow(query, db.IntsArg([]int64{2, 4, 9})).Scan(&n); err != nil || n != 2 {
		t.Errorf("%d of 5 are in the list, %v", n, err)
	}
	body, args := db.Rows([]dialect.Column{{Values: []int64{1, 2}}, {Values: []string{`{"a":1}`, `{}`}, JSON: true}})
	if err := db.Read.QueryRow("WITH w(i, j) AS ("+body+") SELECT sum(i + coalesce((j->>'a')::int, 0)) FROM w", args...).Scan(&n); err != nil || n != 4 {
		t.Errorf("the batch adds up to %d, %v", n, err)
	}
}

// TestErrorsOfPostgres classifies what the server really says.
func TestErrorsOfPostgres(t *testing.T) {
	db := open(t, pgtest.DSN(t))
	exec(t, db.Write, "CREATE TABLE t (a bigint PRIMARY KEY)")
	for query, want := range map[string]dialect.Class{
		"SELECT * FROM nothing":                         dialect.NoTable,
		"INSERT INTO t VALUES (1), (1)":                 dialect.Refused,
		"INSERT INTO t VALUES (10000000000000000000)":   dialect.Refused,
		"SET statement_timeout = 1; SELECT pg_sleep(5)": dialect.Timeout,
		"SELECT FROM WHERE":                             dialect.Unknown,
		"SELECT pg_terminate_backend(pg_backend_pid())": dialect.Unavailable,
	} {
		_, err := db.Write.Exec(query)
		if got := db.Classify(err); err == nil || got != want {
			t.Errorf("%s: class %d, want %d: %v", query, got, want, err)
		}
	}
}
