package cursor_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/nexusctl/daemon/cursor"
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestOpen(t *testing.T) {
	made := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	key := bytes.Repeat([]byte{7}, cursor.KeyBytes)
	s := cursor.New(key, at(made))
	sealed := s.Seal("metrics?type=gauge", []byte("place"))
	for _, c := range []struct {
		name, question, sealed string
		by                     *cursor.Sealer
		want                   error
	}{
		{"as it was given", "metrics?type=gauge", sealed, s, nil},
		{"at the end of its day", "metrics?type=gauge", sealed, cursor.New(key, at(made.Add(cursor.Lifetime))), nil},
		{"after its day", "metrics?type=gauge", sealed, cursor.New(key, at(made.Add(cursor.Lifetime+time.Second))), cursor.ErrExpired},
		{"by another key", "metrics?type=gauge", sealed, cursor.New(nil, at(made)), cursor.ErrForged},
		{"of another question", "metrics?type=counter", sealed, s, cursor.ErrForged},
		{"of a longer question", "metrics?type=gaugep", sealed, s, cursor.ErrForged},
		{"empty", "metrics?type=gauge", "", s, cursor.ErrForged},
		{"a number", "metrics?type=gauge", "7", s, cursor.ErrForged},
		{"too long", "metrics?type=gauge", strings.Repeat("A", 1<<20), s, cursor.ErrForged},
		{"with an end", "metrics?type=gauge", sealed + "A", s, cursor.ErrForged},
		{"cut", "metrics?type=gauge", sealed[:len(sealed)-1], s, cursor.ErrForged},
	} {
		got, err := c.by.Open(c.question, c.sealed)
		if !errors.Is(err, c.want) || err == nil && string(got) != "place" {
			t.Errorf("%s: %q, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// TestEveryBit turns each bit of a cursor.
func TestEveryBit(t *testing.T) {
	s := cursor.New(nil, time.Now)
	b, err := base64.RawURLEncoding.DecodeString(s.Seal("q", []byte{1, 2, 3}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(b) {
		b[i/8] ^= 1 << (i % 8)
		if _, err := s.Open("q", base64.RawURLEncoding.EncodeToString(b)); !errors.Is(err, cursor.ErrForged) {
			t.Errorf("bit %d: %v", i, err)
		}
		b[i/8] ^= 1 << (i % 8)
	}
}

func FuzzOpen(f *testing.F) {
	s := cursor.New(bytes.Repeat([]byte{1}, cursor.KeyBytes), at(time.Unix(1_700_000_000, 0)))
	sealed := s.Seal("q", []byte("x"))
	f.Add(sealed)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := s.Open("q", text); err == nil && (text != sealed || string(got) != "x") {
			t.Errorf("%q is taken: %q", text, got)
		}
	})
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, cursor.KeyFile)
	first, err := cursor.LoadKey(dir)
	if err != nil || len(first) != cursor.KeyBytes {
		t.Fatalf("%x, %v", first, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if again, err := cursor.LoadKey(dir); err != nil || !bytes.Equal(first, again) {
		t.Errorf("%x, %v; want %x", again, err, first)
	}
	if other, err := cursor.LoadKey(t.TempDir()); err != nil || bytes.Equal(first, other) {
		t.Errorf("two directories have one key: %x, %v", other, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := cursor.LoadKey(dir); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that all can read: %v", err)
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("short"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := cursor.LoadKey(dir); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("a short key: %v", err)
	}
	if err := errors.Join(os.Remove(path), os.Symlink("/dev/zero", path)); err != nil {
		t.Fatal(err)
	}
	if _, err := cursor.LoadKey(dir); err == nil {
		t.Error("a link is followed")
	}
	if _, err := cursor.LoadKey(filepath.Join(dir, "none")); err == nil {
		t.Error("a key in no directory")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
