//go:build !linux

package ingest

import "golang.org/x/sys/unix"

// readSocket reads what has come, from a descriptor that does not block.
func readSocket(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
