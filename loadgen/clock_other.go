//go:build !linux

package loadgen

import "time"

// Sleep waits.
func Sleep(d time.Duration) { time.Sleep(d) }
