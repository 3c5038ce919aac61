package wal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func FuzzFrames(f *testing.F) {
	b, chain := appendFrame(nil, 0, []byte("one"))
	b, _ = appendFrame(b, chain, []byte("two"))
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		chain := uint32(0)
		for {
			p, next, what, _ := nextFrame(b, chain)
			if what != wholeFrame {
				break
			}
			b, chain = b[frameHeader+len(p):], next
		}
		_, _ = parseHeading(b)
	})
}

// FuzzHighWater reads a high-water file that holds anything: it never panics,
// and what it takes for a mark, a later write replaces.
func FuzzHighWater(f *testing.F) {
	dir := f.TempDir()
	h, err := openHighWater(OS, dir)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		if err := h.write(Position(100*i), uint32(i)); err != nil {
			f.Fatal(err)
		}
	}
	if err := h.close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, highWaterName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:slotSize])
	f.Add(b[:slotSize-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, highWaterName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := openHighWater(OS, dir)
		if err != nil {
			t.Fatal(err)
		}
		if h.number > 1<<63 || len(b)%slotSize != 0 {
			_ = h.close()
			return // nobody has synced so often, or left half a slot
		}
		if err := errors.Join(h.write(4711, 5), h.close()); err != nil {
			t.Fatal(err)
		}
		again, err := openHighWater(OS, dir)
		if err != nil {
			t.Fatal(err)
		}
		if again.at != 4711 || again.chain != 5 {
			t.Fatalf("written 4711, read %d", again.at)
		}
		if err := again.close(); err != nil {
			t.Fatal(err)
		}
	})
}
