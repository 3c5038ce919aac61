package storage

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"example.com/nexusctl/protocol/series"
)

// numTiers is how many tiers there are.
const numTiers = 5

// TierBytes is what each tier holds of something, in the order of TierNames.
type TierBytes [numTiers]int64

// Total adds the tiers up.
func (b TierBytes) Total() (sum int64) {
	for _, n := range b {
		sum += n
	}
	return sum
}

// TierNames are the tiers' names, from the finest to the coarsest.
func TierNames() (names []string) {
	for _, t := range tiers {
		names = append(names, t.name)
	}
	return names
}

// MetricUsage is what is stored of one name.
type MetricUsage struct {
	Name   string
	Series int
	Bytes  TierBytes
}

// SeriesUsage is what is stored of one series.
type SeriesUsage struct {
	ID    int64
	Key   series.Key
	Bytes TierBytes
}

// Usage is who takes the space: the largest metrics and series. Bytes are those
// of the data, without indexes and pages; a row counts as rowBytes and its
// sketch. Blocks, which are not compacted yet, are nobody's.
type Usage struct {
	Metrics []MetricUsage
	Series  []SeriesUsage
	Deleted TierBytes // of deleted series, still to be removed
}

// rowBytes is what a row by the hour or by the minute is reckoned at, without its
// sketch.
const rowBytes = 64

// Usage reads the size of everything that is stored, and returns up to top
// metrics and series, the largest first. It takes as long as reading every tier
// does, and some 100 bytes of memory a series.
func (s *Store) Usage(ctx context.Context, top int) (u Usage, err error) {
	bytes := map[int64]TierBytes{}
	for i, t := range tiers {
		err := s.eachUsage(ctx, t, func(id, n int64) {
			b := bytes[id]
			b[i] += n
			bytes[id] = b
		})
		if err != nil {
			return u, fmt.Errorf("measure %s: %w", t.name, err)
		}
	}
	if u.Metrics, err = s.byMetric(ctx, bytes, &u.Deleted); err != nil {
		return u, err
	}
	u.Metrics = largest(u.Metrics, top, func(m MetricUsage) int64 { return m.Bytes.Total() }, func(a, b MetricUsage) int { return cmp.Compare(a.Name, b.Name) })
	return u, s.bySeries(ctx, bytes, top, &u)
}

// largest sorts by falling size and cuts.
func largest[T any](list []T, top int, size func(T) int64, otherwise func(a, b T) int) []T {
	slices.SortFunc(list, func(a, b T) int { return cmp.Or(-cmp.Compare(size(a), size(b)), otherwise(a, b)) })
	return list[:min(top, len(list))]
}

// eachUsage calls f with the bytes of every series of a tier; a series may come
// several times.
func (s *Store) eachUsage(ctx context.Context, t tier, f func(id, bytes int64)) error {
	take := func(rows *sql.Rows) error {
		var id, n int64
		err := rows.Scan(&id, &n)
		if err == nil {
			f(id, n)
		}
		return err
	}
	rollups := fmt.Sprintf("SELECT series_id, SUM(%d + COALESCE(LENGTH(sketch), 0)) FROM %s GROUP BY series_id", rowBytes, t.name)
	return s.read(ctx, "measure series", func(ctx context.Context, tx *sql.Tx) error {
		switch {
		case t == tierHours || t == tierSQLMinutes:
			return s.each(ctx, tx, take, rollups)
		case s.files == nil:
			return s.each(ctx, tx, take, "SELECT series_id, SUM(LENGTH(data)) FROM "+t.name+" GROUP BY series_id")
		}
		var days []int64
		err := s.each(ctx, tx, func(rows *sql.Rows) error {
			var day int64
			err := rows.Scan(&day)
			days = append(days, day)
			return err
		}, "SELECT day FROM chunk_file WHERE kind = ? ORDER BY day", t.kind)
		for _, day := range days {
			if err != nil {
				return err
			}
			var d *chunkFile
			if d, err = s.files.get(ctx, fileKey{t.kind, day}, false); err == nil && d != nil {
				err = d.usage(ctx, take)
			}
		}
		return err
	})
}

// usage calls take with series and bytes; the bytes themselves are not read.
func (d *chunkFile) usage(ctx context.Context, take func(rows *sql.Rows) error) error {
	rows, err := d.read.QueryContext(ctx, fmt.Sprintf("SELECT key & %d, SUM(LENGTH(data)) FROM chunk GROUP BY 1", int64(1)<<seriesBits-1))
	if err != nil {
		return err
	}
	return scanAll(rows, func() error { return take(rows) })
}

// byMetric adds the series of each name up, takes those out of bytes that were
// deleted, and adds these up too.
func (s *Store) byMetric(ctx context.Context, bytes map[int64]TierBytes, deleted *TierBytes) ([]MetricUsage, error) {
	var found map[string]MetricUsage
	var known map[int64]struct{}
	err := s.read(ctx, "measure metrics", func(ctx context.Context, tx *sql.Tx) error {
		found, known = map[string]MetricUsage{}, map[int64]struct{}{}
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var id int64
			var name string
			if err := rows.Scan(&id, &name); err != nil {
				return err
			}
			known[id] = struct{}{}
			m := found[name]
			m.Name = name
			m.Series++
			for i, n := range bytes[id] {
				m.Bytes[i] += n
			}
			found[name] = m
			return nil
		}, "SELECT id, name FROM series")
	})
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(bytes, func(id int64, b TierBytes) bool {
		_, ok := known[id]
		if !ok {
			for i, n := range b {
				deleted[i] += n
			}
		}
		return !ok
	})
	return slices.Collect(maps.Values(found)), nil
}

// bySeries finds the largest series.
func (s *Store) bySeries(ctx context.Context, bytes map[int64]TierBytes, top int, u *Usage) error {
	for id, b := range bytes {
		u.Series = append(u.Series, SeriesUsage{ID: id, Bytes: b})
	}
	u.Series = largest(u.Series, top, func(m SeriesUsage) int64 { return m.Bytes.Total() }, func(a, b SeriesUsage) int { return cmp.Compare(a.ID, b.ID) })
	ids := make([]int64, len(u.Series))
	for i, one := range u.Series {
		ids[i] = one.ID
	}
	list, err := s.seriesByID(ctx, ids)
	known := make(map[int64]series.Key, len(list))
	for _, one := range list {
		known[one.ID] = one.Key
	}
	u.Series = slices.DeleteFunc(u.Series, func(one SeriesUsage) bool { _, ok := known[one.ID]; return !ok })
	for i := range u.Series {
		u.Series[i].Key = known[u.Series[i].ID]
	}
	return err
}
