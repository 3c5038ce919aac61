package torture

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"example.com/nexusctl/daemon/wal"
)

// sectorSize is what a disk writes whole or not at all.
const sectorSize = 512

// faultyDisk is a file system in memory that keeps a promise only where one
// was made. What was written and not synced is a list of sectors in a cache;
// when the power goes each of them has reached the platter or not, in any
// order, so that of two writes of one sector the older may be what is left.
// Names that were made or removed last until the directory is synced, or are
// undone.
type faultyDisk struct {
	mu    sync.Mutex
	rand  *rand.Rand
	names map[string]*faultyFile // as programs see them
	kept  map[string]*faultyFile // as the platter has them
	off   bool
	// badSync is the chance in a hundred that a sync fails. The cache is then
	// dropped and the next sync says nothing of it, as Linux has it.
	badSync int
	fuse    int // writes and syncs until the power goes; below 0 it does not
}

var _ wal.FS = (*faultyDisk)(nil)

type faultyFile struct {
	disk    *faultyDisk
	now     []byte // as programs see it
	platter []byte
	cache   []sectorWrite // since the last sync, in order
	size    int           // of the file, once a sync has made it last
}

type sectorWrite struct {
	at   int
	data []byte
}

var errPower = errors.New("the power is off")

func newFaultyDisk(r *rand.Rand) *faultyDisk {
	return &faultyDisk{rand: r, names: map[string]*faultyFile{}, kept: map[string]*faultyFile{}, fuse: -1}
}

// burn counts one operation and says whether there is still power.
func (d *faultyDisk) burn() error {
	if d.fuse > 0 {
		d.fuse--
	}
	if d.fuse == 0 {
		d.off = true
	}
	if d.off {
		return errPower
	}
	return nil
}

// cut turns the power off, if it is not already.
func (d *faultyDisk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// restore turns it on again: from now on programs see what the platter has.
func (d *faultyDisk) restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.fuse, d.badSync = false, -1, 0
	seen := map[string]*faultyFile{}
	for _, name := range d.sortedNames() {
		now, before := d.names[name], d.kept[name]
		if now != before && d.rand.IntN(2) == 0 {
			now = before // the change of the directory was not written
		}
		if now != nil {
			seen[name] = now
		}
	}
	d.names, d.kept = seen, map[string]*faultyFile{}
	for name, f := range seen {
		f.settle(d.rand)
		d.kept[name] = f
	}
}

// sortedNames makes the draws the same in every run.
func (d *faultyDisk) sortedNames() (names []string) {
	for name := range d.names {
		names = append(names, name)
	}
	for name := range d.kept {
		if _, both := d.names[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// settle writes a part of the cache, in any order, to the platter.
func (f *faultyFile) settle(r *rand.Rand) {
	if r.IntN(2) == 0 {
		f.size = len(f.now)
	}
	f.platter = resized(f.platter, f.size)
	r.Shuffle(len(f.cache), func(i, j int) { f.cache[i], f.cache[j] = f.cache[j], f.cache[i] })
	share := r.IntN(101)
	for _, w := range f.cache {
		if r.IntN(100) < share && w.at < len(f.platter) {
			copy(f.platter[w.at:], w.data)
		}
	}
	f.cache, f.now = nil, slices.Clone(f.platter)
}

func resized(b []byte, size int) []byte {
	if size <= len(b) {
		return b[:size:size]
	}
	return append(b, make([]byte, size-len(b))...)
}

func (d *faultyDisk) MkdirAll(string) error { return nil }

func (d *faultyDisk) Open(path string, create bool) (wal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, errPower
	}
	f := d.names[path]
	switch {
	case f == nil && !create:
		return nil, os.ErrNotExist
	case f == nil:
		f = &faultyFile{disk: d}
		d.names[path] = f
	}
	return f, nil
}

func (d *faultyDisk) ReadDir(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.names {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

func (d *faultyDisk) Remove(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.burn(); err != nil {
		return err
	}
	delete(d.names, path)
	return nil
}

func (d *faultyDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.burn(); err != nil {
		return err
	}
	f := d.names[from]
	if f == nil {
		return os.ErrNotExist
	}
	delete(d.names, from)
	d.names[to] = f
	return nil
}

func (d *faultyDisk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.burn(); err != nil {
		return err
	}
	d.kept = map[string]*faultyFile{}
	for name, f := range d.names {
		d.kept[name] = f
	}
	return nil
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.now)) {
		return 0, io.EOF
	}
	n := copy(b, f.now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.burn(); err != nil {
		return 0, err
	}
	f.now = resized(f.now, max(len(f.now), int(off)+len(b)))
	copy(f.now[off:], b)
	for at := int(off) / sectorSize * sectorSize; at < int(off)+len(b); at += sectorSize {
		end := min(at+sectorSize, len(f.now))
		f.cache = append(f.cache, sectorWrite{at, slices.Clone(f.now[at:end])})
	}
	return len(b), nil
}

func (f *faultyFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.burn(); err != nil {
		return err
	}
	if f.disk.rand.IntN(100) < f.disk.badSync {
		f.cache = nil
		return syscall.EIO
	}
	f.platter, f.size, f.cache = slices.Clone(f.now), len(f.now), nil
	return nil
}

func (f *faultyFile) Allocate(size int64) error { return f.resize(max(size, int64(f.length()))) }
func (f *faultyFile) Truncate(size int64) error { return f.resize(size) }

func (f *faultyFile) length() int {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return len(f.now)
}

func (f *faultyFile) resize(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.burn(); err != nil {
		return err
	}
	f.now = resized(f.now, int(size))
	return nil
}

func (f *faultyFile) Size() (int64, error) { return int64(f.length()), nil }
func (f *faultyFile) Close() error         { return nil }
