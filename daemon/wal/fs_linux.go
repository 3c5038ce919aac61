package wal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync leaves out the times that a full sync would write as well.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

// allocate reserves the space, so that a full disk shows at the start of a
// segment and not in the middle of a frame. File systems without the call get
// a sparse file.
func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS):
			return f.Truncate(size)
		}
		return os.NewSyscallError("fallocate", err)
	}
}
