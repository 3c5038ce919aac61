package bench

import (
	"context"
	"testing"

	"example.com/nexusctl/protocol"
	"example.com/nexusctl/protocol/series"
	"example.com/nexusctl/storage"
	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
)

// TestMemory: each flush adds a point to what is read, whether this daemon is alone or
// follows others, and whether the name is new or the store's.
func TestMemory(t *testing.T) {
	for name, alone := range map[string]bool{"alone": true, "beside others": false} {
		t.Run(name, func(t *testing.T) {
			s := emptyStore(t)
			ids, err := s.Resolve(t.Context(), [][]byte{series.Key{Name: "depth", Type: protocol.Gauge}.Append(nil)})
			if err != nil {
				t.Fatal(err)
			}
			m := NewMemory(s, "w", alone)
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ran := make(chan struct{})
			go func() { defer close(ran); m.Run(ctx) }()
			defer func() { stop(); <-ran }()
			const hour = 3_600_000
			for i := range 20 {
				at := 480_000*hour + int64(i)*resolution
				p := block.Point{Series: ids[0], Time: at, Kind: block.Gauge, N: 1, Last: float64(i), LastAt: at, Min: float64(i), Max: float64(i), Sum: float64(i)}
				f := storage.Flush{Writer: "w", From: uint64(i), To: uint64(i) + 1, Seq: uint64(i) + 1, Hour: at / hour}
				f.Blocks = []storage.Block{{Shard: ids[0] / block.ShardSize, Data: block.AppendBlock(nil, ids[0]/block.ShardSize, at, []block.Point{p})}}
				if _, err := s.Commit(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				m.Stored(f)
				for _, older := range []bool{true, false} {
					if n, err := m.LastHour(t.Context(), ids[0], at+resolution, older); err != nil || n != i+1 {
						t.Fatalf("%d points after %d flushes: %v", n, i+1, err)
					}
				}
			}
		})
	}
}

func emptyStore(t *testing.T) *storage.Store {
	t.Helper()
	dir := t.TempDir()
	m, err := migrate.Open(t.Context(), "sqlite:nexus.db", dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := storage.Open(t.Context(), storage.Options{URL: "sqlite:nexus.db", DataDir: dir})
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
