package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		url, path string
		ok        bool
	}{
		{"sqlite:nexus.db", "/data/nexus.db", true},
		{"sqlite:sub/nexus.db", "/data/sub/nexus.db", true},
		{"sqlite:/abs/nexus.db", "/abs/nexus.db", true},
		{"sqlite:///abs/nexus.db", "/abs/nexus.db", true},
		{"sqlite://nexus.db", "/data/nexus.db", true},
		{"sqlite:../up.db", "/up.db", true},
		{"postgres://localhost/nexus", "", false},
		{"", "", false},
	} {
		if path, ok := Path(c.url, "/data"); path != c.path || ok != c.ok {
			t.Errorf("Path(%q) = %q, %v, want %q, %v", c.url, path, ok, c.path, c.ok)
		}
	}
}

func TestChunkFile(t *testing.T) {
	for day, want := range map[int64]string{0: "chunks-1970-01-01.db", 19_723: "chunks-2024-01-01.db", 20_416: "chunks-2025-11-24.db"} {
		if got := ChunkFile("/data/nexus.db", "chunks", day); got != "/data/"+want {
			t.Errorf("day %d is in %s, want %s beside the database", day, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, url := range []string{"", "nexus.db", "mysql://localhost/nexus", "SQLITE:nexus.db", "postgres:nexus"} {
		if db, err := Open(t.Context(), Config{URL: url}); !errors.Is(err, ErrURL) {
			t.Errorf("%q opened %v, %v", url, db, err)
		}
	}
}

// TestScrub holds that a password never stays in a message.
func TestScrub(t *testing.T) {
	for _, c := range []struct{ message, secret, want string }{
		{"dial postgres://nexus:hunter22@db:5432/nexus failed", "hunter22", "dial postgres://nexus:xxxxx@db:5432/nexus failed"},
		{"dial postgres://nexus:hunter22@db/nexus failed", "", "dial postgres://nexus:xxxxx@db/nexus failed"},
		{"postgres://nexus:a@b:c@db/nexus", "", "postgres://nexus:xxxxx@db/nexus"},
		{"host=db user=nexus password=hunter22 dbname=nexus", "", "host=db user=nexus password=xxxxx dbname=nexus"},
		{"the server does not take hunter22 from nexus", "hunter22", "the server does not take xxxxx from nexus"},
		{"abc is a short password, and abc a word", "abc", "abc is a short password, and abc a word"},
		{"postgres://nexus:abc@db/nexus", "abc", "postgres://nexus:xxxxx@db/nexus"},
		{"postgres://db:5432/nexus?sslmode=disable", "", "postgres://db:5432/nexus?sslmode=disable"},
		{"nothing to hide", "", "nothing to hide"},
	} {
		if got := scrub(c.message, c.secret); got != c.want {
			t.Errorf("%q less %q is %q, want %q", c.message, c.secret, got, c.want)
		}
	}
}

const secret = "hunter22%secret"

// TestPasswordStaysOut opens Postgres in every way that fails and looks for the
// password in what is said.
func TestPasswordStaysOut(t *testing.T) {
	for name, c := range map[string]Config{
		"a port that is none":      {URL: "postgres://nexus:hunter22%25secret@localhost:none/nexus"},
		"an escape that is none":   {URL: "postgres://nexus:hunter22%secret@localhost/nexus"},
		"a parameter that is none": {URL: "postgres://nexus:hunter22%25secret@localhost/nexus?sslmode=perhaps"},
		"no file of certificates":  {URL: "postgres://nexus@localhost/nexus?password=hunter22%25secret&sslrootcert=/nowhere/root.pem&sslmode=verify-full"},
		"a parameter, and apart":   {URL: "postgres://nexus@localhost/nexus?pool_max_conns=many", Password: secret},
	} {
		db, err := Open(t.Context(), c)
		if err == nil {
			t.Errorf("%s: it opened %s", name, db.Name)
			continue
		}
		if holdsSecret(err) {
			t.Errorf("%s: the error gives the password away: %v", name, err)
		}
	}
}

func holdsSecret(err error) bool {
	return strings.Contains(err.Error(), "hunter22") || strings.Contains(err.Error(), "%secret")
}

// TestPasswordStaysOutOfAnswers has a server that repeats the password in its
// refusal.
func TestPasswordStaysOutOfAnswers(t *testing.T) {
	addr := refusingServer(t, "password "+secret+" is wrong")
	db, err := Open(t.Context(), Config{URL: "postgres://nexus:other@" + addr + "/nexus?sslmode=disable", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Read.PingContext(t.Context())
	if err == nil {
		t.Fatal("the server let it in")
	}
	if said := db.Scrub(err.Error()); strings.Contains(said, secret) || !strings.Contains(said, "xxxxx") {
		t.Errorf("the error says %q", said)
	}
}

// refusingServer speaks just enough of Postgres to turn everybody away.
func refusingServer(t *testing.T, message string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := pgproto3.NewBackend(c, c)
			if _, err := b.ReceiveStartupMessage(); err == nil {
				b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: message})
				_ = b.Flush()
			}
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func TestPostgresUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), Config{URL: "postgres://nexus:hunter22%25secret@" + addr + "/nexus"})
	if err != nil {
		t.Fatal("opening needs no server yet:", err)
	}
	defer db.Close()
	err = db.Read.PingContext(t.Context())
	if db.Classify(err) != Unavailable || holdsSecret(err) {
		t.Errorf("a port where nobody listens: class %d, %v", db.Classify(err), err)
	}
}

// TestPostgresParameters holds what the store relies on against the URL.
func TestPostgresParameters(t *testing.T) {
	p := map[string]string{"synchronous_commit": "off", "timezone": "Europe/Berlin", "application_name": "mine", "statement_timeout": "7"}
	setParameters(p, Config{Timeout: 3 * time.Second})
	for k, want := range map[string]string{"synchronous_commit": "on", "jit": "off", "timezone": "UTC", "application_name": "mine", "statement_timeout": "7"} {
		if p[k] != want {
			t.Errorf("%s is %q, want %q", k, p[k], want)
		}
	}
	p = map[string]string{}
	setParameters(p, Config{Timeout: 1500 * time.Millisecond})
	if p["statement_timeout"] != "1500" || p["application_name"] != "nexusctl" {
		t.Errorf("without a word in the URL: %v", p)
	}
	p = map[string]string{}
	setParameters(p, Config{})
	if _, ok := p["statement_timeout"]; ok {
		t.Error("no timeout was asked for, and one is set")
	}
}

func TestPostgresClasses(t *testing.T) {
	d := newPostgresDialect("")
	pg := func(code, message string) error {
		return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code, Message: message})
	}
	for _, c := range []struct {
		err  error
		want Class
	}{
		{nil, Unknown},
		{errors.New("anything"), Unknown},
		{context.DeadlineExceeded, Timeout},
		{pg("57014", ""), Timeout},
		{pg("57P01", ""), Unavailable},
		{pg("08006", ""), Unavailable},
		{pg("53300", ""), Unavailable},
		{pg("25006", ""), Unavailable},
		{pg("40001", ""), Busy},
		{pg("40P01", ""), Busy},
		{pg("55P03", ""), Busy},
		{pg("23505", ""), Refused},
		{pg("22021", ""), Refused},
		{pg("23514", `no partition of relation "flush_block" found for row`), NoPartition},
		{pg("23514", "check constraint"), Refused},
		{pg("42P01", ""), NoTable},
		{pg("42601", ""), Unknown},
		{pg("X", ""), Unknown},
		{io.ErrUnexpectedEOF, Unavailable},
		{net.ErrClosed, Unavailable},
		{syscall.ECONNREFUSED, Unavailable},
		{sql.ErrConnDone, Unavailable},
		{driver.ErrBadConn, Unavailable},
		{sql.ErrTxDone, Unavailable},
		{errors.New("conn busy"), Unavailable},
		{pg("XX000", ""), Unavailable},
		{errors.New("conn closed"), Unavailable},
		{sql.ErrNoRows, Unknown},
	} {
		if got := d.Classify(c.err); got != c.want {
			t.Errorf("%v is class %d, want %d", c.err, got, c.want)
		}
	}
}

// TestDialects holds the fragments of SQL that differ.
func TestDialects(t *testing.T) {
	lite, pg := newSQLiteDialect(func(error) Class { return Unknown }), newPostgresDialect("")
	if got := lite.Bind("SELECT $1, $12"); got != "SELECT ?1, ?12" {
		t.Errorf("SQLite binds %s", got)
	}
	if got := pg.Bind("SELECT $1, $12"); got != "SELECT $1, $12" {
		t.Errorf("Postgres binds %s", got)
	}
	if got := lite.InInts(3) + fmt.Sprint(lite.IntsArg([]int64{1, -2}), lite.IntsArg(nil)); got != "IN (SELECT value FROM json_each($3))[1,-2][]" {
		t.Errorf("SQLite: %s", got)
	}
	if got := pg.InInts(3) + fmt.Sprint(pg.IntsArg([]int64{1, -2})); got != "= ANY($3::bigint[])[1 -2]" {
		t.Errorf("Postgres: %s", got)
	}
	cols := []Column{
		{Name: "a", Values: []int64{1, 2}}, {Name: "b", Values: []string{"{}", "{}"}, JSON: true}, {Name: "c", Values: []float64{.5, 1}},
		{Name: "d", Values: [][]byte{nil, {1}}}, {Name: "e", Values: []string{"x", "y"}},
	}
	source, args := lite.Rows(cols)
	if source != "VALUES (?,?,?,?,?),(?,?,?,?,?)" || len(args) != 10 || args[5] != int64(2) || args[9] != "y" {
		t.Errorf("SQLite: %s %v", source, args)
	}
	source, args = pg.Rows(cols)
	if source != "SELECT * FROM unnest($1::bigint[], $2::text[]::jsonb[], $3::double precision[], $4::bytea[], $5::text[])" || len(args) != 5 {
		t.Errorf("Postgres: %s %v", source, args)
	}
	if n := lite.MaxRows(5); n*5 > sqliteVariables || n < 1 {
		t.Errorf("SQLite takes %d rows of 5 columns", n)
	}
	if n := lite.MaxRows(1000); n*1000 > sqliteVariables {
		t.Errorf("SQLite takes %d rows of 1000 columns", n)
	}
}

func TestColumns(t *testing.T) {
	for _, c := range []Column{{Values: []int64{1, 2, 3}}, {Values: []float64{1, 2, 3}}, {Values: []string{"1", "2", "3"}}, {Values: [][]byte{{1}, {2}, {3}}}} {
		if c.Len() != 3 || c.Slice(1, 3).Len() != 2 || fmt.Sprint(c.Slice(2, 3).at(0)) != fmt.Sprint(c.at(2)) {
			t.Errorf("%T: %d, %v", c.Values, c.Len(), c.Slice(1, 3))
		}
	}
}

// TestNoPartitions: the methods of a database without them do nothing.
func TestNoPartitions(t *testing.T) {
	var p *Partitions
	p.Forget()
	n, err := p.DropEmpty(t.Context(), nil, "flush_block", 1, 0)
	if err := errors.Join(err, p.Ensure(t.Context(), nil, "flush_block", 1, 1)); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestSQLiteFiles holds the settings of files and connections; the directory
// has every character that a URI would take for its own.
func TestSQLiteFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20e&mode=ro")
	mkdir(t, dir)
	missing := Config{URL: "sqlite:nexus.db", DataDir: dir}
	if _, err := Open(t.Context(), missing); !errors.Is(err, ErrMissing) {
		t.Fatalf("a file that is not there: %v", err)
	}
	missing.Create = true
	db, err := Open(t.Context(), missing)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Name != SQLite || db.Path != filepath.Join(dir, "nexus.db") || db.Partitions != nil {
		t.Errorf("it opened %s at %s", db.Name, db.Path)
	}
	for pool, want := range map[*sql.DB]string{
		db.Write: "16384 wal 2 0 2000", db.Read: "16384 wal 2 1 2000",
	} {
		var got []string
		for _, name := range []string{"page_size", "journal_mode", "synchronous", "query_only", "busy_timeout"} {
			var v string
			if err := pool.QueryRow("PRAGMA " + name).Scan(&v); err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("page size, journal, synchronous, query only, busy timeout: %s, want %s", s, want)
		}
	}
	if _, err := db.Read.Exec("CREATE TABLE x (y)"); err == nil {
		t.Error("a reader can write")
	}
	if err := CreateFile(t.Context(), db.Path); err != nil {
		t.Errorf("a file that is there: %v", err)
	}
	checkMode(t, db.Path)
}

func TestSQLiteRefuses(t *testing.T) {
	for _, url := range []string{"sqlite::memory:", "sqlite:" + t.TempDir() + "/"} {
		if db, err := Open(t.Context(), Config{URL: url, DataDir: t.TempDir(), Create: true}); err == nil {
			t.Errorf("%s opened %s", url, db.Path)
		}
	}
	if _, err := Open(t.Context(), Config{URL: "sqlite:no/such/directory/nexus.db", DataDir: t.TempDir(), Create: true}); err == nil {
		t.Error("a directory that is not there was opened")
	}
}

func TestSQLiteClasses(t *testing.T) {
	db, err := Open(t.Context(), Config{URL: "sqlite:nexus.db", DataDir: t.TempDir(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Write.Exec("CREATE TABLE t (a integer PRIMARY KEY, b text NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]Class{
		"SELECT * FROM absent":                NoTable,
		"INSERT INTO t VALUES (1, NULL)":      Refused,
		"INSERT INTO t VALUES ('word', 'x')":  Refused,
		"SELECT FROM":                         Unknown,
		"INSERT INTO t VALUES (1,'a'),(1,'')": Refused,
	} {
		_, err := db.Write.Exec(query)
		if got := db.Classify(err); err == nil || got != want {
			t.Errorf("%s: class %d, want %d: %v", query, got, want, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := db.Read.ExecContext(ctx, "SELECT 1"); db.Classify(err) != Timeout {
		t.Errorf("out of time: class %d, %v", db.Classify(err), err)
	}
	if slices.Contains([]Class{Unavailable, Busy}, db.Classify(errors.New("other"))) {
		t.Error("an error of no database has a class")
	}
}
