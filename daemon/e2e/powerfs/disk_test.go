package powerfs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func ok(t *testing.T, errno syscall.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatal(errno)
	}
}

// making returns a disk with one file, whose name is durable.
func making(t *testing.T) (*Disk, *node) {
	t.Helper()
	d := New()
	n := d.newFile(0o600)
	ok(t, d.add(d.root, "a", n))
	ok(t, d.sync(d.root))
	return d, n
}

func content(d *Disk, name string) []byte {
	if n := d.root.dir.seen[name]; n != nil {
		return n.file.seen
	}
	return nil
}

// TestSyncedSurvives cuts the power many times: what was synced is always
// there, and of what was not each fate is met.
func TestSyncedSurvives(t *testing.T) {
	synced := bytes.Repeat([]byte("s"), 10_000)
	loose := bytes.Repeat([]byte("u"), 10_000)
	met := map[string]int{}
	for seed := range uint64(400) {
		d, n := making(t)
		ok(t, d.write(n, synced, 0))
		ok(t, d.sync(n))
		ok(t, d.write(n, loose, int64(len(synced))))
		d.Fail()
		d.Off()
		damage := d.Restore(seeded(seed))
		got := content(d, "a")
		if !bytes.HasPrefix(got, synced) {
			t.Fatalf("seed %d: what was synced is gone", seed)
		}
		rest := got[len(synced):]
		left := bytes.Count(rest, []byte("u"))
		if left+bytes.Count(rest, []byte{0}) != len(rest) {
			t.Fatalf("seed %d: bytes that nobody wrote", seed)
		}
		if damage.Writes != 1 || damage.Bytes != int64(len(loose)) || (damage.Harmed == 0) != (left == len(loose)) {
			t.Fatalf("seed %d: %+v with %d bytes left", seed, damage, left)
		}
		met[describe(rest, left, len(loose))]++
	}
	for _, fate := range []string{"lost", "kept", "torn", "with holes"} {
		if met[fate] == 0 {
			t.Errorf("never %s: %v", fate, met)
		}
	}
}

func describe(rest []byte, left, all int) string {
	switch left {
	case 0:
		return "lost"
	case all:
		return "kept"
	case len(rest):
		return "torn"
	}
	return "with holes"
}

// TestBlocksOfSomeTime writes, resizes and syncs a file at random. After a cut
// each of its blocks is as it was at some time since the last sync, up to where
// a size that was set may have cut it, and no file is smaller than it ever was.
func TestBlocksOfSomeTime(t *testing.T) {
	const block = 512
	for seed := range uint64(300) {
		r := seeded(seed)
		d, n := making(t)
		history := [][]byte{nil} // of the content, since the last sync
		for range 1 + r.IntN(30) {
			switch r.IntN(8) {
			case 0:
				ok(t, d.sync(n))
				history = nil
			case 1:
				ok(t, d.resize(n, r.Int64N(6000)))
			default:
				ok(t, d.write(n, bytes.Repeat([]byte{byte(1 + r.IntN(250))}, 1+r.IntN(3000)), r.Int64N(4000)))
			}
			history = append(history, slices.Clone(n.file.seen))
		}
		d.Restore(r)
		got := content(d, "a")
		for at := 0; at < len(got); at += block {
			if !everHeld(history, got, at, min(at+block, len(got))) {
				t.Fatalf("seed %d: the block at %d was never so", seed, at)
			}
		}
		if least := smallest(history); len(got) < least {
			t.Fatalf("seed %d: %d bytes are left of a file that had %d at least", seed, len(got), least)
		}
	}
}

// everHeld reports whether [from, to) is what some version had there, or the
// beginning of that and zeros.
func everHeld(history [][]byte, got []byte, from, to int) bool {
	kept := len(bytes.TrimRight(got[from:to], "\x00"))
	for _, h := range history {
		if from+kept <= len(h) && bytes.Equal(got[from:from+kept], h[from:from+kept]) {
			return true
		}
	}
	return kept == 0
}

func smallest(history [][]byte) int {
	least := len(history[0])
	for _, h := range history {
		least = min(least, len(h))
	}
	return least
}

// TestNames cuts the power with a synced name, an unsynced one, a rename over a
// durable name and an unsynced directory.
func TestNames(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(400) {
		d, n := making(t)
		ok(t, d.write(n, []byte("old"), 0))
		ok(t, d.sync(n))
		half, loose := d.newFile(0o600), d.newFile(0o600)
		ok(t, d.add(d.root, "a.tmp", half))
		ok(t, d.write(half, []byte("new"), 0))
		ok(t, d.sync(half))
		ok(t, d.rename(d.root, "a.tmp", "a"))
		sub := d.newDir(0o700)
		ok(t, d.add(d.root, "sub", sub))
		ok(t, d.add(sub, "b", loose))
		ok(t, d.sync(sub))
		d.Restore(seeded(seed))
		a := string(content(d, "a"))
		if a != "old" && a != "new" {
			t.Fatalf("seed %d: %q under a durable name", seed, a)
		}
		if a == "new" && content(d, "a.tmp") != nil {
			t.Fatalf("seed %d: both names of a rename", seed)
		}
		if s := d.root.dir.seen["sub"]; s != nil && s.dir.seen["b"] == nil {
			t.Fatalf("seed %d: a synced name is gone from a directory that is there", seed)
		}
		met[fmt.Sprintf("%s, half %t, directory %t", a, content(d, "a.tmp") != nil, d.root.dir.seen["sub"] != nil)]++
	}
	if len(met) < 6 {
		t.Errorf("too few outcomes: %v", met)
	}
}

// TestRemoved: a name whose removal was synced does not come back, and one
// whose removal was not may.
func TestRemoved(t *testing.T) {
	back := 0
	for seed := range uint64(100) {
		d, _ := making(t)
		ok(t, d.remove(d.root, "a"))
		if seed%2 == 0 {
			ok(t, d.sync(d.root))
		}
		d.Restore(seeded(seed))
		if d.root.dir.seen["a"] != nil {
			back++
			if seed%2 == 0 {
				t.Fatalf("seed %d: the name is back", seed)
			}
		}
	}
	if back == 0 || back == 50 {
		t.Errorf("%d of 50 unsynced removals were undone", back)
	}
}

// TestLyingDisk is what every proof upon this package hangs on: a disk that
// confirms syncs and does not do them is found out.
func TestLyingDisk(t *testing.T) {
	gone := map[bool]int{}
	for seed := range uint64(100) {
		for _, lying := range []bool{false, true} {
			d, n := making(t)
			if lying {
				d.Lie(func(name string) bool { return name == "a" })
			}
			ok(t, d.write(n, []byte("acknowledged"), 0))
			ok(t, d.sync(n))
			d.Restore(seeded(seed))
			if string(content(d, "a")) != "acknowledged" {
				gone[lying]++
			}
		}
	}
	if gone[false] != 0 || gone[true] < 25 {
		t.Errorf("of 100 cuts each, an honest disk lost data in %d, a lying one in %d", gone[false], gone[true])
	}
}

// TestPower: once the power fails nothing changes, and nobody is answered
// before it is off.
func TestPower(t *testing.T) {
	d, n := making(t)
	d.Fail()
	answer := make(chan syscall.Errno)
	go func() { answer <- d.do(func() syscall.Errno { return d.write(n, []byte("late"), 0) }) }()
	select {
	case errno := <-answer:
		t.Fatalf("answered %v while the power fails", errno)
	default:
	}
	d.Off()
	if errno := <-answer; errno != syscall.EIO {
		t.Errorf("answered %v without power", errno)
	}
	d.Restore(seeded(1))
	if len(content(d, "a")) != 0 {
		t.Error("a write came through after the cut")
	}
	ok(t, d.do(func() syscall.Errno { return 0 }))
}

// TestFailAt: the request that was named does nothing any more.
func TestFailAt(t *testing.T) {
	d, n := making(t)
	sprung := d.FailAt("a", 3)
	other := d.newFile(0o600)
	ok(t, d.add(d.root, "b", other))
	for _, to := range []*node{n, other, n} {
		ok(t, d.change(to, func() syscall.Errno { return d.write(to, []byte("12"), to.file.size()) }))
	}
	answer := make(chan syscall.Errno)
	go func() { answer <- d.change(n, func() syscall.Errno { return d.sync(n) }) }()
	<-sprung
	d.Off()
	if errno := <-answer; errno != syscall.EIO || len(n.file.seen) != 4 || len(n.file.platter) != 0 {
		t.Errorf("%v with %q on the platter", errno, n.file.platter)
	}
}

// TestBounds: a disk has an end, and what waits for a sync has a bound.
func TestBounds(t *testing.T) {
	d, n := making(t)
	if errno := d.resize(n, Capacity+1); errno != syscall.ENOSPC {
		t.Errorf("beyond its capacity: %v", errno)
	}
	b := make([]byte, 1<<20)
	for range 2 * maxPending / len(b) {
		ok(t, d.write(n, b, 0))
	}
	if n.file.unsynced > maxPending {
		t.Errorf("%d bytes are unsynced", n.file.unsynced)
	}
	for range 2 * maxChanges {
		ok(t, d.add(d.root, "b", d.newFile(0)))
		ok(t, d.remove(d.root, "b"))
	}
	if len(d.root.dir.changes) > maxChanges {
		t.Errorf("%d changes are unsynced", len(d.root.dir.changes))
	}
}

// TestSameAgain: a seed stands for a cut.
func TestSameAgain(t *testing.T) {
	for seed := range uint64(50) {
		var left [2][]byte
		for i := range left {
			r := seeded(seed)
			d, n := making(t)
			for range 20 {
				ok(t, d.write(n, bytes.Repeat([]byte{byte(r.IntN(256))}, 1+r.IntN(2000)), r.Int64N(9000)))
			}
			d.Restore(r)
			left[i] = content(d, "a")
		}
		if !bytes.Equal(left[0], left[1]) {
			t.Fatalf("seed %d gives two results", seed)
		}
	}
}
