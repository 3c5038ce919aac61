package e2e_test

import (
	"context"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/protocol/api"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

// swift makes a generation a second, so that a test sees many flushes.
var swift = []string{"--set", "aggregate.resolution=1s", "--set", "ingest.lanes=3"}

// stored holds the store and the ledger to what the producers sent: nothing is
// lost and nothing counts twice. What a kill cost was not acknowledged, and was
// sent again.
func (p *process) stored(within time.Duration, dsn string, values uint64, sums map[string]float64) api.Ledger {
	p.t.Helper()
	l := p.drained(within)
	if l.Stored != values || l.Received != values+l.Shed["crash"] {
		p.t.Errorf("the ledger has %+v, the producers sent %d values", l, values)
	}
	total := sameSums(p.t, postgresSums(p.t, dsn), sums)
	p.t.Logf("%d values in %d series, adding up to %.0f, were sent; by SQL and by the ledger none is lost and none doubled", values, len(sums), total)
	return l
}

// readiness returns the codes of what the daemon lacks.
func (p *process) readiness() (codes []string) {
	p.t.Helper()
	res, err := http.Get(p.url("/ready"))
	check(p.t, err)
	defer res.Body.Close()
	var s api.Status
	check(p.t, json.NewDecoder(res.Body).Decode(&s))
	for _, r := range s.Reasons {
		codes = append(codes, r.Code)
	}
	if (res.StatusCode == http.StatusOK) != (len(codes) == 0) {
		p.t.Errorf("ready answers %s with %v", res.Status, codes)
	}
	return codes
}

// TestStoreStops stops Postgres as a crash does, again and again, while
// producers send.
func TestStoreStops(t *testing.T) {
	if testing.Short() {
		t.Skip("a server starts and stops")
	}
	t.Parallel()
	s := pgtest.Own(t)
	dsn := s.DSN(s.Addr())
	p := start(t, t.TempDir(), dsn, swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 200, every: 10 * time.Millisecond, variety: 300}
	f.launch(ctx, p.addr)
	n := count(t, 3)
	for cycle := range n {
		time.Sleep(time.Duration(300+cycle*431%1300) * time.Millisecond)
		s.Stop("immediate")
		time.Sleep(time.Duration(cycle*617%2500) * time.Millisecond)
		s.Start()
	}
	time.Sleep(time.Second)
	values, sums := f.end(ctx)
	p.stored(time.Minute, dsn, values, sums)
	t.Logf("%d immediate stops, the breaker opened %.0f times", n, p.metric("nexus_store_breaker_openings_total"))
	if codes := p.readiness(); len(codes) > 0 {
		t.Errorf("not ready: %v", codes)
	}
	p.stop()
}

// TestCommitsWithoutAnswer loses the answer to the commit of a flush, again and
// again: the daemon cannot know whether it is stored, and asks the store.
func TestCommitsWithoutAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("a server starts and stops")
	}
	t.Parallel()
	s := pgtest.Own(t)
	x := newProxy(t, s.Addr())
	p := start(t, t.TempDir(), s.DSN(x.addr()), swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 200, every: 10 * time.Millisecond, variety: 300}
	f.launch(ctx, p.addr)
	n := int64(count(t, 5))
	for i := range n {
		x.cut.Store(1)
		p.within(30*time.Second, "a lost answer", func() bool { return x.lost.Load() > i })
	}
	values, sums := f.end(ctx)
	p.stored(time.Minute, s.DSN(s.Addr()), values, sums)
	t.Logf("%d answers to commits were lost", x.lost.Load())
	p.stop()
}

// TestStoreAway takes the store away under load. The log keeps what arrives,
// memory does not grow with it, and all of it is stored once the store is back.
// NEXUS_SOAK=5m makes it that long, at 500,000 lines a second.
func TestStoreAway(t *testing.T) {
	if testing.Short() {
		t.Skip("a server starts and stops")
	}
	t.Parallel()
	away, rate := 10*time.Second, 50_000
	if soak := os.Getenv("NEXUS_SOAK"); soak != "" {
		d, err := time.ParseDuration(soak)
		check(t, err)
		away, rate = d, 500_000
	}
	s := pgtest.Own(t)
	p := start(t, t.TempDir(), s.DSN(s.Addr()), swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 3*away+10*time.Minute)
	defer cancel()
	const lines = 5000
	f := &fleet{t: t, lines: lines, every: time.Duration(float64(fleetSize*lines) / float64(rate) * float64(time.Second))}
	f.launch(ctx, p.addr)
	began := time.Now()
	time.Sleep(max(5*time.Second, away/10))
	before := p.resident()
	s.Stop("immediate")
	p.within(30*time.Second, "the daemon's word", func() bool { return slices.Equal(p.readiness(), []string{"store_away"}) })
	most := 0
	for gone := time.Now(); time.Since(gone) < away; time.Sleep(away / 50) {
		most = max(most, p.resident())
	}
	spool, age := p.metric("nexus_log_spool_bytes"), p.metric("nexus_log_spool_age_seconds")
	if spool < 1<<20 || age < away.Seconds()/2 || p.metric(`nexus_store_breaker_state{state="closed"}`) != 0 {
		t.Errorf("the log is %.0f bytes and %.0f s ahead of the store", spool, age)
	}
	s.Start()
	back := time.Now()
	p.within(30*time.Second, "the daemon's readiness", func() bool { return len(p.readiness()) == 0 })
	for p.metric("nexus_generations_waiting") > 1 {
		most = max(most, p.resident())
		time.Sleep(100 * time.Millisecond)
	}
	caught := time.Since(back)
	values, sums := f.end(ctx)
	took := time.Since(began)
	p.stored(time.Minute, s.DSN(s.Addr()), values, sums)
	after := p.resident()
	t.Logf("away %v at %.0f lines/s: spool %.0f MiB, %.0f s old; stored %v after the return, under load; resident %d MiB before, %d at most, %d after",
		away, float64(values)/took.Seconds(), spool/(1<<20), age, caught.Round(time.Second/10), before, most, after)
	if most > before+192 {
		t.Errorf("resident memory grew from %d to %d MiB", before, most)
	}
	p.stop()
}

// TestStoreFailsOver sets the server back to an earlier state under a running
// daemon, as a failover to a standby that lags does. What is missing is stored
// again from the log; series that the earlier state lacks get new ids.
func TestStoreFailsOver(t *testing.T) {
	if testing.Short() {
		t.Skip("a server starts and stops")
	}
	t.Parallel()
	s := pgtest.Own(t)
	dsn := s.DSN(s.Addr())
	p := start(t, t.TempDir(), dsn, swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 200, every: 10 * time.Millisecond, variety: 60}
	f.launch(ctx, p.addr)
	n := count(t, 2)
	for i := range n {
		time.Sleep(1500 * time.Millisecond)
		s.Stop("fast")
		s.Save()
		s.Start()
		later := p.metric("nexus_flushes_total") + 2
		p.within(30*time.Second, "two flushes", func() bool { return p.metric("nexus_flushes_total") >= later })
		s.Stop("immediate")
		s.Restore()
		s.Start()
		p.within(30*time.Second, "the failover", func() bool { return strings.Count(p.logs.String(), "at an older position") > i })
		p.within(30*time.Second, "the daemon's readiness", func() bool { return len(p.readiness()) == 0 })
	}
	values, sums := f.end(ctx)
	p.stored(time.Minute, dsn, values, sums)
	p.answers(sums)
	t.Logf("%d failovers to an earlier state", n)
	p.stop()
}

// byProducer adds series' sums up.
func byProducer(sums map[string]float64) map[string]float64 {
	m := map[string]float64{}
	for key, v := range sums {
		_, rest, _ := strings.Cut(key, `p="`)
		id, _, _ := strings.Cut(rest, `"`)
		m[id] += v
	}
	return m
}

// answers holds the daemon's own answers to what the producers sent.
func (p *process) answers(sums map[string]float64) {
	p.t.Helper()
	if got, want := p.sumOf("fleet.count", "p"), byProducer(sums); !maps.Equal(got, want) {
		p.t.Errorf("the daemon answers %v, want %v", got, want)
	}
}

// TestSQLiteSetBack puts a copy of the database that was taken earlier in the
// place of the newer one.
func TestSQLiteSetBack(t *testing.T) {
	if testing.Short() {
		t.Skip("a kill and three starts take seconds")
	}
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	p := startAt(t, addr, dir, "sqlite:nexus.db", swift...)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	f := &fleet{t: t, lines: 200, every: 10 * time.Millisecond, variety: 60}
	f.launch(ctx, addr)
	time.Sleep(1500 * time.Millisecond)
	p.stop()
	copied := copyFiles(t, dir, "nexus.db*")
	p = startAt(t, addr, dir, "sqlite:nexus.db", swift...)
	time.Sleep(3 * time.Second)
	p.kill()
	putBack(t, dir, "nexus.db*", copied)
	p = startAt(t, addr, dir, "sqlite:nexus.db", swift...)
	values, sums := f.end(ctx)
	l := p.drained(time.Minute)
	if l.Stored != values || l.Received != values+l.Shed["crash"] {
		t.Errorf("the ledger has %+v, the producers sent %d values", l, values)
	}
	p.answers(sums)
	p.stop()
}

func copyFiles(t *testing.T, dir, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	check(t, err)
	files := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		check(t, err)
		files[path] = b
	}
	return files
}

func putBack(t *testing.T, dir, pattern string, files map[string][]byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	check(t, err)
	for _, path := range paths {
		check(t, os.Remove(path))
	}
	for path, b := range files {
		check(t, os.WriteFile(path, b, 0o600))
	}
}

// within is until with a bound of its own.
func (p *process) within(most time.Duration, what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(most); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is not seen in time; the daemon says:\n%s", what, p.logs)
		}
	}
}

// moment is a pause of random length, so that kills come at every step.
func moment(most time.Duration) { time.Sleep(rand.N(most)) }
