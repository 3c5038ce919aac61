package dialect

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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

// aside ends the names of files that were taken out of the way.
const aside = ".aside"

// SetAside takes an SQLite database and its journal out of the way. One that is
// not there is out of it already.
func SetAside(path string) error {
	for _, suffix := range []string{"-shm", "-wal", ""} { // the database last: it tells of the others
		if err := os.Rename(path+suffix, path+suffix+aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
}

// AsideFiles lists the files beside a database that were taken out of the way,
// by the names they had, those of journals without their ending.
func AsideFiles(database string) (paths []string, err error) {
	found, err := filepath.Glob(filepath.Join(glob(filepath.Dir(database)), "*-????-??-??.db*"+aside))
	for _, f := range found {
		f = strings.TrimSuffix(f, aside)
		f = strings.TrimSuffix(strings.TrimSuffix(f, "-wal"), "-shm")
		if len(paths) == 0 || paths[len(paths)-1] != f {
			paths = append(paths, f)
		}
	}
	return paths, err
}

var escapeGlob = strings.NewReplacer("*", "\\*", "?", "\\?", "[", "\\[", "\\", "\\\\")

// glob writes a path as a pattern that matches it alone.
func glob(path string) string { return escapeGlob.Replace(path) }

// Settle brings a file back that was taken out of the way, or removes it.
func Settle(path string, back bool) error {
	for _, suffix := range []string{"-shm", "-wal", ""} {
		old := path + suffix + aside
		var err error
		if back {
			err = os.Rename(old, path+suffix)
		} else {
			err = os.Remove(old)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncDir(filepath.Dir(path))
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
