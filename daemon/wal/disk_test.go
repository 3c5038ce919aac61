package wal

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
)

const sector = 512

// disk is a file system in memory that can lose what was not synced. At a cut
// each unsynced sector of a file either reached the platter or did not, by
// chance; files whose directory entry was not synced may be gone.
type disk struct {
	mu       sync.Mutex
	rand     *rand.Rand
	files    map[string]*diskFile // as programs see them
	entries  map[string]*diskFile // as the platter has them
	gone     bool
	full     bool
	badSyncs int
}

type diskFile struct {
	disk    *disk
	data    []byte // as programs see it
	platter []byte
	dirty   map[int]struct{} // sectors
}

func newDisk(r *rand.Rand) *disk {
	return &disk{rand: r, files: map[string]*diskFile{}, entries: map[string]*diskFile{}}
}

var errGone = errors.New("the power is off")

func (d *disk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
}

// restore brings the platter's content back.
func (d *disk) restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = false
	for name, f := range d.files {
		if d.entries[name] != f && d.rand.IntN(2) == 0 {
			delete(d.files, name)
		}
	}
	for name, f := range d.entries {
		if d.files[name] == nil && d.rand.IntN(2) == 0 {
			d.files[name] = f // a removal that did not reach the platter
		}
	}
	for _, f := range d.files {
		f.settle(d.rand)
	}
	d.entries = maps.Clone(d.files)
}

func (f *diskFile) settle(r *rand.Rand) {
	if r.IntN(2) == 0 && len(f.data) != len(f.platter) {
		f.platter = append(f.platter, make([]byte, max(0, len(f.data)-len(f.platter)))...)
	}
	for s := range f.dirty {
		if r.IntN(2) == 0 {
			continue
		}
		from := s * sector
		to := min(from+sector, len(f.data), len(f.platter))
		if from < to {
			copy(f.platter[from:to], f.data[from:to])
		}
	}
	f.data, f.dirty = slices.Clone(f.platter), map[int]struct{}{}
}

func (d *disk) failSyncs(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.badSyncs = n
}

func (d *disk) setFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *disk) MkdirAll(string) error { return nil }

func (d *disk) Open(name string, create bool) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return nil, errGone
	}
	f := d.files[name]
	if f == nil && !create {
		return nil, os.ErrNotExist
	}
	if f == nil {
		f = &diskFile{disk: d, dirty: map[int]struct{}{}}
		d.files[name] = f
	}
	return f, nil
}

func (d *disk) ReadDir(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.files {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	return names, nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return errGone
	}
	delete(d.files, name)
	return nil
}

func (d *disk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return errGone
	}
	d.entries = maps.Clone(d.files)
	return nil
}

func (f *diskFile) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) WriteAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return 0, errGone
	}
	if f.disk.full {
		return 0, errFull
	}
	f.grow(off + int64(len(b)))
	copy(f.data[off:], b)
	for s := int(off) / sector; s*sector < int(off)+len(b); s++ {
		f.dirty[s] = struct{}{}
	}
	return len(b), nil
}

func (f *diskFile) grow(size int64) {
	if missing := size - int64(len(f.data)); missing > 0 {
		f.data = append(f.data, make([]byte, missing)...)
	}
}

// Sync fails as Linux does: the pages count as clean afterwards, and the next
// sync says nothing of them.
func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return errGone
	}
	if f.disk.badSyncs > 0 {
		f.disk.badSyncs--
		f.dirty = map[int]struct{}{}
		return syscall.EIO
	}
	f.platter, f.dirty = slices.Clone(f.data), map[int]struct{}{}
	return nil
}

func (f *diskFile) Allocate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return errGone
	}
	if f.disk.full {
		return errFull
	}
	f.grow(size)
	return nil
}

func (f *diskFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return errGone
	}
	f.data = f.data[:min(size, int64(len(f.data)))]
	f.grow(size)
	return nil
}

func (f *diskFile) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *diskFile) Close() error { return nil }
