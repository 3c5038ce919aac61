//go:build cgo

package dialect

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestCreateFileAnew: a file without a byte, which a power cut may leave of one
// that was being made, becomes a database like any other; one that has bytes is
// left alone.
func TestCreateFileAnew(t *testing.T) {
	for name, before := range map[string][]byte{"missing.db": nil, "empty.db": {}} {
		path := filepath.Join(t.TempDir(), name)
		if before != nil {
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := CreateFile(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		checkMode(t, path)
		if size := pageSizeOf(t, path); size != pageSize {
			t.Errorf("%s has pages of %d bytes", name, size)
		}
	}
	path := filepath.Join(t.TempDir(), "other.db")
	if err := os.WriteFile(path, []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "something else" {
		t.Errorf("%q, %v", b, err)
	}
}

func pageSizeOf(t *testing.T, path string) (size int) {
	t.Helper()
	db, err := OpenFile(path, true, 1)
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRow("PRAGMA page_size").Scan(&size)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return size
}

// TestReadersHoldWhatStays: a reader's cache is no larger than what SQLite allocates
// once for a connection and keeps when the cache is emptied, 20 pages by its build.
func TestReadersHoldWhatStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := CreateFile(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	db, err := OpenFile(path, false, 1)
	if err != nil {
		t.Fatal(err)
	}
	var kib, kept int
	err = db.QueryRow("SELECT cache_size, (SELECT CAST(substr(compile_options, 23) AS integer) FROM pragma_compile_options WHERE compile_options LIKE 'DEFAULT_PCACHE_INITSZ=%') FROM pragma_cache_size").Scan(&kib, &kept)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if most := kept * pageSize >> 10; kib >= 0 || -kib > most || -kib < most/2 {
		t.Errorf("a reader's cache is %d (KiB where below 0), and %d KiB stay", kib, most)
	}
}
