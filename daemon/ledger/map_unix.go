//go:build unix

package ledger

import (
	"os"

	"golang.org/x/sys/unix"
)

func mapFile(path string, size int) (mem []byte, unmap func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // the mapping keeps the file
	if err := f.Truncate(int64(size)); err != nil {
		return nil, nil, err
	}
	mem, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return mem, func() error { return unix.Munmap(mem) }, nil
}
