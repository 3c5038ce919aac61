package torture

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"example.com/nexusctl/daemon/wal"
)

func testDisk(t *testing.T, seed uint64) (*faultyDisk, func(name string) wal.File) {
	t.Helper()
	d := newFaultyDisk(rand.New(rand.NewPCG(seed, 1)))
	return d, func(name string) wal.File {
		t.Helper()
		f, err := d.Open(name, true)
		must(t, err)
		return f
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDiskKeepsWhatIsSynced, and nothing else for certain: over many cuts,
// unsynced sectors are there, are gone, and are there in part; of two writes
// of one sector the older is sometimes what is left.
func TestDiskKeepsWhatIsSynced(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(300) {
		d, open := testDisk(t, seed)
		f := open("log/a")
		_, err := f.WriteAt(bytes.Repeat([]byte{'s'}, 4*sectorSize), 0)
		must(t, err)
		must(t, f.Sync())
		must(t, d.SyncDir("log"))
		for _, c := range []byte("12") {
			_, err = f.WriteAt(bytes.Repeat([]byte{c}, 3*sectorSize), sectorSize)
			must(t, err)
		}
		open("log/b")
		d.cut()
		if _, err := f.WriteAt([]byte{1}, 0); err == nil {
			t.Fatal("a write without power")
		}
		d.restore()
		b := make([]byte, 4*sectorSize)
		f, err = d.Open("log/a", false)
		must(t, err)
		_, err = f.ReadAt(b, 0)
		must(t, err)
		if !bytes.Equal(b[:sectorSize], bytes.Repeat([]byte{'s'}, sectorSize)) {
			t.Fatal("a synced sector is gone")
		}
		for i := range 3 {
			sector := b[(i+1)*sectorSize : (i+2)*sectorSize]
			if !bytes.Equal(sector, bytes.Repeat(sector[:1], sectorSize)) {
				t.Fatal("a sector is torn in itself")
			}
		}
		seen[string([]byte{b[sectorSize], b[2*sectorSize], b[3*sectorSize]})]++
		if names, _ := d.ReadDir("log"); len(names) == 2 {
			seen["name kept"]++
		} else {
			seen["name gone"]++
		}
	}
	for _, want := range []string{"sss", "111", "222", "s2s", "212", "name kept", "name gone"} {
		if seen[want] == 0 {
			t.Errorf("%q never happens: %v", want, seen)
		}
	}
}

// TestDiskForgetsAfterFailedSync: what a failed sync dropped does not come
// with the next one.
func TestDiskForgetsAfterFailedSync(t *testing.T) {
	d, open := testDisk(t, 1)
	f := open("log/a")
	must(t, f.Allocate(sectorSize))
	must(t, f.Sync())
	must(t, d.SyncDir("log"))
	_, err := f.WriteAt([]byte("gone"), 0)
	must(t, err)
	d.arm(-1, 100)
	if f.Sync() == nil {
		t.Fatal("the sync succeeded")
	}
	d.restore()
	b := make([]byte, 4)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	if string(b) == "gone" {
		t.Error("what the failed sync dropped is there")
	}
}

// TestFuse: the power goes at the operation that was drawn.
func TestFuse(t *testing.T) {
	d, open := testDisk(t, 1)
	f := open("log/a")
	d.arm(3, 0)
	for i := range 4 {
		_, err := f.WriteAt([]byte{1}, int64(i))
		if (err != nil) != (i >= 2) {
			t.Errorf("write %d: %v", i, err)
		}
	}
}

// lyingDisk says that it has synced and has not.
type lyingDisk struct{ *faultyDisk }

type lyingFile struct{ wal.File }

func (lyingFile) Sync() error { return nil }

func (d lyingDisk) Open(path string, create bool) (wal.File, error) {
	f, err := d.faultyDisk.Open(path, create)
	return lyingFile{f}, err
}

// TestPowerFindsLies: a disk that breaks its promise must show as a breach,
// or the experiment would find nothing.
func TestPowerFindsLies(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		h := newHistory(r)
		h.fs = lyingDisk{h.disk}
		err := h.life(t.Context())
		if err == nil {
			_, err = h.check()
		}
		if err != nil {
			return
		}
	}
	t.Error("50 power cuts on a disk that syncs nothing, and nothing is missed")
}
