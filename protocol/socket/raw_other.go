//go:build !linux

package socket

import "golang.org/x/sys/unix"

// Read reads what has come, from a descriptor that does not block, or returns EAGAIN.
func Read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Write writes what there is room for, to a descriptor that does not block, or returns
// EAGAIN.
func Write(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
