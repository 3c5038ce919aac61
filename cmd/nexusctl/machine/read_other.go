//go:build !linux

package machine

import "golang.org/x/sys/unix"

// readSystem leaves unknown what these systems do not tell without cgo.
func readSystem(*Facts) {}

func networkKind(*unix.Statfs_t) string { return "" }
