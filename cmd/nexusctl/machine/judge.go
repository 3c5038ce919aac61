// Package machine looks at what a daemon runs on, limits, disk, kernel, clock,
// and says what to change and why. Reading is one half, judging the other: the
// judgement is a pure function of what was read.
package machine

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// Status is a finding's weight.
type Status string

// The statuses. Unknown is for what this system does not tell.
const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Unknown Status = "unknown"
)

// Finding is one thing looked at: what was found, and what to change and why,
// where something should be.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Change string `json:"change,omitempty"`
	Why    string `json:"why,omitempty"`
}

// Facts are what was read of a machine. Zero is what could not be read.
type Facts struct {
	OS, Arch, Kernel, Go string
	Cores                int
	Memory               uint64 // bytes; the container's where it has less
	FDs, FDsHard         uint64
	MaxConnections       uint64 // that the daemon is set to take
	Backlog              int    // net.core.somaxconn
	HugePages            string // "always", "madvise" or "never"
	ClockSynced          *bool
	Disk                 Disk
}

// Disk is the file system of the data directory.
type Disk struct {
	Dir         string
	Fault       string // why it cannot be written
	Free, Total uint64
	Sync        time.Duration // of 4 KiB, the median of several
	Network     string        // the kind of a network file system, else empty
	Public      bool          // others can look into the directory
}

const (
	spareFDs    = 64 // what the daemon opens besides connections
	lowMemory   = 512 << 20
	lowFree     = 1 << 30
	slowSync    = 20 * time.Millisecond
	wantBacklog = 1024
)

// Judge looks at each fact.
func Judge(f Facts) []Finding {
	return []Finding{
		{"system", OK, fmt.Sprintf("%s/%s, kernel %s, %s, %d cores", f.OS, f.Arch, f.Kernel, f.Go, f.Cores), "", ""},
		memory(f), descriptors(f), backlog(f), hugePages(f), clock(f),
		directory(f.Disk), space(f.Disk), syncs(f.Disk),
	}
}

func memory(f Facts) Finding {
	out := Finding{Check: "memory", Status: OK, Found: humanize.IBytes(f.Memory)}
	switch {
	case f.Memory == 0:
		return unknown("memory")
	case f.Memory < lowMemory:
		out.Status = Warn
		out.Change = fmt.Sprintf("give it %s or more, or lower storage.head_bytes and ingest.max_series", humanize.IBytes(lowMemory))
		out.Why = "recent blocks and a million series need some hundred MiB"
	}
	return out
}

func descriptors(f Facts) Finding {
	out := Finding{Check: "file descriptors", Status: OK, Found: fmt.Sprintf("%d, up to %d", f.FDs, f.FDsHard)}
	need := f.MaxConnections + spareFDs
	switch {
	case f.FDs == 0:
		return unknown("file descriptors")
	case f.FDsHard < need:
		out.Status = Warn
		out.Change = fmt.Sprintf("raise the hard limit to %d (ulimit -Hn, or LimitNOFILE= of the service), or lower server.max_connections", need)
		out.Why = fmt.Sprintf("each of server.max_connections = %d takes one; without it accepting fails before the limit is reached", f.MaxConnections)
	}
	return out
}

func backlog(f Facts) Finding {
	out := Finding{Check: "listen backlog", Status: OK, Found: fmt.Sprint(f.Backlog)}
	switch {
	case f.Backlog == 0:
		return unknown("listen backlog")
	case f.Backlog < wantBacklog:
		out.Status = Warn
		out.Change = fmt.Sprintf("sysctl -w net.core.somaxconn=%d", 4*wantBacklog)
		out.Why = "a burst of new connections beyond it is refused by the kernel, before the daemon sees it"
	}
	return out
}

func hugePages(f Facts) Finding {
	out := Finding{Check: "transparent huge pages", Status: OK, Found: f.HugePages}
	switch f.HugePages {
	case "":
		return unknown("transparent huge pages")
	case "always":
		out.Status = Warn
		out.Change = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
		out.Why = "with always, memory that the daemon gave back can stay resident"
	}
	return out
}

func clock(f Facts) Finding {
	out := Finding{Check: "clock", Status: OK, Found: "synchronised"}
	switch {
	case f.ClockSynced == nil:
		return unknown("clock")
	case !*f.ClockSynced:
		out.Status, out.Found = Warn, "not synchronised"
		out.Change = "run chrony, systemd-timesyncd or another NTP client"
		out.Why = "buckets are aligned to the clock, and daemons that share a store must agree on it"
	}
	return out
}

func directory(d Disk) Finding {
	out := Finding{Check: "data directory", Status: OK, Found: d.Dir}
	switch {
	case d.Fault != "":
		out.Status, out.Found = Fail, d.Dir+": "+d.Fault
		out.Change = "make it writable for this user, or choose another with --data-dir"
		out.Why = "the log is there, and without a log nothing is taken"
	case d.Network != "":
		out.Status, out.Found = Warn, d.Dir+" on "+d.Network
		out.Change = "put it on a local disk"
		out.Why = "locks and syncs of network file systems do not promise what the log and SQLite need"
	case d.Public:
		out.Status, out.Found = Warn, d.Dir+", open to others"
		out.Change = "chmod 700 " + d.Dir
		out.Why = "it holds everything that was sent, and the admin socket"
	}
	return out
}

func space(d Disk) Finding {
	out := Finding{Check: "disk space", Status: OK, Found: fmt.Sprintf("%s free of %s", humanize.IBytes(d.Free), humanize.IBytes(d.Total))}
	switch {
	case d.Total == 0:
		return unknown("disk space")
	case d.Free < lowFree:
		out.Status = Fail
		out.Change = fmt.Sprintf("free %s or more", humanize.IBytes(lowFree))
		out.Why = "the log keeps an hour beyond what is stored, and a full disk stops all senders"
	}
	return out
}

func syncs(d Disk) Finding {
	out := Finding{Check: "disk sync", Status: OK, Found: d.Sync.Round(10 * time.Microsecond).String()}
	switch {
	case d.Sync == 0:
		return unknown("disk sync")
	case d.Sync > slowSync:
		out.Status = Warn
		out.Change = "use a faster disk, or raise wal.interval"
		out.Why = "the log is synced several times a second, and each sync takes this long"
	}
	return out
}

func unknown(check string) Finding {
	return Finding{Check: check, Status: Unknown, Found: "this system does not tell"}
}
