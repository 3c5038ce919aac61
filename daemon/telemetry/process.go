package telemetry

import (
	"math"
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"golang.org/x/sys/unix"

	"example.com/nexusctl/daemon/pressure"
)

// Process is what the operating system says of this process and its disk at
// one moment. What cannot be read is 0.
type Process struct {
	CPU         time.Duration // user and system, since the start
	Resident    uint64        // bytes
	Heap        uint64        // live and not yet swept objects, bytes
	Stacks      uint64
	MemoryLimit uint64 // the runtime's soft limit; 0 where there is none
	DiskFree    uint64 // for an unprivileged user, bytes
	DiskTotal   uint64
}

// ReadProcess reads the process and the file system of dir.
func ReadProcess(dir string) Process {
	p := Process{CPU: cpuTime(), Resident: residentBytes()}
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	p.Heap, p.Stacks = samples[0].Value.Uint64(), samples[1].Value.Uint64()
	if limit := pressure.RuntimeLimit(); limit > 0 && limit < math.MaxInt64 {
		p.MemoryLimit = uint64(limit)
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil {
		p.DiskFree, p.DiskTotal = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	}
	return p
}

// Cores returns the processors the process may use.
func Cores() int { return runtime.GOMAXPROCS(0) }

func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// FDs counts the open descriptors and returns their limit. It reads a
// directory entry a descriptor, so it is for when somebody asks.
func FDs() (open, limit int) {
	var fds unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &fds) == nil {
		limit = int(min(fds.Cur, 1<<31))
	}
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if f, err := os.Open(dir); err == nil {
			names, err := f.Readdirnames(-1)
			_ = f.Close() // only read
			if err == nil {
				return len(names) - 1, limit // one is the directory itself
			}
		}
	}
	return 0, limit
}
