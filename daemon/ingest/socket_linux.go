package ingest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// readSocket reads what has come, from a descriptor that does not block. The
// scheduler is not told of the call: it never waits, and a copy of 64 KiB takes
// longer than the 20 µs after which the scheduler hands the processor to another
// thread, which then costs both of them a wake-up for each read, and has its
// monitor look every 20 µs for more of that kind. b is not empty.
func readSocket(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
