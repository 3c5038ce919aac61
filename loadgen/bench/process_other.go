//go:build !linux

package bench

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// processCPU returns the processor time a process has used, as ps tells it:
// [[hours:]minutes:]seconds, with hundredths.
func processCPU(pid int) (time.Duration, error) {
	out, err := exec.Command("ps", "-o", "time=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("processor time: %w", err)
	}
	seconds := 0.0
	for part := range strings.SplitSeq(strings.TrimSpace(string(out)), ":") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return 0, fmt.Errorf("processor time %q: %w", out, err)
		}
		seconds = seconds*60 + v
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
