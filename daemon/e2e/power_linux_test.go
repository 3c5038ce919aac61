package e2e_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"example.com/nexusctl/daemon/e2e/powerfs"
	"example.com/nexusctl/protocol/client"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/block"
)

// machine is a computer whose power can be cut: a disk, and a kernel that says
// at each boot that it is another one.
type machine struct {
	t    *testing.T
	r    *rand.Rand
	disk *powerfs.Disk
	on   *powerfs.Mount
	root string // where the disk is mounted
	boot string // the file that stands for the kernel's boot id
	addr string
	p    *process

	cuts    int
	damage  powerfs.Damage // of all cuts
	unready int            // cuts before the daemon was ready
	aimed   map[string]int // cuts at a request, by the file that it was for
}

// seed is what a test's choices are drawn from: NEXUS_FUSE_SEED, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := fromEnv(t, "NEXUS_FUSE_SEED", rand.Uint64N(1_000_000))
	t.Logf("NEXUS_FUSE_SEED=%d", seed)
	return seed
}

// newMachine makes a machine whose disk is empty. With NEXUS_FUSE_LIES its disk
// confirms syncs of files whose names match that, and does nothing: a test upon
// it must fail where those syncs matter.
func newMachine(t *testing.T, seed uint64) *machine {
	t.Helper()
	m := &machine{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), disk: powerfs.New(),
		root: t.TempDir(), boot: filepath.Join(t.TempDir(), "boot_id"), addr: freeAddr(t), aimed: map[string]int{},
	}
	if about := os.Getenv("NEXUS_FUSE_LIES"); about != "" {
		m.lie(about)
	}
	if err := m.mount(); err != nil {
		skipWithoutFUSE(t, err)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if m.on != nil {
			m.cutPower()
		}
	})
	return m
}

// skipWithoutFUSE skips where a disk of our own cannot be mounted, or cannot be
// given to a daemon of another boot.
func skipWithoutFUSE(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		t.Skip("power cuts need /dev/fuse and the right to mount: ", err)
	}
}

func (m *machine) lie(about string) {
	m.disk.Lie(func(name string) bool {
		met, err := path.Match(about, name)
		return met && err == nil
	})
}

func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	check(t, err)
	return n
}

func (m *machine) mount() (err error) {
	m.on, err = m.disk.Mount(m.root)
	return err
}

func (m *machine) dataDir() string { return filepath.Join(m.root, "srv", "data") }

// launch starts a daemon, and does not wait for it. It sees a boot id of its
// own, as after a power cut; anything else there would let it trust counters
// that a power cut does not leave alone.
func (m *machine) launch() {
	m.t.Helper()
	check(m.t, os.WriteFile(m.boot, []byte(uuid.NewString()+"\n"), 0o600))
	m.p = &process{t: m.t, addr: m.addr, logs: new(lockedBuffer)}
	const script = `mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"`
	m.p.cmd = exec.Command("/bin/sh", "-c", script, m.boot,
		binary, "daemon", "--listen", m.addr, "--data-dir", m.dataDir(), "--storage", "sqlite:nexus.db",
		"--set", "aggregate.resolution=1s", "--set", "wal.segment_size=1MiB",
		"--set", fmt.Sprintf("ingest.lanes=%d", 1+m.r.IntN(4)),
		"--set", "wal.sync="+[]string{"interval", "always"}[m.r.IntN(2)])
	m.p.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	m.p.cmd.Stderr, m.p.cmd.Stdout = m.p.logs, m.p.logs
	check(m.t, m.p.cmd.Start())
}

// start starts a daemon, waits until it is ready and holds its ledger to the law.
func (m *machine) start() {
	m.t.Helper()
	m.launch()
	m.p.waitReady()
	m.p.ledger()
}

// cutPower kills the daemon and takes the disk away, at one moment: nothing that
// the daemon does after it reaches the disk, and nothing it asks of the disk is
// answered before it is dead.
func (m *machine) cutPower() {
	m.disk.Fail()
	if m.p != nil && m.p.cmd.ProcessState == nil {
		_ = m.p.cmd.Process.Signal(syscall.SIGKILL)
		m.disk.Off()
		_ = m.p.cmd.Wait()
	}
	m.disk.Off()
	if err := m.on.Close(); err != nil {
		m.t.Error(err)
	}
	m.on = nil
}

// outage is a power cut, after which the power is back and no daemon runs.
func (m *machine) outage() {
	m.t.Helper()
	m.cutPower()
	m.cuts++
	if !strings.Contains(m.p.logs.String(), `"msg":"recovered"`) {
		m.unready++
	}
	d := m.disk.Restore(m.r)
	m.damage.Writes += d.Writes
	m.damage.Bytes += d.Bytes
	m.damage.Changes += d.Changes
	m.damage.Harmed += d.Harmed
	check(m.t, m.mount())
}

func (m *machine) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(m.r.Int64N(int64(most-least))))
}

// outages are the ways in which a power cut comes to a machine.
var outages = []struct {
	name string
	come func(*machine)
}{
	{"while it runs", func(m *machine) {
		m.start()
		m.pause(50*time.Millisecond, 1300*time.Millisecond)
	}},
	{"while it starts", func(m *machine) {
		m.launch()
		m.pause(20*time.Millisecond, 300*time.Millisecond)
	}},
	{"while it stops", func(m *machine) {
		m.start()
		m.pause(100*time.Millisecond, 600*time.Millisecond)
		a := m.aim(database, database, folded, segment)
		_ = m.p.cmd.Process.Signal(syscall.SIGTERM)
		a.await(time.Second)
	}},
	{"at a request", func(m *machine) {
		a := m.aim(journal, folded, segment, highwater, anything)
		m.launch()
		a.await(1500 * time.Millisecond)
	}},
	{"while it compacts", func(m *machine) {
		_, dsn := behind(m.dataDir(), "sqlite:nexus.db")
		backdate(m.t, "sqlite3", dsn)
		a := m.aim(chunks, chunks, journal)
		m.launch()
		a.await(1500 * time.Millisecond)
	}},
}

// Files to aim at, as patterns of their names.
const (
	anything  = "*"
	journal   = "nexus.db-wal" // written by each flush
	database  = "nexus.db"     // written by SQLite's checkpoints alone
	chunks    = "chunks-*"
	folded    = "checkpoint-*"
	segment   = "*.seg*"
	highwater = "highwater"
)

// shot is a power cut at a request.
type shot struct {
	m      *machine
	file   string
	sprung <-chan struct{}
}

// aim has the power fail at one of the next requests for one of the files, and
// rather at an early one: some files see two or three in a daemon's life.
func (m *machine) aim(files ...string) shot {
	file := files[m.r.IntN(len(files))]
	return shot{m, file, m.disk.FailAt(file, 1+m.r.IntN(1<<m.r.IntN(8)))}
}

// await waits for the request, and not for ever.
func (s shot) await(most time.Duration) {
	select {
	case <-s.sprung:
		s.m.aimed[s.file]++
	case <-time.After(most):
	}
}

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

// sqliteSums reads what SQLite's files hold of the fleet's counters, by SQL.
func sqliteSums(t *testing.T, dir string) map[string]float64 {
	t.Helper()
	db := whole(t, filepath.Join(dir, "nexus.db"))
	defer db.Close()
	names := map[int64]string{}
	rows(t, db, "SELECT id, key FROM series WHERE name = 'fleet.count'", func(r *sql.Rows) {
		var id int64
		var key []byte
		check(t, r.Scan(&id, &key))
		k, err := series.Parse(key)
		check(t, err)
		names[id] = k.String()
	})
	sums := map[string]float64{}
	add := func(p block.Point) {
		if name, ok := names[p.Series]; ok {
			sums[name] += p.Sum
		}
	}
	rows(t, db, "SELECT data FROM flush_block", func(r *sql.Rows) {
		var data []byte
		check(t, r.Scan(&data))
		points, err := block.DecodeBlock(data, nil)
		check(t, err)
		for _, p := range points {
			add(p)
		}
	})
	eachChunk(t, db, dir, func(id int64, p block.Point) {
		p.Series = id
		add(p)
	})
	return sums
}

// eachChunk reads the chunks that the main file has marked as valid.
func eachChunk(t *testing.T, db *sql.DB, dir string, add func(id int64, p block.Point)) {
	t.Helper()
	type shardHour struct{ shard, hour int64 }
	marked := map[shardHour]int64{}
	rows(t, db, "SELECT shard, hour, gens FROM compaction", func(r *sql.Rows) {
		var k shardHour
		var gens int64
		check(t, r.Scan(&k.shard, &k.hour, &gens))
		marked[k] = gens
	})
	files, err := filepath.Glob(filepath.Join(dir, "chunks-*.db"))
	check(t, err)
	for _, path := range files {
		date := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "chunks-"), ".db")
		day, err := time.Parse(time.DateOnly, date)
		check(t, err)
		chunks := whole(t, path)
		rows(t, chunks, "SELECT key, data FROM chunk", func(r *sql.Rows) {
			var key int64
			var data []byte
			check(t, r.Scan(&key, &data))
			id, gen, hour := key&(1<<40-1), key>>40&(1<<18-1), day.Unix()/3600+key>>58
			if gen >= marked[shardHour{id / block.ShardSize, hour}] {
				return
			}
			points, err := block.DecodeChunk(data, hour*3_600_000, nil)
			check(t, err)
			for _, p := range points {
				add(id, p)
			}
		})
		check(t, chunks.Close())
	}
}

// whole opens a file that SQLite itself finds nothing wrong with.
func whole(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+path)
	check(t, err)
	rows(t, db, "PRAGMA integrity_check", func(r *sql.Rows) {
		var verdict string
		check(t, r.Scan(&verdict))
		if verdict != "ok" {
			t.Errorf("%s: %s", filepath.Base(path), verdict)
		}
	})
	return db
}
