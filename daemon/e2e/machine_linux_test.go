package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

	storage string

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
func newMachine(t *testing.T, storage string, seed uint64) *machine {
	t.Helper()
	m := &machine{
		t: t, r: rand.New(rand.NewPCG(seed, 0)), disk: powerfs.New(), storage: storage,
		root: t.TempDir(), boot: filepath.Join(t.TempDir(), "boot_id"), addr: freeAddr(t), aimed: map[string]int{},
	}
	if about := os.Getenv("NEXUS_FUSE_LIES"); about != "" {
		m.lie(about)
	}
	err := m.mount()
	if errors.Is(err, powerfs.ErrUnavailable) {
		t.Skip("power cannot be cut: ", err)
	}
	check(t, err)
	t.Cleanup(func() {
		if m.on != nil {
			m.cutPower()
		}
	})
	return m
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
		binary, "daemon", "--listen", m.addr, "--data-dir", m.dataDir(), "--storage", m.storage,
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

// cut is a power cut, after which the power is back and no daemon runs.
func (m *machine) cut() {
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

// outage is a way in which a power cut comes to a machine.
type outage struct {
	name string
	come func(*machine)
}

var outages = []outage{
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
		driver, dsn := behind(m.dataDir(), m.storage)
		backdate(m.t, driver, dsn)
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
