package pressure

import (
	"math"
	"os"
	"runtime/debug"
	"sync"
)

// leastRuntimeLimit is the least that the runtime is told: below it would do
// nothing but collect garbage.
const leastRuntimeLimit = 128 << 20

// runtimeLimit is what the runtime is told of memory: the daemon's limit, or what
// KeepHeadroom wants of it, whichever is less. The runtime has one limit for both.
var runtimeLimit = struct {
	mu             sync.Mutex
	told, headroom int64
}{told: math.MaxInt64, headroom: math.MaxInt64}

// TellRuntime has the runtime collect garbage harder where the limit comes near,
// before anything has to be refused; 0 is none. What GOMEMLIMIT says is left alone.
func TellRuntime(limit uint64) {
	told := int64(math.MaxInt64)
	if limit > 0 && limit < math.MaxInt64 {
		told = max(int64(limit), leastRuntimeLimit)
	}
	l := &runtimeLimit
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = told
	setRuntimeLimit()
}

// tellHeadroom is TellRuntime for KeepHeadroom.
func tellHeadroom(limit int64) {
	l := &runtimeLimit
	l.mu.Lock()
	defer l.mu.Unlock()
	l.headroom = limit
	setRuntimeLimit()
}

// setRuntimeLimit tells the runtime, runtimeLimit.mu held. Each change stops the world
// for a moment.
func setRuntimeLimit() {
	want := min(runtimeLimit.told, runtimeLimit.headroom)
	if os.Getenv("GOMEMLIMIT") == "" && debug.SetMemoryLimit(-1) != want {
		debug.SetMemoryLimit(want)
	}
}

// RuntimeLimit returns the limit that the runtime was told for the daemon's sake, or
// that GOMEMLIMIT says, bytes; math.MaxInt64 where there is none. It is not what
// KeepHeadroom has it give back.
func RuntimeLimit() int64 {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1)
	}
	runtimeLimit.mu.Lock()
	defer runtimeLimit.mu.Unlock()
	return runtimeLimit.told
}
