package storage

import (
	"context"
	"database/sql"
	"testing"

	"example.com/nexusctl/storage/block"
	"example.com/nexusctl/storage/migrate"
)

// BenchmarkReadHours reads 30 days by the hour, 720 points, of one series of a hundred
// and of 20,000, whose rows of each hour take pages of their own.
func BenchmarkReadHours(b *testing.B) {
	for name, n := range map[string]int64{"of 100 series": 100, "of 20000 series": 20_000} {
		b.Run(name, func(b *testing.B) {
			const first, hours = 20_000 * dayMillis, 30 * 24
			s := sqliteStore(b)
			var points []block.Point
			for h := range int64(hours) {
				points = points[:0]
				for id := range n {
					v := float64(id*7+h%100) / 100
					points = append(points, block.Point{Series: id + 1, Time: first + h*hourMillis, Kind: block.Gauge, N: 360, Last: v, LastAt: first + h*hourMillis + 3_594_000, Min: v - 1, Max: v + 1, Sum: 360*v + 0.5})
				}
				err := s.write(b.Context(), "fill", func(ctx context.Context, tx *sql.Tx) error {
					return s.putRollups(ctx, tx, tierHours, points)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			err := s.write(b.Context(), "by the day", func(ctx context.Context, tx *sql.Tx) error {
				for start := int64(first); start < first+hours*hourMillis; start += dayMillis {
					for shard := range n/block.ShardSize + 1 {
						if err := s.keepDay(ctx, tx, shard, start); err != nil {
							return err
						}
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			id := int64(0)
			b.ReportAllocs()
			for b.Loop() {
				id = (id + 37) % n
				sel, err := s.Read(b.Context(), ReadRequest{IDs: []int64{id + 1}, From: first, To: first + hours*hourMillis - 1, Step: hourMillis})
				if err != nil || len(sel.Rollups) != hours {
					b.Fatal(len(sel.Rollups), err)
				}
			}
		})
	}
}

func sqliteStore(b testing.TB) *Store {
	b.Helper()
	dir := b.TempDir()
	m, err := migrate.Open(b.Context(), "sqlite:nexus.db", dir, "")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := m.Up(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
	s, err := Open(b.Context(), Options{URL: "sqlite:nexus.db", DataDir: dir})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}
