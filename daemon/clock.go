package daemon

import (
	"fmt"
	"sync"
	"time"

	"example.com/nexusctl/protocol/api"
)

const (
	// clockBound is the step of the clock that is none of its usual corrections.
	clockBound = 5 * time.Second
	// clockDoubt is how long such a step is in doubt. What came meanwhile may stand
	// at a wrong time; beyond, the step is taken as meant, as the log takes it.
	clockDoubt = time.Minute
)

// clockWatch compares the clock with the time that has passed. The zero value has
// not looked yet.
type clockWatch struct {
	mu      sync.Mutex
	wall    time.Time     // as it was read last
	passed  time.Duration // then
	reason  api.Reason
	doubted time.Duration // until when the reason stands
	steps   uint64
}

// start compares the clock with the last time that the log tells of, Unix
// milliseconds; 0 where it tells of none.
func (c *clockWatch) start(wall time.Time, passed time.Duration, last int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.passed = wall, passed
	if behind := time.UnixMilli(last).Sub(wall); last > 0 && behind > clockBound {
		c.doubt(passed, "clock_behind", fmt.Sprintf("the clock is %s behind the last time in the log", behind.Round(time.Millisecond)))
	}
}

// look reads the clock, and says whether it was set; passed is the time since the
// start by a clock that nobody sets.
func (c *clockWatch) look(wall time.Time, passed time.Duration) (stepped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	step := wall.Sub(c.wall) - (passed - c.passed)
	first := c.wall.IsZero()
	c.wall, c.passed = wall, passed
	if stepped = !first && step.Abs() > clockBound; stepped {
		c.doubt(passed, "clock_stepped", fmt.Sprintf("the clock was set by %s", step.Round(time.Millisecond)))
	}
	return stepped
}

func (c *clockWatch) doubt(passed time.Duration, code, detail string) {
	c.steps++
	c.reason, c.doubted = api.Reason{Code: code, Detail: detail}, passed+clockDoubt
}

// reasons is why the clock is not to be trusted now; nothing where it is.
func (c *clockWatch) reasons(passed time.Duration) (list []api.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if passed < c.doubted {
		list = append(list, c.reason)
	}
	return list
}

// count returns the steps that were in doubt.
func (c *clockWatch) count() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// passed is the time since the start by the system's monotonic clock.
func (d *Daemon) passed() time.Duration { return time.Since(d.origin) }

// wall is the time as the clock has it, without what Go knows of the time passed.
func (d *Daemon) wall() time.Time { return d.now().Round(0) }
