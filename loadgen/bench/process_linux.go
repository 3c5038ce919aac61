package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of processor times in /proc: Linux shows them in
// hundredths of a second whatever it counts in.
const clockTick = 10 * time.Millisecond

// processCPU returns the processor time a process has used.
func processCPU(pid int) (time.Duration, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	// The second field is the name, in parentheses, and may hold anything.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const utime = 11 // the 14th of all
	if len(fields) <= utime+1 {
		return 0, fmt.Errorf("processor time: %s has %d fields", path, len(fields))
	}
	ticks := int64(0)
	for _, f := range fields[utime : utime+2] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}
