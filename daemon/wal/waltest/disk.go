// Package waltest has a file system in memory that fails as disks do: it loses
// and tears what was not synced, in any order, fails syncs, and fills up.
package waltest

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

	"example.com/nexusctl/daemon/wal"
)

// sector is what a disk writes whole or not at all, nearly always.
const sector = 512

// Disk is a file system with one directory. At a cut each unsynced sector of a
// file has reached the platter or not, or has in part; each unsynced change of
// the directory has or has not, but a rename is one change.
type Disk struct {
	mu      sync.Mutex
	rand    *rand.Rand
	files   map[string]*file // as programs see them
	entries map[string]*file // as the platter has them
	changes []change         // of the directory, since it was last synced

	gone     bool
	left     int // operations until the power goes; negative: it stays
	badSyncs int
	full     bool
	refusal  error
}

type change struct {
	from, to string // either may be empty: a file made, or removed
	file     *file
}

type file struct {
	disk    *Disk
	data    []byte // as programs see it
	platter []byte
	dirty   map[int]struct{} // sectors
}

// New returns an empty disk. What fails, and how, is drawn from r.
func New(r *rand.Rand) *Disk {
	return &Disk{rand: r, files: map[string]*file{}, entries: map[string]*file{}, left: -1}
}

// ErrGone is what every operation returns once the power is off.
var ErrGone = errors.New("the power is off")

// Cut turns the power off.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
}

// CutAfter turns the power off at the n-th operation that changes something.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// Gone reports whether the power is off.
func (d *Disk) Gone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone
}

// Restore turns the power on: what programs see is what the platter has.
func (d *Disk) Restore() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone, d.left, d.badSyncs, d.full, d.refusal = false, -1, 0, false, nil
	d.settleDirectory()
	d.files = maps.Clone(d.entries)
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		f := d.files[name]
		f.writeBack()
		f.data, f.dirty = slices.Clone(f.platter), map[int]struct{}{}
	}
}

// settleDirectory applies some of the unsynced changes: the first few, as
// journals do, or any.
func (d *Disk) settleDirectory() {
	inOrder, first := d.rand.IntN(2) == 0, d.rand.IntN(len(d.changes)+1)
	for i, c := range d.changes {
		if inOrder && i >= first || !inOrder && d.rand.IntN(2) == 0 {
			continue
		}
		if c.from != "" {
			if d.entries[c.from] != c.file {
				continue // what it is about never came to be
			}
			delete(d.entries, c.from)
		}
		if c.to != "" {
			d.entries[c.to] = c.file
		}
	}
	d.changes = nil
}

// writeBack brings some of the unsynced sectors to the platter.
func (f *file) writeBack() {
	r := f.disk.rand
	if r.IntN(2) == 0 {
		f.platter = resize(f.platter, len(f.data))
	}
	for _, s := range slices.Sorted(maps.Keys(f.dirty)) {
		from := s * sector
		to := min(from+sector, len(f.data), len(f.platter))
		switch {
		case from >= to || r.IntN(2) == 0:
			continue
		case r.IntN(8) == 0:
			to = from + r.IntN(to-from)
		}
		copy(f.platter[from:to], f.data[from:to])
	}
}

func resize(b []byte, n int) []byte {
	if n <= len(b) {
		return b[:n]
	}
	return append(b, make([]byte, n-len(b))...)
}

// FailSyncs makes the next n syncs of files fail.
func (d *Disk) FailSyncs(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.badSyncs = n
}

// SetFull takes away, or gives back, the space for files to grow.
func (d *Disk) SetFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

// Refuse makes every write fail, until it is nil.
func (d *Disk) Refuse(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusal = err
}

// Clone returns a disk with the same files, all synced, that draws from r.
func (d *Disk) Clone(r *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := New(r)
	for name, f := range d.files {
		c.files[name] = &file{disk: c, data: slices.Clone(f.data), platter: slices.Clone(f.data), dirty: map[int]struct{}{}}
	}
	c.entries = maps.Clone(c.files)
	return c
}

// Change replaces a file's content, on the platter; nil removes the file.
func (d *Disk) Change(name string, to func([]byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var old []byte
	if f := d.files[name]; f != nil {
		old = f.data
	}
	b := to(slices.Clone(old))
	if b == nil {
		delete(d.files, name)
		delete(d.entries, name)
		return
	}
	d.files[name] = &file{disk: d, data: b, platter: slices.Clone(b), dirty: map[int]struct{}{}}
	d.entries[name] = d.files[name]
}

// Content returns a copy of a file's content.
func (d *Disk) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return slices.Clone(f.data)
	}
	return nil
}

// step is one operation that changes something.
func (d *Disk) step() error {
	if d.left == 0 {
		d.gone = true
	}
	if d.gone {
		return ErrGone
	}
	if d.left > 0 {
		d.left--
	}
	return nil
}

// MkdirAll does nothing: there is one directory, and it has any name.
func (d *Disk) MkdirAll(string) error { return nil }

// Open opens a file, or makes it.
func (d *Disk) Open(name string, create bool) (wal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return nil, ErrGone
	}
	if f := d.files[name]; f != nil {
		return f, nil
	}
	if !create {
		return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
	}
	if err := d.step(); err != nil {
		return nil, err
	}
	f := &file{disk: d, dirty: map[int]struct{}{}}
	d.files[name] = f
	d.changes = append(d.changes, change{to: name, file: f})
	return f, nil
}

// ReadDir lists a directory.
func (d *Disk) ReadDir(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return nil, ErrGone
	}
	for name := range d.files {
		if path.Dir(name) == dir {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// Remove removes a file.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	f := d.files[name]
	if f == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	delete(d.files, name)
	d.changes = append(d.changes, change{from: name, file: f})
	return nil
}

// Rename gives a file another name.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	f := d.files[from]
	if f == nil {
		return &os.PathError{Op: "rename", Path: from, Err: os.ErrNotExist}
	}
	delete(d.files, from)
	d.files[to] = f
	d.changes = append(d.changes, change{from: from, to: to, file: f})
	return nil
}

// SyncDir makes the directory's changes durable.
func (d *Disk) SyncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.entries, d.changes = maps.Clone(d.files), nil
	return nil
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.gone {
		return 0, ErrGone
	}
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes to memory; now and then some of what is unsynced reaches the
// platter meanwhile.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		f.put(b[:d.rand.IntN(len(b)+1)], off) // the power went in the middle of it
		return 0, err
	}
	if d.refusal != nil {
		return 0, &os.PathError{Op: "write", Err: d.refusal}
	}
	if end := off + int64(len(b)); d.full && end > int64(len(f.data)) {
		fits := max(int64(len(f.data))-off, 0)
		f.put(b[:fits], off)
		return int(fits), &os.PathError{Op: "write", Err: syscall.ENOSPC}
	}
	f.put(b, off)
	if d.rand.IntN(8) == 0 {
		f.writeBack()
	}
	return len(b), nil
}

func (f *file) put(b []byte, off int64) {
	if len(b) == 0 {
		return
	}
	f.data = resize(f.data, max(len(f.data), int(off)+len(b)))
	copy(f.data[off:], b)
	for s := int(off) / sector; s*sector < int(off)+len(b); s++ {
		f.dirty[s] = struct{}{}
	}
}

// Sync fails as Linux does: some pages are written, all count as clean
// afterwards, and the next sync says nothing of them.
func (f *file) Sync() error {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.badSyncs > 0 {
		d.badSyncs--
		f.writeBack()
		f.dirty = map[int]struct{}{}
		return syscall.EIO
	}
	f.platter = resize(f.platter, len(f.data))
	for s := range f.dirty {
		if from := s * sector; from < len(f.data) {
			copy(f.platter[from:min(from+sector, len(f.data))], f.data[from:])
		}
	}
	f.dirty = map[int]struct{}{}
	return nil
}

func (f *file) Allocate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(); err != nil {
		return err
	}
	if f.disk.refusal != nil || f.disk.full && size > int64(len(f.data)) {
		return &os.PathError{Op: "fallocate", Err: syscall.ENOSPC}
	}
	f.data = resize(f.data, max(len(f.data), int(size)))
	return nil
}

func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(); err != nil {
		return err
	}
	if int(size) < len(f.data) {
		f.platter = f.platter[:min(int(size), len(f.platter))] // no later growth brings the old bytes back
	}
	f.data = resize(f.data, int(size))
	return nil
}

func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.data)), nil
}

func (f *file) Close() error { return nil }
