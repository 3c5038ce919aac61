package storage

import (
	"context"
	"database/sql"
)

// SetMeta records a metric's description and unit.
func (s *Store) SetMeta(ctx context.Context, name, description, unit string) error {
	return s.write(ctx, "describe metric", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, s.db.Bind("INSERT INTO metric (name, description, unit) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET description = excluded.description, unit = excluded.unit"),
			name, description, unit)
		return err
	})
}

// Meta is what people said of a metric.
type Meta struct{ Name, Description, Unit string }

// maxMeta bounds the metrics that Metas returns.
const maxMeta = 50_000

// Metas returns what people said of metrics, by name: of the one that is named,
// or of the first maxMeta where none is.
func (s *Store) Metas(ctx context.Context, name string) (list []Meta, err error) {
	where, args := "", []any{maxMeta}
	if name != "" {
		where, args = " WHERE name = $2", append(args, name)
	}
	err = s.read(ctx, "read descriptions", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return s.each(ctx, tx, func(rows *sql.Rows) error {
			var m Meta
			err := rows.Scan(&m.Name, &m.Description, &m.Unit)
			list = append(list, m)
			return err
		}, "SELECT name, description, unit FROM metric"+where+" ORDER BY name LIMIT $1", args...)
	})
	return list, err
}
