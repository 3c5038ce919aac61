package wal_test

import (
	"os"
	"path/filepath"
	"testing"

	"example.com/nexusctl/daemon/wal"
)

// TestMkdirAll makes what is missing, takes what is there, and refuses to make
// anything below a file.
func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := wal.OS.MkdirAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := wal.OS.MkdirAll(filepath.Join(file, "d")); err == nil {
		t.Error("made a directory below a file")
	}
}
