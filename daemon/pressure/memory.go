package pressure

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
)

// InUse returns the memory that the process cannot give back: what the last
// collection of garbage left, stacks and the runtime's own, and whatever of the
// resident memory the runtime knows nothing of, as SQLite's. Garbage is left out:
// a heap that is allowed to grow grows up to its limit, and presses nobody.
func InUse(resident uint64) uint64 {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(s)
	at := func(i int) uint64 { return s[i].Value.Uint64() }
	mapped := at(1) - at(2)
	other := mapped - min(mapped, at(3)+at(4)+at(5)) // stacks, metadata
	return at(0) + other + resident - min(resident, mapped)
}

// share is how much of a container's memory the process may take by default: what
// is left over is for the moments in which it is told to take less.
const share = 0.8

// MemoryLimit returns the limit that holds: the one that is set, else GOMEMLIMIT's,
// else four fifths of what the container may have; 0 where there is none.
func MemoryLimit(set uint64) uint64 {
	if set > 0 {
		return set
	}
	if given := environment(); given > 0 {
		return given
	}
	return container()
}

// container is read once: a gauge asks for it twice a second.
var container = sync.OnceValue(func() uint64 {
	return uint64(share * float64(containerLimit("/proc/self/cgroup", "/sys/fs/cgroup")))
})

// environment returns what GOMEMLIMIT says, which only the runtime can read in all
// its forms; 0 where it is not set.
func environment() uint64 {
	if os.Getenv("GOMEMLIMIT") == "" {
		return 0
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return uint64(limit)
	}
	return 0
}

// containerLimit returns the least memory limit of the process's control groups,
// version 2 or 1; 0 where there is none.
func containerLimit(self, root string) (limit uint64) {
	groups, err := os.ReadFile(self)
	if err != nil {
		return 0 // another system, or no control groups
	}
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(part) != 3 {
			continue
		}
		dir, file := root, "memory.max"
		if part[1] != "" {
			if !strings.Contains(","+part[1]+",", ",memory,") {
				continue
			}
			dir, file = filepath.Join(root, "memory"), "memory.limit_in_bytes"
		}
		// Each group's limit holds for those below it. In a container of its own
		// name space the path may not be there, and the root is its own.
		for path := filepath.Clean("/" + part[2]); ; path = filepath.Dir(path) {
			if n := limitIn(filepath.Join(dir, path, file)); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
			if path == "/" {
				break
			}
		}
	}
	return limit
}

// unlimited is more than any machine has: version 1 says so where there is no
// limit.
const unlimited = 1 << 60

func limitIn(file string) uint64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64) // "max" is none
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
