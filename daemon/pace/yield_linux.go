package pace

import "golang.org/x/sys/unix"

// yield lets other threads of this processor go first, of other processes too: the
// system would let a thread that works on run for some milliseconds while one that
// has just woken waits.
func yield() { _, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
