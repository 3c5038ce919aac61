package storagetest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
	"example.com/nexusctl/storage/storagetest"
	"example.com/nexusctl/storage/storagetest/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }

// each runs a test with the URL and data directory of an empty database.
func each(t *testing.T, test func(t *testing.T, fresh func(t *testing.T) (url, dir string))) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, func(t *testing.T) (string, string) { return "sqlite:nexus.db", t.TempDir() })
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, func(t *testing.T) (string, string) { return pgtest.DSN(t), t.TempDir() })
	})
}

func up(t testing.TB, url, dir string) {
	t.Helper()
	m, err := migrate.Open(context.Background(), url, dir, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Up(context.Background())
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
}

func openStore(t testing.TB, url, dir string) *storage.Store {
	t.Helper()
	s, err := storage.Open(context.Background(), storage.Options{URL: url, DataDir: dir})
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

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, fresh func(t *testing.T) (string, string)) {
		storagetest.Run(t, func(t *testing.T) (*storage.Store, func() *storage.Store) {
			url, dir := fresh(t)
			up(t, url, dir)
			return openStore(t, url, dir), func() *storage.Store { return openStore(t, url, dir) }
		})
	})
}

func TestMigrateDownToNothingAndUpAgain(t *testing.T) {
	each(t, func(t *testing.T, fresh func(t *testing.T) (string, string)) {
		url, dir := fresh(t)
		ctx := t.Context()
		if _, err := storage.Open(ctx, storage.Options{URL: url, DataDir: dir}); !errors.Is(err, storage.ErrSchemaOld) {
			t.Fatalf("an empty database: %v", err)
		}
		up(t, url, dir)
		s := openStore(t, url, dir)
		first := s.ID()
		ids, err := s.Resolve(ctx, [][]byte{series.Key{Name: "a", Type: protocol.Counter}.Append(nil)})
		if err != nil {
			t.Fatal(err)
		}
		data := block.AppendBlock(nil, 0, 0, []block.Point{{Series: ids[0], Time: 1000, Kind: block.Counter, N: 1, Sum: 1}})
		if _, err := s.Commit(ctx, storage.Flush{Writer: "w", To: 5, Seq: 1, Blocks: []storage.Block{{Data: data}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Compact(ctx, 1); err != nil {
			t.Fatal(err)
		}
		m, err := migrate.Open(ctx, url, dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		down, err := m.DownToNothing(ctx)
		if err != nil || len(down) == 0 {
			t.Fatal(down, err)
		}
		if v, err := m.Version(ctx); v != 0 || err != nil {
			t.Fatal(v, err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "chunks-*.db*")); len(left) > 0 {
			t.Errorf("day files are left: %v", left)
		}
		up(t, url, dir)
		if again := openStore(t, url, dir); again.ID() == first {
			t.Error("a store made anew has the identity of the old one")
		}
		status, err := m.Status(ctx)
		if err != nil || len(status) == 0 || !status[0].Applied {
			t.Errorf("%+v, %v", status, err)
		}
		if _, err := m.Redo(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestMigrationsSideBySide(t *testing.T) {
	each(t, func(t *testing.T, fresh func(t *testing.T) (string, string)) {
		url, dir := fresh(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { up(t, url, dir) })
		}
		wg.Wait()
		openStore(t, url, dir)
	})
}

func TestUnreachablePostgresTellsNoSecret(t *testing.T) {
	_, err := storage.Open(t.Context(), storage.Options{URL: "postgres://u:hunter2secret@127.0.0.1:1/x?connect_timeout=1"})
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if err != nil && strings.Contains(err.Error(), "hunter2secret") {
		t.Errorf("the password is in the error: %v", err)
	}
}

func BenchmarkFlush100k(b *testing.B) {
	for name, url := range map[string]func() string{"sqlite": func() string { return "sqlite:nexus.db" }, "postgres": func() string { return pgtest.DSN(b) }} {
		b.Run(name, func(b *testing.B) {
			dir, u := b.TempDir(), url()
			up(b, u, dir)
			s := openStore(b, u, dir)
			var blocks []storage.Block
			for shard := range int64(98) {
				points := make([]block.Point, block.ShardSize)
				for i := range points {
					points[i] = block.Point{Series: shard*block.ShardSize + int64(i), Kind: block.Counter, N: 3, Sum: float64(i)}
				}
				blocks = append(blocks, storage.Block{Shard: shard, Data: block.AppendBlock(nil, shard, 0, points)})
			}
			at := uint64(0)
			for b.Loop() {
				if _, err := s.Commit(context.Background(), storage.Flush{Writer: "w", From: at, To: at + 1, Seq: at + 1, Blocks: blocks}); err != nil {
					b.Fatal(err)
				}
				at++
			}
		})
	}
}
