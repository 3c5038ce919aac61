package ingest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dropsAt is the place of the drops among the numbers that SO_MEMINFO gives
// (SK_MEMINFO_DROPS of linux/sock_diag.h), which are nine.
const dropsAt, memInfo = 8, 9

// socketDrops returns how many datagrams the system dropped of a socket; not ok where
// it does not tell.
func socketDrops(raw syscall.RawConn) (n uint32, ok bool) {
	var info [memInfo]uint32
	size := uint32(unsafe.Sizeof(info))
	err := raw.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		ok = errno == 0 && size > dropsAt*4
	})
	return info[dropsAt], ok && err == nil
}

// growBuffer asks for a larger receive buffer: beyond the system's bound where the
// daemon may, else up to it. What it gets is no error: it is what there was, or more.
func growBuffer(raw syscall.RawConn, size int) {
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
	})
}
