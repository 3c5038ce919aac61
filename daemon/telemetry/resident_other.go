//go:build !linux

package telemetry

import "golang.org/x/sys/unix"

// residentBytes is the peak: what these systems tell without cgo.
func residentBytes() uint64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return uint64(u.Maxrss)
}
