package powerfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
)

// mounted mounts a disk, or skips the test where that cannot be done.
func mounted(t *testing.T, d *Disk) (string, *Mount) {
	t.Helper()
	dir := t.TempDir()
	m, err := d.Mount(dir)
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() { _ = m.server.Unmount() })
	return dir, m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestSQLite commits rows over a shared mapping of the index, with two
// connections, and cuts the power: an honest disk has every one of them, a lying
// one does not.
func TestSQLite(t *testing.T) {
	for _, lying := range []bool{false, true} {
		missing := 0
		for seed := range uint64(4) {
			missing += 50 - rowsAfterCut(t, seed, lying)
		}
		if lying != (missing > 0) {
			t.Errorf("lying %t: %d committed rows are missing", lying, missing)
		}
	}
}

func rowsAfterCut(t *testing.T, seed uint64, lying bool) (n int) {
	d := New()
	dir, m := mounted(t, d)
	c := newClient(t, dir)
	_, err := c.run("CREATE TABLE x (n INTEGER)")
	must(t, err)
	if lying {
		d.Lie(func(string) bool { return true })
	}
	for i := range 50 {
		_, err := c.run(fmt.Sprintf("INSERT INTO x VALUES (%d)", i))
		must(t, err)
		n, err = c.run("SELECT COUNT(*) FROM x")
		must(t, err)
		if n != i+1 {
			t.Fatalf("%d rows are seen after %d commits", n, i+1)
		}
	}
	d.Fail()
	d.Off()
	must(t, errors.Join(c.close(), m.Close()))
	d.Lie(nil)
	d.Restore(seeded(seed))
	dir, m = mounted(t, d)
	c = newClient(t, dir)
	n, err = c.run("SELECT COUNT(*) FROM x")
	must(t, errors.Join(c.close(), m.Close()))
	if err != nil && !lying {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return n
}

// TestMounted uses the calls that the daemon uses.
func TestMounted(t *testing.T) {
	d := New()
	dir, m := mounted(t, d)
	path := filepath.Join(dir, "sub", "file")
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path+".tmp", []byte("once"), 0o600))
	must(t, os.WriteFile(path+".tmp", []byte("two"), 0o600)) // truncates
	must(t, os.Rename(path+".tmp", path))
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "two" {
		t.Errorf("%q, %v", b, err)
	}
	if err := os.Rename(path, filepath.Join(dir, "file")); err == nil {
		t.Error("renamed to another directory")
	}
	one, other := flock.New(path), flock.New(path)
	first, err := one.TryLock()
	must(t, err)
	second, err := other.TryLock()
	must(t, err)
	if !first || second {
		t.Errorf("locked %t and %t", first, second)
	}
	must(t, one.Close())
	must(t, other.Close())
	must(t, syncAll(filepath.Dir(path), path))
	if c := d.Counts(); c.Syncs != 1 || c.DirSyncs != 1 || c.Writes != 2 {
		t.Errorf("%+v", c)
	}
	must(t, os.Remove(path))
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	must(t, os.Remove(filepath.Dir(path)))
	must(t, m.Close())
}

func syncAll(paths ...string) error {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", path, err)
		}
	}
	return nil
}

// TestExport writes out what programs see.
func TestExport(t *testing.T) {
	d := New()
	sub, n := d.newDir(0o700), d.newFile(0o600)
	ok(t, d.add(d.root, "sub", sub))
	ok(t, d.add(sub, "a", n))
	ok(t, d.write(n, []byte("seen"), 0))
	dir := t.TempDir()
	must(t, d.Export(dir))
	b, err := os.ReadFile(filepath.Join(dir, "sub", "a"))
	if err != nil || string(b) != "seen" {
		t.Errorf("%q, %v", b, err)
	}
}
