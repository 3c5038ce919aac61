package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/storage/storagetest/pgtest"
)

// backdate makes the stored blocks two hours older than they are, so that the
// next start compacts them. It returns how many there are.
func backdate(t *testing.T, driver, dsn string) (blocks int) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	check(t, err)
	defer db.Close()
	const back = 2
	hours := map[int64]bool{}
	rows(t, db, "SELECT arrival_hour, COUNT(*) FROM flush_block GROUP BY arrival_hour", func(r *sql.Rows) {
		var hour int64
		var n int
		check(t, r.Scan(&hour, &n))
		hours[hour-back] = true
		blocks += n
	})
	for hour := range hours {
		if driver == "pgx" {
			_, err := db.ExecContext(t.Context(), fmt.Sprintf(
				"CREATE TABLE IF NOT EXISTS flush_block_%d PARTITION OF flush_block FOR VALUES FROM (%d) TO (%d)", hour, hour, hour+1))
			check(t, err)
		}
	}
	_, err = db.ExecContext(t.Context(), fmt.Sprintf("UPDATE flush_block SET arrival_hour = arrival_hour - %d", back))
	check(t, err)
	return blocks
}

// old returns how many blocks still wait for their compaction.
func old(t *testing.T, driver, dsn string) (blocks int) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	check(t, err)
	defer db.Close()
	check(t, db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT COUNT(*) FROM flush_block WHERE arrival_hour < %d", time.Now().Unix()/3600-1)).Scan(&blocks))
	return blocks
}

// behind returns how a test reaches a daemon's store behind its back.
func behind(dir, storage string) (driver, dsn string) {
	if strings.HasPrefix(storage, "sqlite:") {
		return "sqlite3", "file:" + filepath.Join(dir, "nexus.db") + "?_busy_timeout=5000&_txlock=immediate"
	}
	return "pgx", storage
}

// TestKilledInCompaction kills the daemon while it makes chunks of blocks, and
// producers send: every point is in exactly one of the two afterwards.
func TestKilledInCompaction(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take seconds each")
	}
	t.Parallel()
	eachStore(t, func(t *testing.T, storage string) {
		dir, addr := t.TempDir(), freeAddr(t)
		driver, dsn := behind(dir, storage)
		p := startAt(t, addr, dir, storage, swift...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		f := &fleet{t: t, lines: 6000, parts: 6000, every: 300 * time.Millisecond}
		f.launch(ctx, addr)
		n, midway := count(t, 3), 0
		for range n {
			time.Sleep(1500 * time.Millisecond)
			p.kill()
			blocks := backdate(t, driver, dsn)
			p = startAt(t, addr, dir, storage, swift...)
			moment(400 * time.Millisecond)
			p.kill()
			if left := old(t, driver, dsn); left > 0 && left < blocks {
				midway++
			}
			p = startAt(t, addr, dir, storage, swift...)
		}
		values, sums := f.end(ctx)
		l := p.drained(time.Minute)
		if l.Stored != values || l.Received != values+l.Shed["crash"] {
			t.Errorf("the ledger has %+v, the producers sent %d values", l, values)
		}
		if driver == "pgx" {
			sameSums(t, postgresSums(t, dsn), sums)
		}
		p.answers(sums)
		t.Logf("%d kills, %d of them with a compaction half done; %d values stored once", n, midway, l.Stored)
		p.stop()
	})
}

// spawn starts a daemon and does not wait for it.
func spawn(t *testing.T, addr, dir, storage string) *process {
	t.Helper()
	p := &process{t: t, addr: addr, logs: new(lockedBuffer)}
	p.cmd = exec.Command(binary, append([]string{"daemon", "--listen", addr, "--data-dir", dir, "--storage", storage}, swift...)...)
	p.cmd.Stderr, p.cmd.Stdout = p.logs, p.logs
	check(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

// TestKilledInRecovery kills the daemon while it stores what a store that was
// away has missed: each generation is stored once.
func TestKilledInRecovery(t *testing.T) {
	if testing.Short() {
		t.Skip("kills take seconds each")
	}
	t.Parallel()
	s := pgtest.Own(t)
	x := newProxy(t, s.Addr())
	dir, addr, storage := t.TempDir(), freeAddr(t), s.DSN(x.addr())
	p := startAt(t, addr, dir, storage, swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 1000, parts: 1000, every: 50 * time.Millisecond, variety: 100}
	f.launch(ctx, addr)
	n, midway := count(t, 3), 0
	for range n {
		x.set(true)
		time.Sleep(3 * time.Second) // generations that only the log has
		p.kill()
		x.set(false)
		p = spawn(t, addr, dir, storage)
		moment(300 * time.Millisecond)
		p.kill()
		if !strings.Contains(p.logs.String(), `"msg":"recovered"`) {
			midway++
		}
		p = startAt(t, addr, dir, storage, swift...)
	}
	values, sums := f.end(ctx)
	p.stored(time.Minute, s.DSN(s.Addr()), values, sums)
	t.Logf("%d kills, %d of them before recovery was over", n, midway)
	p.stop()
}
