package storage

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// TestCollisions: keys of one hash are series of their own, whether they come
// together or one after the other.
func TestCollisions(t *testing.T) {
	was := keyHash
	t.Cleanup(func() { keyHash = was })
	keyHash = func(b []byte) (h series.Hash) {
		sum := sha256.Sum256(b)
		h[0] = sum[0] % 3
		return h
	}
	for name, url := range map[string]string{"sqlite": "sqlite:nexus.db", "postgres": pgtest.DSN(t)} {
		t.Run(name, func(t *testing.T) {
			s := migrated(t, url)
			var keys [][]byte
			for i := range 30 {
				keys = append(keys, series.Key{Name: fmt.Sprint("n", i), Type: protocol.Gauge}.Append(nil))
			}
			var ids []int64
			for part := range slices.Chunk(keys, 7) {
				more, err := s.Resolve(t.Context(), part)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, more...)
			}
			again, err := s.Resolve(t.Context(), keys)
			if err != nil || !slices.Equal(again, ids) {
				t.Errorf("%v, %v, %v", ids, again, err)
			}
			slices.Sort(ids)
			if len(slices.Compact(ids)) != 30 {
				t.Errorf("two series have one id: %v", ids)
			}
		})
	}
}

func migrated(t testing.TB, url string) *Store {
	t.Helper()
	dir := t.TempDir()
	m, err := migrate.Open(t.Context(), url, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{URL: url, DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
