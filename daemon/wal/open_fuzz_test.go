package wal_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"testing"

	"example.com/nexusctl/daemon/wal"
)

// FuzzOpen opens a log of which one file holds what nobody wrote: it says what
// is damaged, or goes on behind the frames that were written.
func FuzzOpen(f *testing.F) {
	const frames, size = 12, 1024
	whole := f.TempDir()
	l := open(f, whole, wal.Options{SegmentSize: size})
	for i := range frames {
		add(f, l, payload(i))
	}
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	names, err := wal.OS.ReadDir(whole)
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
			} else if name == "highwater" && noMark {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, name), c, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := wal.Open(dir, wal.Options{SegmentSize: size})
		if err != nil {
			return
		}
		span := add(t, l, []byte("more"))
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(t, l, l.Start())
		var damage *wal.CorruptError
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

// FuzzRepair repairs a log of which one file holds what nobody wrote, with the
// store and a checkpoint anywhere: it can be opened afterwards, takes frames,
// and reads them back.
func FuzzRepair(f *testing.F) {
	s := newSample(f)
	for i, name := range s.names {
		b := s.disk.Content(path.Join("/log", name))
		f.Add(uint8(i), b, uint16(0), uint16(0))
		f.Add(uint8(i), b[:len(b)/2], uint16(i*1000), uint16(0))
		f.Add(uint8(i), append(bytes.Clone(b[:min(100, len(b))]), b...), uint16(0), uint16(20_000))
		f.Add(uint8(i), []byte{}, uint16(3000), uint16(3000))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte, checkpoint, reached uint16) {
		if len(b) > 64<<10 || b == nil {
			return
		}
		disk := s.disk.Clone(rand.New(rand.NewPCG(1, 1)))
		disk.Change(path.Join("/log", s.names[int(which)%len(s.names)]), func([]byte) []byte { return bytes.Clone(b) })
		survey, err := wal.Look("/log", disk)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := survey.Repair([]wal.Position{wal.Position(checkpoint)}, wal.Position(reached))
		if err != nil {
			t.Fatal(err)
		}
		if plan.Cut() && (plan.To <= wal.Position(reached) || plan.To <= plan.From) {
			t.Fatalf("%+v", plan)
		}
		if plan.To > 1<<62 {
			return // nobody has written so much
		}
		if _, err := plan.Lost(func([]byte, wal.Span) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := plan.Apply(func(wal.Position) []byte { return []byte("cut") }); err != nil {
			t.Fatal(err)
		}
		if again := planned(t, disk, []wal.Position{wal.Position(checkpoint)}, wal.Position(reached)); again.Needed() {
			t.Fatalf("after %+v there is still to do: %+v", plan, again)
		}
		l := openOn(t, disk, wal.Options{SegmentSize: 2048})
		add(t, l, []byte("more"))
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t, l, l.Start()); err != nil || string(got[len(got)-1]) != "more" {
			t.Fatalf("%d frames: %v", len(got), err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
