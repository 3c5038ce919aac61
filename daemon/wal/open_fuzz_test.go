package wal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzOpen opens a log of which one file holds what nobody wrote: it says what
// is damaged, or goes on behind the frames that were written.
func FuzzOpen(f *testing.F) {
	const frames, size = 12, 1024
	whole := f.TempDir()
	l := open(f, whole, Options{SegmentSize: size})
	for i := range frames {
		add(f, l, payload(i))
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	names, err := OS.ReadDir(whole)
	if err != nil {
		f.Fatal(err)
	}
	content := map[string][]byte{}
	for i, name := range names {
		if content[name], err = os.ReadFile(filepath.Join(whole, name)); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), content[name], false)
		f.Add(uint8(i), content[name][:len(content[name])/2], true)
		f.Add(uint8(i), []byte{}, true)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte, noMark bool) {
		if len(b) > 64<<10 {
			return
		}
		dir := t.TempDir()
		for i, name := range names {
			c := content[name]
			if i == int(which)%len(names) {
				c = b
			} else if name == highWaterName && noMark {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), c, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(dir, Options{SegmentSize: size})
		if err != nil {
			return
		}
		span := add(t, l, []byte("more"))
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, l, l.Start())
		var damage *CorruptError
		if err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
		if err == nil && string(got[len(got)-1]) != "more" {
			t.Fatalf("the frame at %d that was appended is not the last of %d", span.From, len(got))
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
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
