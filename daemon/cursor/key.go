package cursor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// KeyBytes is how long a key is.
const KeyBytes = 32

// KeyFile is where a daemon keeps its key, in the data directory.
const KeyFile = "cursor.key"

// LoadKey reads the key of a data directory, and makes it where there is none. A
// key that others can read, or of another length, is refused: it would be taken
// for one that protects.
func LoadKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, KeyFile)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key of cursors: %s must be a file that only its owner can read (mode 0600); mend that, or remove it to have a new one made", path)
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key of cursors: %w", err)
	}
	if len(key) != KeyBytes {
		return nil, fmt.Errorf("key of cursors: %s holds %d bytes, not %d; remove it to have a new one made", path, len(key), KeyBytes)
	}
	return key, nil
}

// makeKey writes beside and renames: a kill leaves a whole key or none.
func makeKey(path string) ([]byte, error) {
	key := make([]byte, KeyBytes)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(filepath.Dir(path), KeyFile+"-")
	if err != nil {
		return nil, fmt.Errorf("make the key of cursors: %w", err)
	}
	_, err = f.Write(key)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("make the key of cursors: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return key, nil
}
