package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // driver sqlite3

	"example.com/nexusctl/daemon/deadletter"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// execSQL runs statements on a store behind the daemon's back.
func execSQL(t *testing.T, driver, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	check(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		check(t, err)
	}
}

// letters returns the units of the dead letters that wait.
func letters(t *testing.T, dir string) (units uint64, n int) {
	t.Helper()
	list, err := deadletter.List(dir)
	check(t, err)
	for _, w := range list {
		check(t, w.Err)
		units += w.Letter.Units
	}
	return units, len(list)
}

// randomText compresses to nothing.
func randomText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[rand.N(64)]
	}
	return string(b)
}

// TestDeadLetters has Postgres refuse series whose keys are long, by a rule that
// somebody added, while the daemon is killed again and again. Every unit of theirs is in
// one dead letter, counted once; mended and replayed, everything is stored.
func TestDeadLetters(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take seconds each")
	}
	t.Parallel()
	dsn, dir, addr := pgtest.DSN(t), t.TempDir(), freeAddr(t)
	long := []string{randomText(2000), randomText(2000), randomText(1900)}
	p := startAt(t, addr, dir, dsn, swift...)
	p.tell()
	execSQL(t, "pgx", dsn, "ALTER TABLE series ADD CONSTRAINT odd CHECK (length(key) < 4000)")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 50, every: 10 * time.Millisecond, variety: 100, extra: func(producer, batch int) []byte {
		return fmt.Appendf(nil, "odd.count:1|c|#a:%s,b:%s,c:%s,p:%d\n", long[0], long[1], long[2], producer)
	}}
	f.launch(ctx, addr)
	n := count(t, 4)
	for range n {
		moment(2500 * time.Millisecond)
		p.kill()
		p = startAt(t, addr, dir, dsn, swift...)
		p.tell()
	}
	time.Sleep(1500 * time.Millisecond)
	values, sums := f.end(ctx)
	odd := uint64(0)
	for _, m := range f.members {
		odd += uint64(m.batches)
	}
	l := p.drained(time.Minute)
	units, files := letters(t, dir)
	if l.Dead != odd || units != odd || l.Stored != values {
		t.Errorf("%d units are odd of %d; the letters hold %d, the ledger has %+v", odd, odd+values, units, l)
	}
	sameSums(t, postgresSums(t, dsn), sums)
	t.Logf("%d kills: %d values stored, %d units in %d dead letters", n, l.Stored, units, files)

	admin := client.NewAdmin(dir)
	s, err := admin.ReplayDeadLetters(ctx, nil)
	if err != nil || s.Letters != files || s.Units != odd || s.Refused != odd {
		t.Errorf("replayed into a store that is as it was: %+v, %v", s, err)
	}
	if units, n := letters(t, dir); units != odd || n != 1 {
		t.Errorf("%d units in %d letters", units, n)
	}
	execSQL(t, "pgx", dsn, "ALTER TABLE series DROP CONSTRAINT odd")
	if s, err = admin.ReplayDeadLetters(ctx, nil); err != nil || s.Units != odd || s.Refused != 0 {
		t.Errorf("replayed into a mended store: %+v, %v", s, err)
	}
	check(t, p.cmd.Process.Kill()) // what is settled stays settled
	_ = p.cmd.Wait()
	p = startAt(t, addr, dir, dsn, swift...)
	p.tell()
	if l = p.drained(time.Minute); l.Dead != 0 || l.Stored != values+odd {
		t.Errorf("the ledger has %+v, want %d stored", l, values+odd)
	}
	got := p.sumOf("odd.count", "p")
	for _, m := range f.members {
		if got[fmt.Sprint(m.id)] != float64(m.batches) {
			t.Errorf("producer %d: %v, want %d", m.id, got, m.batches)
		}
	}
	p.stop()
}

// TestDeadLettersAreDropped has SQLite refuse every block for a while, and
// gives up what it refused, the daemon's own signals among it, which no term
// counts.
func TestDeadLettersAreDropped(t *testing.T) {
	dir, addr := t.TempDir(), freeAddr(t)
	p := startAt(t, addr, dir, "sqlite:nexus.db", swift...)
	p.tell()
	p.sendAll([]byte("fine:1|c\nfine:2|c\n"))
	p.drained(10 * time.Second)
	sqliteExec(t, dir, "CREATE TRIGGER odd BEFORE INSERT ON flush_block BEGIN SELECT RAISE(ABORT, 'nothing today'); END")
	p.sendAll([]byte("fine:4|c\nother:8|c\n"))
	if l := p.drained(10 * time.Second); l.Dead != 2 || l.Stored != 2 {
		t.Errorf("%+v", l)
	}
	if codes := p.readiness(); len(codes) > 0 {
		t.Errorf("dead letters make the daemon unready: %v", codes)
	}
	sqliteExec(t, dir, "DROP TRIGGER odd")
	units, n := letters(t, dir)
	list, err := deadletter.List(dir)
	check(t, err)
	if units != 2 || n < 1 || !strings.Contains(list[0].Letter.Reason, "nothing today") {
		t.Errorf("%d units in %d letters: %+v", units, n, list)
	}
	p.kill()
	p = startAt(t, addr, dir, "sqlite:nexus.db", swift...)
	p.tell()
	s, err := client.NewAdmin(dir).DropDeadLetters(t.Context(), nil)
	if err != nil || s.Letters < n || s.Units != 2 || s.Refused != 0 {
		t.Errorf("dropped: %+v, %v", s, err)
	}
	l := p.drained(10 * time.Second)
	if l.Dead != 0 || l.Shed["dropped"] != 2 || l.Stored != 2 {
		t.Errorf("%+v", l)
	}
	if _, n := letters(t, dir); n != 0 {
		t.Errorf("%d letters are left", n)
	}
	p.stop()
}

// sqliteExec runs a statement on the SQLite store beside the daemon.
func sqliteExec(t *testing.T, dir, statement string) {
	t.Helper()
	execSQL(t, "sqlite3", "file:"+filepath.Join(dir, "nexus.db")+"?_busy_timeout=5000", statement)
}
