package e2e_test

import (
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/nexusctl/protocol/client"
)

// TestPowerCuts cuts the power of a machine on which producers send
// acknowledged batches, again and again, at moments of every kind. What was
// acknowledged is in SQL once, by the producers' own accounts: each line is a
// series of its own, so a value that is lost cannot hide behind one that is
// doubled. NEXUS_FUSE_CUTS says how often.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("power cuts take seconds each")
	}
	m := newMachine(t, seed(t))
	m.start()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 6, every: 15 * time.Millisecond, variety: 1}
	f.launch(ctx, m.addr)
	time.Sleep(300 * time.Millisecond)
	m.outage()
	began, first := time.Now(), m.r.IntN(len(outages))
	for i := range int(fromEnv(t, "NEXUS_FUSE_CUTS", 3)) - 1 {
		o := outages[(first+i)%len(outages)]
		o.come(m)
		before := m.damage
		m.outage()
		t.Logf("cut %d, %s: %d writes and %d names were not synced, %d files harmed", m.cuts, o.name,
			m.damage.Writes-before.Writes, m.damage.Changes-before.Changes, m.damage.Harmed-before.Harmed)
		if t.Failed() {
			t.Fatalf("the daemon said last:\n%s", m.p.logs)
		}
	}
	m.start()
	values, sums := f.end(ctx)
	m.settle(f, values, sums)
	t.Logf("%d power cuts in %v, %d of them before the daemon had recovered, at requests for %v; %d writes of %d bytes and %d names were unsynced, %d files harmed",
		m.cuts, time.Since(began).Round(time.Second), m.unready, m.aimed, m.damage.Writes, m.damage.Bytes, m.damage.Changes, m.damage.Harmed)
}

// TestPowerCutsAtFirstStart cuts the power at any request of a daemon's very
// first start: the next one comes up, with the pages that the store wants, and
// keeps what it takes.
func TestPowerCutsAtFirstStart(t *testing.T) {
	if testing.Short() {
		t.Skip("power cuts take seconds each")
	}
	first := seed(t)
	for i := range fromEnv(t, "NEXUS_FUSE_CUTS", 3) {
		m := newMachine(t, first+i)
		a := m.aim(anything)
		m.launch()
		a.await(400 * time.Millisecond)
		m.outage()
		m.start()
		m.p.sendLines([]byte("first:1|c\n"))
		if l := m.p.drained(time.Minute); l.Stored != 1 {
			t.Errorf("%+v", l)
		}
		m.outage()
		m.start()
		if l := m.p.ledger(); l.Stored != 1 {
			t.Errorf("after another cut: %+v", l)
		}
		m.p.stop()
		dir := t.TempDir()
		check(t, m.disk.Export(dir))
		db := whole(t, filepath.Join(dir, "srv", "data", "nexus.db"))
		rows(t, db, "PRAGMA page_size", func(r *sql.Rows) {
			var size int
			check(t, r.Scan(&size))
			if size != 16<<10 {
				t.Errorf("pages of %d bytes", size)
			}
		})
		check(t, db.Close())
		m.cutPower()
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestLyingDisk is the proof that the others can fail: where the disk lies about
// the log's syncs, what was acknowledged is found missing.
func TestLyingDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("power cuts take seconds each")
	}
	const tries = 20
	first := seed(t)
	for i := range uint64(tries) {
		m := newMachine(t, first+i)
		m.lie(segment)
		m.start()
		acked := m.acknowledge(100)
		m.outage()
		m.launch()
		if left, up := m.left(); !up || left < acked {
			t.Logf("after %d cuts: %d units of %d are left, the daemon is up: %t", i+1, left, acked, up)
			return
		}
	}
	t.Errorf("%d cuts on disks that lie, and nothing is missing", tries)
}

// acknowledge has values acknowledged, and returns how many.
func (m *machine) acknowledge(n int) uint64 {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	s, err := client.OpenSession(ctx, client.SessionOptions{Addr: m.addr, Producer: "p-" + uuid.NewString(), Epoch: 1})
	check(m.t, err)
	for range n {
		check(m.t, s.Send(ctx, []byte("acked:1|c\n")))
	}
	check(m.t, s.Close(ctx))
	return s.Stats().Accepted
}

// left returns what the ledger has, unless the daemon refuses to start on what
// it finds.
func (m *machine) left() (units uint64, up bool) {
	m.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if strings.Contains(m.p.logs.String(), "nexusctl: ") {
			return 0, false
		}
		if res, err := http.Get(m.p.url("/ready")); err == nil {
			check(m.t, res.Body.Close())
			return m.p.ledger().Received, true
		}
	}
	m.t.Fatalf("neither up nor down:\n%s", m.p.logs)
	return 0, false
}

// settle holds the ledger and SQL to the producers' accounts.
func (m *machine) settle(f *fleet, values uint64, sums map[string]float64) {
	t := m.t
	l := m.p.drained(time.Minute)
	if l.Stored != values || l.Received != values || l.Lost+l.Dead > 0 {
		t.Errorf("the ledger has %+v, the producers sent %d values", l, values)
	}
	m.p.stop()
	batches, resent := 0, uint64(0)
	for _, p := range f.members {
		batches += p.batches
		resent += p.session.Stats().Resent
	}
	dir := t.TempDir()
	check(t, m.disk.Export(dir))
	dir = filepath.Join(dir, "srv", "data")
	sameSums(t, sqliteSums(t, dir), sums)
	t.Logf("%d values in %d batches were acknowledged, %d batches sent again; by SQL 0 are lost and 0 doubled, by the ledger too", values, batches, resent)
}
