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
