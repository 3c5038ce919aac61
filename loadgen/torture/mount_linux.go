package torture

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// canMount says why this process cannot have a small file system of its own.
func canMount() string {
	if os.Geteuid() != 0 {
		return "needs --small-dir DIR on a small file system, or root on Linux, where one in memory is mounted"
	}
	return ""
}

// mountSmall mounts a file system in memory on a new directory.
func mountSmall(dir string, size int) (string, func() error, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("small file system: %w", err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NODEV|unix.MS_NOSUID|unix.MS_NOEXEC, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return "", nil, &unfit{fmt.Sprintf("a small file system cannot be mounted (%v): name one with --small-dir DIR", err)}
	}
	return dir, func() error {
		if err := unix.Unmount(dir, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
		return nil
	}, nil
}
