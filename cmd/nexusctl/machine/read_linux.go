package machine

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// readSystem reads what Linux tells in files.
func readSystem(f *Facts) {
	f.Memory = memoryTotal()
	f.Backlog = int(number("/proc/sys/net/core/somaxconn"))
	f.HugePages = chosen("/sys/kernel/mm/transparent_hugepage/enabled")
	var t unix.Timex
	if state, err := unix.Adjtimex(&t); err == nil {
		synced := state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0
		f.ClockSynced = &synced
	}
}

// memoryTotal is the machine's memory, or the container's where that is less.
func memoryTotal() uint64 {
	var total uint64
	b, _ := os.ReadFile("/proc/meminfo") // absent: 0, which is "unknown"
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("MemTotal:")); ok {
			kib, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			total = kib << 10
		}
	}
	if limit := number("/sys/fs/cgroup/memory.max"); limit > 0 && limit < total {
		return limit
	}
	return total
}

func number(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// chosen returns the word in brackets, as in "always [madvise] never".
func chosen(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), "[")
	word, _, ok := strings.Cut(rest, "]")
	if !ok {
		return ""
	}
	return word
}

// networkKinds are the magic numbers of file systems that are elsewhere.
var networkKinds = map[int64]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x00c36400: "Ceph", 0x01021997: "9P"}

func networkKind(fs *unix.Statfs_t) string { return networkKinds[int64(fs.Type)&0xffffffff] }
