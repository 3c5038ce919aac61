package loadgen

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Sleep lets the connections run that were just woken, then waits; it may come
// back early. A runtime timer is half a millisecond late and more where the
// process is idle, because the poller counts in milliseconds; the system's own
// Sleep is a tenth late. Without the yield the woken connections would wait for
// another thread to take them over, which costs twice the processor time.
func Sleep(d time.Duration) {
	runtime.Gosched()
	if d <= 0 {
		return
	}
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // interrupted: early
}
