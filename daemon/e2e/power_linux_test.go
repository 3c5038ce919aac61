package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
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
// doubled. Postgres is on another machine, whose power stays. NEXUS_FUSE_CUTS
// says how often.
func TestPowerCuts(t *testing.T) {
	if testing.Short() {
		t.Skip("power cuts take seconds each")
	}
	t.Parallel()
	eachStore(t, func(t *testing.T, storage string) {
		m := newMachine(t, storage, seed(t))
		m.start()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
		defer cancel()
		f := &fleet{t: t, lines: 6, every: 15 * time.Millisecond, variety: 1, extra: depth}
		f.launch(ctx, m.addr)
		poster := post(ctx, t, m.addr)
		began, first := time.Now(), m.r.IntN(len(outages))
		for i := range int(fromEnv(t, "NEXUS_FUSE_CUTS", 3)) {
			m.undergo(outages[(first+i)%len(outages)])
		}
		m.start()
		m.settle(ctx, f, poster)
		t.Logf("%d power cuts in %v, %d of them before the daemon had recovered, at requests for %v; %d writes of %d bytes and %d names were unsynced, %d files harmed",
			m.cuts, time.Since(began).Round(time.Second), m.unready, m.aimed, m.damage.Writes, m.damage.Bytes, m.damage.Changes, m.damage.Harmed)
	})
}

// depth is what each batch has besides: a gauge that it raises, and a line that
// is rejected.
func depth(producer, _ int) []byte {
	return fmt.Appendf(nil, "fleet.depth:+1|g|#p:%d\nfleet.bad:x|c\n", producer)
}

// undergo is one power cut.
func (m *machine) undergo(o outage) {
	m.t.Helper()
	before := m.damage
	o.come(m)
	m.cut()
	m.t.Logf("cut %d, %s: %d writes and %d names were not synced, %d files harmed", m.cuts, o.name,
		m.damage.Writes-before.Writes, m.damage.Changes-before.Changes, m.damage.Harmed-before.Harmed)
	if m.t.Failed() {
		m.t.Fatalf("the daemon said last:\n%s", m.p.logs)
	}
}

// settle holds the ledger, the gauges and SQL to the senders' accounts.
func (m *machine) settle(ctx context.Context, f *fleet, poster *poster) {
	t := m.t
	t.Helper()
	posts := poster.end()
	values, sums := f.end(ctx)
	batches, resent := 0, uint64(0)
	for _, p := range f.members {
		batches += p.batches
		resent += p.session.Stats().Resent
	}
	for i := range posts {
		sums[fmt.Sprintf("fleet.count{p=\"poster\",post=\"%d\"}", i)] = postedValue
	}
	values += uint64(posts + batches)
	l := m.p.drained(time.Minute)
	if l.Stored != values || l.Received != values+uint64(batches) || l.Rejected["number"] != uint64(batches) || l.Lost+l.Dead > 0 {
		t.Errorf("the ledger has %+v, the senders sent %d values and %d bad lines", l, values, batches)
	}
	depths := m.p.lasts("fleet.depth", "p")
	for _, p := range f.members {
		if got := depths[fmt.Sprint(p.id)]; int(got) != p.batches {
			t.Errorf("producer %d sent %d batches, its gauge says %.0f", p.id, p.batches, got)
		}
	}
	m.p.stop()
	sameSums(t, m.sums(), sums)
	t.Logf("%d values in %d batches and %d posts were acknowledged, %d batches and %d posts sent again; by SQL 0 are lost and 0 doubled, by the ledger too",
		values, batches, posts, resent, poster.again)
}

// sums reads what SQL has.
func (m *machine) sums() map[string]float64 {
	m.t.Helper()
	if driver, dsn := behind(m.dataDir(), m.storage); driver == "pgx" {
		return postgresSums(m.t, dsn)
	}
	dir := m.t.TempDir()
	check(m.t, m.disk.Export(dir))
	return sqliteSums(m.t, filepath.Join(dir, "srv", "data"))
}

// poster posts one value after the other, each under a key of its own and until
// it is answered for.
type poster struct {
	t     *testing.T
	url   string
	posts int
	again int
	stop  chan struct{}
	done  chan struct{}
}

const postedValue = 7

func post(ctx context.Context, t *testing.T, addr string) *poster {
	p := &poster{t: t, url: "http://" + addr + "/api/v1/metrics", stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for {
			select {
			case <-p.stop:
				return
			case <-time.After(25 * time.Millisecond):
			}
			for !p.taken(ctx) {
				p.again++
				time.Sleep(20 * time.Millisecond)
			}
			p.posts++
		}
	}()
	return p
}

// taken tries to post the value that is next.
func (p *poster) taken(ctx context.Context) bool {
	if ctx.Err() != nil {
		p.t.Error("a post was never answered")
		return true
	}
	body := fmt.Sprintf(`{"name":"fleet.count","value":%d,"type":"counter","tags":{"p":"poster","post":"%d"}}`, postedValue, p.posts)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return true
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("post-%d", p.posts))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusAccepted
}

// end returns how many values were posted.
func (p *poster) end() int {
	close(p.stop)
	<-p.done
	return p.posts
}

// TestPowerCutsAtFirstStart cuts the power at any request of a daemon's very
// first start: the next one comes up, with the pages that the store wants, and
// keeps what it takes.
func TestPowerCutsAtFirstStart(t *testing.T) {
	if testing.Short() {
		t.Skip("power cuts take seconds each")
	}
	t.Parallel()
	first := seed(t)
	for i := range fromEnv(t, "NEXUS_FUSE_CUTS", 3) {
		m := newMachine(t, "sqlite:nexus.db", first+i)
		a := m.aim(anything)
		m.launch()
		a.await(400 * time.Millisecond)
		m.cut()
		m.start()
		m.p.sendLines([]byte("first:1|c\n"))
		if l := m.p.drained(time.Minute); l.Stored != 1 {
			t.Errorf("%+v", l)
		}
		m.cut()
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
		m := newMachine(t, "sqlite:nexus.db", first+i)
		m.lie(segment)
		m.start()
		acked := m.acknowledge(100)
		m.cut()
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
