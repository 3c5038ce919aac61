//go:build !linux

package ingest

import "syscall"

// socketDrops would tell what the system dropped of a socket.
func socketDrops(syscall.RawConn) (uint32, bool) { return 0, false }

// growBuffer leaves the receive buffer to the system.
func growBuffer(syscall.RawConn, int) {}
