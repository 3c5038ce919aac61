package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Read looks at this machine, and at the file system of dir. It writes and
// syncs a small file there and removes it.
func Read(dir string, maxConnections int) Facts {
	f := Facts{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Kernel: kernel(), Go: runtime.Version(), Cores: runtime.GOMAXPROCS(0),
		MaxConnections: uint64(maxConnections), Disk: readDisk(dir),
	}
	var fds unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &fds) == nil {
		f.FDs, f.FDsHard = fds.Cur, fds.Max
	}
	readSystem(&f)
	return f
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

func readDisk(dir string) Disk {
	d := Disk{Dir: dir}
	at := existing(dir)
	if at == dir {
		if info, err := os.Stat(dir); err == nil {
			d.Public = info.Mode().Perm()&0o077 != 0
		}
	}
	var fs unix.Statfs_t
	if unix.Statfs(at, &fs) == nil {
		d.Free, d.Total = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
		d.Network = networkKind(&fs)
	}
	var err error
	if d.Sync, err = timeSync(at); err != nil {
		d.Fault = plainCause(err)
	}
	return d
}

// existing returns the directory, or the nearest above it that is there: the
// daemon makes its own.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return dir
		}
		dir = up
	}
}

// timeSync returns the median time in which 4 KiB reach the disk.
func timeSync(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".nexusctl-doctor-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	var took []time.Duration
	for range 9 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4<<10)); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// plainCause leaves out the temporary file's name, which tells nobody anything.
func plainCause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
