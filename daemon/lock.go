package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"example.com/nexusctl/daemon/wal"
)

// LockDataDir makes sure that this process alone uses the directory, until it
// releases it: two daemons on one log would destroy each other's data, and so
// would a daemon and a repair.
func LockDataDir(dir string) (release func() error, err error) {
	if err := wal.OS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if !held {
		return nil, &InUseError{Dir: dir, PID: readPID(dir)}
	}
	if err := os.WriteFile(filepath.Join(dir, "pid"), fmt.Appendf(nil, "%d\n", os.Getpid()), 0o600); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return lock.Close, nil
}

// InUseError reports that another daemon uses the data directory.
type InUseError struct {
	Dir string
	PID string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("the data directory %s is in use by another nexusctl daemon (process %s): stop it, or give this one its own with --data-dir", e.Dir, e.PID)
}

func readPID(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, "pid"))
	if err != nil || len(b) == 0 || len(b) > 16 {
		return "unknown"
	}
	return string(b[:len(b)-1])
}
