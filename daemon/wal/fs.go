package wal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is what the log needs of a file system; tests bring one that fails.
type FS interface {
	// MkdirAll makes a directory, and those above it, so that it outlives a
	// power cut.
	MkdirAll(dir string) error
	// Open opens a file for reading and writing, and makes it where create is
	// set.
	Open(path string, create bool) (File, error)
	ReadDir(dir string) ([]string, error)
	Remove(path string) error
	// Rename gives a file another name, in whose place nothing else is left.
	Rename(from, to string) error
	SyncDir(dir string) error
}

// File is an open file.
type File interface {
	ReadAt(b []byte, off int64) (int, error)
	WriteAt(b []byte, off int64) (int, error)
	// Sync makes the file's data, and its size, durable.
	Sync() error
	// Allocate makes the file size bytes long, of zeros, with the disk space
	// behind them.
	Allocate(size int64) error
	Truncate(size int64) error
	Size() (int64, error)
	Close() error
}

// OS is the operating system's file system.
var OS FS = osFS{}

type osFS struct{}

// MkdirAll syncs the directory above each one that it makes, and above the one
// that is there already: whoever made that may have been killed before the sync.
// A directory that others have made, below one that we may not read, is theirs
// to answer for.
func (o osFS) MkdirAll(dir string) error {
	above := filepath.Dir(dir)
	info, err := os.Stat(dir)
	if err == nil && info.IsDir() {
		if err := o.SyncDir(above); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	if above != dir && errors.Is(err, fs.ErrNotExist) {
		if err := o.MkdirAll(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return o.SyncDir(above)
}

func (osFS) Open(path string, create bool) (File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) ReadDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (osFS) Remove(path string) error { return os.Remove(path) }

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

type osFile struct{ *os.File }

func (f osFile) Sync() error               { return datasync(f.File) }
func (f osFile) Allocate(size int64) error { return allocate(f.File, size) }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
