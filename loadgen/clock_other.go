//go:build !linux

package loadgen

import "time"

// sleep waits.
func sleep(d time.Duration) { time.Sleep(d) }
