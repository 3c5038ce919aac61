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
