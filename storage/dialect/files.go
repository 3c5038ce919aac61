package dialect

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrUnavailable reports a database that is not there now.
var ErrUnavailable = errors.New("the store is not available")

// ChunkFile returns the file of a kind whose first day is day, a number of days
// since 1970, beside an SQLite database.
func ChunkFile(database, kind string, day int64) string {
	return filepath.Join(filepath.Dir(database), kind+"-"+time.Unix(day*24*60*60, 0).UTC().Format(time.DateOnly)+".db")
}

// RemoveFile removes an SQLite database and its journal. One that is not there
// is removed already.
func RemoveFile(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// MakeDir makes the directory of a database, and those above it that are
// missing, so that they outlive a power cut: SQLite syncs the directory that its
// files are in, and none above it. One that is there already may have been made
// by a process that was killed before the sync; where others made it, below one
// that we may not read, it is theirs to answer for.
func MakeDir(path string) error {
	above := filepath.Dir(path)
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		if err := syncDir(above); !errors.Is(err, fs.ErrPermission) {
			return err
		}
		return nil
	}
	if above != path && errors.Is(err, fs.ErrNotExist) {
		if err := MakeDir(above); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
